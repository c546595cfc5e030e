/**
 * Mux: many byte streams over one WebSocket, each with flow control, half-close and reset.
 *
 * Both ends are alike and may open streams. What a stream has not read yet is limited by its window,
 * so a slow reader stops its own writer only. When the WebSocket ends or falls silent, every stream
 * is destroyed. Who opens the WebSocket and what streams are for: apiserver/tunnel and kubelet/tunnel.
 */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../process/clock.ts";

export interface Mux {
  /** A new stream. `target` tells the other end what it is for. */
  open(target?: string): Duplex;
  /** Streams open now. */
  readonly size: number;
  /** Aborted when the WebSocket is gone. */
  readonly signal: AbortSignal;
  close(reason?: string): void;
}

export interface MuxOptions {
  readonly clock: Clock;
  /** The end that opened the WebSocket numbers its streams odd, the other even. */
  readonly side: "client" | "server";
  readonly onStream: (stream: Duplex, target: string) => void;
}

export type CreateMux = (socket: WebSocket, options: MuxOptions) => Mux;
