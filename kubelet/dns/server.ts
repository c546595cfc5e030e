/**
 * DNS server: takes questions from UDP and TCP, and sends what respond.ts answers.
 *
 * Bytes that make no sense are dropped, never answered with an error of ours. Connections, and
 * questions of one connection under way, are limited; who does not read his answers is cut off.
 */
import { createSocket, type RemoteInfo } from "node:dgram";
import { createServer, isIPv6, type Socket } from "node:net";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Protocol, Respond } from "./respond.ts";
import { createMessageReader, framed } from "./tcp-messages.ts";

export interface DnsServerOptions {
  readonly respond: Respond;
  readonly address: string;
  readonly port: number;
  readonly log: Logger;
}

export interface DnsServer {
  readonly port: number;
  close(): Promise<void>;
}

const IDLE_MS = 10_000;
/** Bursts wait in the kernel while a turn lasts. */
const RECEIVE_BYTES = 1024 * 1024;
const PORT_ATTEMPTS = 10;

type Answer = (question: Buffer, protocol: Protocol, then: (answer: Buffer | undefined) => void) => void;

/** Rejects when the address cannot be bound. Port 0 is any that both protocols have free. */
export async function startDnsServer({ respond, address, port, log }: DnsServerOptions): Promise<DnsServer> {
  const answer = createAnswer(respond, log);
  for (let attempt = 0; ; attempt++) {
    const udp = await listenUdp(address, port, answer, log);
    try {
      const tcp = await listenTcp(address, udp.port, answer);
      return {
        port: udp.port,
        async close() {
          udp.close();
          await tcp.close();
        },
      };
    } catch (error) {
      udp.close();
      if (port !== 0 || attempt >= PORT_ATTEMPTS) throw error;
    }
  }
}

/** Undefined: no answer at all. Calls back at once where the answer is at hand, and never throws. */
function createAnswer(respond: Respond, log: Logger): Answer {
  return (question, protocol, then) => {
    const dropped = (error: unknown) => {
      log.debug("dns question dropped", { error });
      then(undefined);
    };
    try {
      const found = respond(question, protocol);
      if (found instanceof Promise) found.then(then, dropped);
      else then(found);
    } catch (error) {
      dropped(error);
    }
  };
}

async function listenUdp(address: string, wanted: number, answer: Answer, log: Logger) {
  const socket = createSocket({ type: isIPv6(address) ? "udp6" : "udp4", recvBufferSize: RECEIVE_BYTES });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(wanted, address, resolve);
  });
  let open = true;
  socket.removeAllListeners("error").on("error", (error) => log.error("dns socket failed", { error }));
  socket.on("message", (question: Buffer, from: RemoteInfo) => {
    answer(question, "udp", (bytes) => {
      if (bytes && open) socket.send(bytes, from.port, from.address, undeliverable);
    });
  });
  return {
    port: socket.address().port,
    close() {
      open = false;
      socket.close();
    },
  };
}

async function listenTcp(address: string, port: number, answer: Answer) {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    serveConnection(socket, answer);
  });
  server.maxConnections = limits.dnsConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  });
  return {
    async close() {
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A client that is gone misses nothing. */
const undeliverable = () => undefined;

function serveConnection(socket: Socket, answer: Answer): void {
  const read = createMessageReader();
  let underWay = 0;
  const full = () => underWay >= limits.dnsConnectionQuestions || socket.writableNeedDrain;
  const goOn = () => !full() && socket.isPaused() && socket.resume();
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("drain", goOn);
  socket.on("data", (chunk) => {
    for (const question of read(chunk)) {
      underWay++;
      answer(question, "tcp", (bytes) => {
        underWay--;
        if (socket.destroyed) return;
        if (!bytes) return void socket.destroy();
        socket.write(framed(bytes));
        goOn();
      });
    }
    if (full()) socket.pause();
  });
}
