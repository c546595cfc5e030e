/**
 * Listen: the kubelet's own port. What it serves is what comes out of the tunnel too: ../server.ts.
 *
 * Nobody gets past here unknown or without the right that ./access.ts names. The port may be another cluster's on this
 * machine: then it is tried again from time to time, for nothing of the cluster depends on it.
 */
import type { IncomingMessage, Server } from "node:http";
import { createServer, type Server as TlsServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { type KeyPair, subjectOf } from "../../machinery/pki/certificates.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Access, Caller } from "./access.ts";

export interface ListenOptions {
  /** What answers. */
  readonly server: Server;
  readonly access: Access;
  readonly port: number;
  readonly pair: KeyPair;
  /** PEM of the authority whose client certificates are identities. */
  readonly authority: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface OwnPort {
  /** Undefined while it is another's. */
  port(): number | undefined;
  serveWith(pair: KeyPair): void;
}

const AGAIN_MS = 60_000;
const AUTHENTICATED = "system:authenticated";

export function listenDirectly(options: ListenOptions): OwnPort {
  const { server, port, authority, clock, log, signal } = options;
  const secured = ({ certificate, key }: KeyPair) =>
    ({ cert: certificate, key, ca: authority, minVersion: "TLSv1.2" }) as const;
  const own = createServer({ ...secured(options.pair), requestCert: true, rejectUnauthorized: false });
  own.on("request", async (request, response) => {
    const refused = await judge(request, options);
    if (!refused) return void server.emit("request", request, response);
    response.writeHead(refused.status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
    response.end(`${refused.text}\n`);
  });
  own.on("upgrade", async (request, socket, head) => {
    socket.on("error", (error) => log.debug("a direct connection broke", { error }));
    const refused = await judge(request, options);
    if (!refused) return void server.emit("upgrade", request, socket, head);
    socket.end(`HTTP/1.1 ${refused.status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  listen(own, port, { clock, log, signal });
  signal.addEventListener("abort", () => {
    own.close();
    own.closeAllConnections();
  });
  return {
    port() {
      const address = own.address();
      return typeof address === "object" ? address?.port : undefined;
    },
    serveWith: (pair) => own.setSecureContext(secured(pair)),
  };
}

function listen(own: TlsServer, port: number, { clock, log, signal }: Pick<ListenOptions, "clock" | "log" | "signal">) {
  const attempt = () => {
    if (!signal.aborted) own.listen(port);
  };
  let told = false;
  own.on("error", (error) => {
    if (!told) log.warn("the kubelet's own port cannot be opened", { port, error: error.message });
    told = true;
    clock.after(AGAIN_MS, attempt, { background: true });
  });
  own.on("listening", () => log.info("the kubelet listens", { port }));
  attempt();
}

/** Undefined for who may. */
async function judge(
  request: IncomingMessage,
  { access, log }: ListenOptions,
): Promise<{ readonly status: number; readonly text: string } | undefined> {
  try {
    const caller = await callerOf(request, access);
    if (!caller) return { status: 401, text: "Unauthorized" };
    const refusal = await access.refusal(caller, request.method ?? "GET", request.url ?? "/");
    return refusal === undefined ? undefined : { status: 403, text: refusal };
  } catch (error) {
    log.warn("a direct request could not be judged", { error });
    return { status: 500, text: "the API server cannot be asked" };
  }
}

async function callerOf(request: IncomingMessage, access: Access): Promise<Caller | undefined> {
  const socket = request.socket as TLSSocket;
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate) {
    const { user, groups } = subjectOf(certificate);
    return { user, groups: [...groups, AUTHENTICATED] };
  }
  const token = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
  return token === undefined ? undefined : access.callerOf(token);
}
