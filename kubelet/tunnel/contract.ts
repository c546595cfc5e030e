/**
 * Agent's end of a tunnel: one WebSocket to an API server, kept open with back-off. One to each server: to-servers.ts.
 *
 * What the API server dials comes out as a Duplex that is handed to the kubelet's http server
 * (`server.emit("connection", stream)`). The server's end is in apiserver/tunnel.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface TunnelAgentOptions {
  /** A connected, authenticated socket to the API server; called for each attempt. */
  readonly connect: (signal: AbortSignal) => Promise<Duplex>;
  /** The Host header: "127.0.0.1:6443". */
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly onConnection: (stream: Duplex) => void;
  /** Told when a tunnel opened and when it closed. */
  readonly onState?: (open: boolean) => void;
  /** Aborted when no further tunnel is wanted; the open one goes on while it carries something. */
  readonly enough?: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Resolves when `signal` or `enough` aborted and the tunnel is closed. */
export type RunTunnelAgent = (options: TunnelAgentOptions) => Promise<void>;
