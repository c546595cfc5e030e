/**
 * Mux: many byte streams over one WebSocket, each with flow control, half-close and reset.
 *
 * Both ends are alike and may open streams. What a stream has not read yet is limited by its window,
 * so a slow reader stops its own writer only. When the WebSocket ends or falls silent, every stream
 * is destroyed. Who opens the WebSocket and what streams are for: apiserver/tunnel and kubelet/tunnel.
 *
 * A message is one byte of type, four of stream number, then its payload.
 */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock, Timer } from "../process/clock.ts";
import { limits } from "../process/limits.ts";
import { WindowedStream } from "./windowed-stream.ts";

/** The WebSocket sub-protocol of a tunnel. */
export const MUX_PROTOCOL = "mux.k8ts.dev";

const types = { open: 1, data: 2, end: 3, reset: 4, grant: 5 } as const;
const HEAD = 5;

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

/** `ws` comes paused, as upgrade.ts hands it out. */
export function createMux(ws: WebSocket, { clock, side, onStream }: MuxOptions): Mux {
  const streams = new Map<number, WindowedStream>();
  const ended = new AbortController();
  let nextId = side === "client" ? 1 : 2;

  const send = (type: number, id: number, payload: Uint8Array, done?: (error?: Error | null) => void) => {
    if (ws.readyState !== ws.OPEN) return done?.(new Error("the tunnel is closed"));
    const message = Buffer.allocUnsafe(HEAD + payload.length);
    message.writeUInt8(type, 0);
    message.writeUInt32BE(id, 1);
    message.set(payload, HEAD);
    ws.send(message, { binary: true }, (error) => done?.(error ?? null));
  };

  const add = (id: number): WindowedStream => {
    const stream = new WindowedStream(
      {
        data: (chunk, done) => send(types.data, id, chunk, done),
        end: () => send(types.end, id, NOTHING),
        reset: () => send(types.reset, id, NOTHING),
        grant: (bytes) => send(types.grant, id, uint32(bytes)),
        closed: () => void streams.delete(id),
      },
      limits.streamWindowBytes,
    );
    // A stream's failure shows at its user's end; without one it must not bring the process down.
    stream.on("error", () => {});
    streams.set(id, stream);
    return stream;
  };

  const received: Readonly<Record<number, (id: number, payload: Buffer) => void>> = {
    [types.open]: (id, payload) => {
      const theirs = id % 2 === (side === "client" ? 0 : 1);
      if (!theirs || streams.has(id) || streams.size >= limits.tunnelStreams) return send(types.reset, id, NOTHING);
      onStream(add(id), payload.toString("utf8"));
    },
    [types.data]: (id, payload) => {
      const stream = streams.get(id);
      if (!stream) return;
      if (stream.backlog + payload.length > 2 * limits.streamWindowBytes) {
        return void stream.destroy(new Error("the other end sent more than its window"));
      }
      stream.receive(payload);
    },
    [types.end]: (id) => streams.get(id)?.receiveEnd(),
    [types.reset]: (id) => streams.get(id)?.receiveReset(),
    [types.grant]: (id, payload) => streams.get(id)?.receiveGrant(payload.readUInt32BE(0)),
  };

  const over = (why: string) => {
    if (ended.signal.aborted) return;
    const error = new Error(why);
    ended.abort(error);
    for (const stream of [...streams.values()]) stream.receiveReset(error);
  };
  ws.on("message", (message: Buffer) => {
    const whole = message.length >= HEAD && (message[0] !== types.grant || message.length === HEAD + 4);
    if (!whole) return ws.close(1002, "malformed message");
    received[message.readUInt8(0)]?.(message.readUInt32BE(1), message.subarray(HEAD));
  });
  ws.on("error", () => ws.terminate());
  ws.once("close", () => over("the tunnel was closed"));
  watchPulse(ws, clock, ended.signal, () => over("the tunnel fell silent"));
  ws.resume();

  return {
    open: (target = "") => {
      if (ended.signal.aborted) throw ended.signal.reason;
      if (streams.size >= limits.tunnelStreams) throw new Error("the tunnel carries too many streams");
      const id = nextId;
      nextId += 2;
      const stream = add(id);
      send(types.open, id, Buffer.from(target));
      return stream;
    },
    get size() {
      return streams.size;
    },
    signal: ended.signal,
    close: (reason = "") => {
      ws.close(1001, reason);
      clock.after(limits.streamCloseMs, () => ws.terminate(), { background: true });
    },
  };
}

/** Pings, and ends the WebSocket when nothing came back for too long. */
function watchPulse(ws: WebSocket, clock: Clock, signal: AbortSignal, onSilence: () => void): void {
  let heard = clock.monotonic();
  const hear = () => {
    heard = clock.monotonic();
  };
  ws.on("message", hear).on("pong", hear).on("ping", hear);
  let timer: Timer | undefined;
  const beat = () => {
    if (clock.monotonic() - heard > limits.tunnelDeadMs) {
      onSilence();
      return ws.terminate();
    }
    if (ws.readyState === ws.OPEN) ws.ping();
    timer = clock.after(limits.tunnelPingMs, beat, { background: true });
  };
  timer = clock.after(limits.tunnelPingMs, beat, { background: true });
  signal.addEventListener("abort", () => timer?.cancel(), { once: true });
}

const NOTHING = new Uint8Array();

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
