/**
 * Upstream: passes questions that are not the cluster's to the machine's own name servers.
 *
 * Questions never go back to ourselves (a loop would never end), the number under way is limited,
 * and every question gets a fresh port and id.
 */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";

export interface Upstream {
  /** The answer's bytes with the question's id, or undefined when no server answered. */
  ask(question: Buffer, protocol: "udp" | "tcp"): Promise<Buffer | undefined>;
}

const TIMEOUT_MS = 2_000;
const PORT = 53;

export function createUpstream(servers: readonly string[], clock: Clock): Upstream {
  let underWay = 0;
  return {
    async ask(question, protocol) {
      if (underWay >= limits.dnsForwards) return undefined;
      underWay++;
      try {
        for (const server of servers) {
          const answer = await exchange(server, question, protocol, clock);
          if (answer) return answer;
        }
        return undefined;
      } finally {
        underWay--;
      }
    },
  };
}

async function exchange(
  server: string,
  question: Buffer,
  protocol: "udp" | "tcp",
  clock: Clock,
): Promise<Buffer | undefined> {
  const sent = Buffer.from(question);
  sent.set(clock.bytes(2), 0);
  const answer = await (protocol === "udp" ? overUdp(server, sent, clock) : overTcp(server, sent, clock));
  if (!answer || answer.length < 12 || answer.readUInt16BE(0) !== sent.readUInt16BE(0)) return undefined;
  answer.writeUInt16BE(question.readUInt16BE(0), 0);
  return answer;
}

function overUdp(server: string, question: Buffer, clock: Clock): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const finish = (answer: Buffer | undefined) => {
      timer.cancel();
      socket.close();
      resolve(answer);
    };
    const timer = clock.after(TIMEOUT_MS, () => finish(undefined));
    socket.once("error", () => finish(undefined));
    socket.once("message", (answer) => finish(answer));
    socket.connect(PORT, server, () => socket.send(question));
  });
}

function overTcp(server: string, question: Buffer, clock: Clock): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(PORT, server);
    const finish = (answer: Buffer | undefined) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = clock.after(TIMEOUT_MS, () => finish(undefined));
    let received = Buffer.alloc(0);
    socket.once("error", () => finish(undefined));
    socket.once("close", () => finish(undefined));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        finish(received.subarray(2, 2 + received.readUInt16BE(0)));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(question.length);
    socket.write(Buffer.concat([length, question]));
  });
}

/** The machine's name servers; where its resolv.conf names only a local stub, those behind the stub. */
export function machineNameServers(own: readonly string[]): readonly string[] {
  const listed = nameServersIn("/etc/resolv.conf");
  const usable = listed.filter((address) => !isLoopback(address));
  const real = usable.length ? usable : nameServersIn("/run/systemd/resolve/resolv.conf");
  return real.filter((address) => !isLoopback(address) && !own.includes(address));
}

function nameServersIn(file: string): readonly string[] {
  try {
    return [...readFileSync(file, "utf8").matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] as string);
  } catch {
    return []; // a machine without this file has no such servers
  }
}

const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";
