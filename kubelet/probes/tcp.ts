/** TCP probe: a connection that opens is a success; nothing is sent. */
import { createConnection } from "node:net";
import type { Verdict } from "./attempt.ts";

export function probeTcp(host: string, port: number, timeoutMs: number): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const end = (verdict: Verdict) => {
      socket.destroy();
      resolve(verdict);
    };
    socket.setTimeout(timeoutMs, () => end({ ok: false, output: `dial tcp ${host}:${port}: i/o timeout` }));
    socket.once("connect", () => end({ ok: true, output: "" }));
    socket.once("error", (error) => end({ ok: false, output: dialError(host, port, error) }));
  });
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
  ECONNRESET: "read: connection reset by peer",
  ENOTFOUND: "lookup failed: no such host",
};

export function dialError(host: string, port: number, error: NodeJS.ErrnoException): string {
  return `dial tcp ${host}:${port}: ${WORDS[error.code ?? ""] ?? error.message}`;
}
