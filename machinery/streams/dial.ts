/**
 * Dial: the client's door for exec, attach and port-forward.
 *
 * WebSocket is for our own servers and any modern one; SPDY for those that cannot close stdin over
 * WebSocket (containerd's streaming server). Rejects with the server's ApiError when it refuses.
 */
import type { Duplex } from "node:stream";
import { ApiError } from "../objects/status.ts";
import type { ExecClientSession, ExecOptions, PortForwardClientSession, StreamServices } from "./channels.ts";

export interface DialTarget {
  /** A connected socket to the server: plain, TLS or unix. Called once. */
  connect(): Promise<Duplex> | Duplex;
  /** Path with query, as the server wants it. */
  readonly path: string;
  /** The Host header. */
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly framing?: "websocket" | "spdy";
  readonly signal?: AbortSignal;
}

export async function dialExec(
  _target: DialTarget,
  _options: ExecOptions,
  _services: StreamServices,
): Promise<ExecClientSession> {
  throw new ApiError("NotImplemented", "no framing is built");
}

export async function dialPortForward(
  _target: DialTarget,
  _services: StreamServices,
): Promise<PortForwardClientSession> {
  throw new ApiError("NotImplemented", "no framing is built");
}
