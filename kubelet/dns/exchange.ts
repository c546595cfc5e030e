/**
 * Exchange: one question to one server elsewhere, by UDP or TCP.
 *
 * Every question gets a fresh port and id, and only an answer to that very question is taken, so that
 * a stranger cannot slip in his own.
 */
import { createSocket } from "node:dgram";
import { createConnection, isIPv6 } from "node:net";
import type { Clock } from "../../machinery/process/clock.ts";
import { HEADER_BYTES, questionEnd } from "./message.ts";
import type { Protocol } from "./respond.ts";
import { createMessageReader, framed } from "./tcp-messages.ts";

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

/** A question's bytes, whose id is replaced; the answer's bytes, or undefined when none came in time. */
export type Exchange = (
  server: NameServer,
  question: Buffer,
  protocol: Protocol,
  timeoutMs: number,
) => Promise<Buffer | undefined>;

export function createExchange(clock: Clock): Exchange {
  return async (server, question, protocol, timeoutMs) => {
    const sent = Buffer.from(question);
    sent.set(clock.bytes(2), 0);
    return (protocol === "udp" ? overUdp : overTcp)(server, sent, timeoutMs, clock);
  };
}

function overUdp(server: NameServer, question: Buffer, timeoutMs: number, clock: Clock): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.address) ? "udp6" : "udp4");
    const finish = (answer: Buffer | undefined) => {
      timer.cancel();
      socket.removeAllListeners().on("error", () => undefined); // it is closed: nobody waits for it any more
      socket.close();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => finish(undefined));
    socket.once("error", () => finish(undefined));
    socket.on("message", (answer) => answers(question, answer) && finish(answer));
    socket.connect(server.port, server.address, () => socket.send(question));
  });
}

function overTcp(server: NameServer, question: Buffer, timeoutMs: number, clock: Clock): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(server.port, server.address);
    const finish = (answer: Buffer | undefined) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = clock.after(timeoutMs, () => finish(undefined));
    const read = createMessageReader();
    socket.on("error", () => finish(undefined));
    socket.once("close", () => finish(undefined));
    socket.on("data", (chunk) => {
      for (const answer of read(chunk)) if (answers(question, answer)) finish(answer);
    });
    socket.write(framed(question));
  });
}

/** Same id, and the same question in any case. */
function answers(question: Buffer, answer: Buffer): boolean {
  if (answer.length < HEADER_BYTES || !(answer.readUInt8(2) & 0x80)) return false;
  if (answer.readUInt16BE(0) !== question.readUInt16BE(0)) return false;
  if (answer.readUInt16BE(4) === 0) return answer.length === HEADER_BYTES; // an error without more, as some servers answer
  const end = questionEnd(question);
  return sameText(answer.subarray(HEADER_BYTES, end), question.subarray(HEADER_BYTES, end));
}

const sameText = (one: Buffer, other: Buffer) =>
  one.toString("latin1").toLowerCase() === other.toString("latin1").toLowerCase();
