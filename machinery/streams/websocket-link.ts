/**
 * WebSocket link: the numbered channels of one WebSocket as node streams.
 *
 * A message is one byte of channel and its data; in the base64 variants a digit and base64 text.
 * A WebSocket has no flow control per channel: a reader that lags a window behind stops the whole
 * connection until it has caught up. What the channels mean: websocket.ts, websocket-port-forward.ts.
 */
import { Duplex, Readable, Writable } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../process/clock.ts";
import { limits } from "../process/limits.ts";

type Done = (error?: Error | null) => void;

export interface WebSocketLink {
  send(channel: number, data: Buffer, done?: Done): void;
  on(channel: number, handler: (data: Buffer) => void): void;
  readable(channel: number): Readable;
  writable(channel: number, onEnd?: () => void): Writable;
  duplex(channel: number): Duplex;
  /** The other end will send no more on this channel. */
  end(channel: number): void;
}

/** Largest message that is sent. */
const PIECE = 32 * 1024;

export function createLink(ws: WebSocket, base64: boolean): WebSocketLink {
  const handlers = new Map<number, (data: Buffer) => void>();
  const inputs = new Map<number, Readable>();
  const ended = new Set<number>();
  const lagging = new Set<number>();

  ws.on("message", (message: Buffer) => {
    if (message.length === 0) return;
    const channel = message.readUInt8(0) - (base64 ? 48 : 0);
    const data = base64 ? Buffer.from(message.toString("latin1", 1), "base64") : message.subarray(1);
    handlers.get(channel)?.(data);
  });
  ws.on("error", () => ws.terminate());
  ws.once("close", () => {
    for (const channel of inputs.keys()) end(channel);
  });

  const send = (channel: number, data: Buffer, done?: Done) => {
    if (ws.readyState !== ws.OPEN) return done?.(new Error("the connection is closed"));
    const frame = base64
      ? Buffer.from(String.fromCharCode(48 + channel) + data.toString("base64"))
      : Buffer.concat([Buffer.from([channel]), data]);
    ws.send(frame, { binary: !base64 }, (error) => done?.(error ?? null));
  };
  const write = (channel: number) => (chunk: Buffer, _encoding: BufferEncoding, done: Done) =>
    inPieces(chunk, (piece, next) => send(channel, piece, next), done);
  const caughtUp = (channel: number) => {
    if (lagging.delete(channel) && lagging.size === 0) ws.resume();
  };
  const end = (channel: number) => {
    if (ended.has(channel)) return;
    ended.add(channel);
    inputs.get(channel)?.push(null);
  };
  const input = <S extends Readable>(channel: number, stream: S): S => {
    inputs.set(channel, stream);
    stream.once("close", () => caughtUp(channel));
    handlers.set(channel, (data) => {
      if (data.length === 0 || ended.has(channel) || stream.destroyed || stream.push(data)) return;
      lagging.add(channel);
      ws.pause();
    });
    return stream;
  };
  const read = (channel: number) => () => caughtUp(channel);

  return {
    send,
    on: (channel, handler) => void handlers.set(channel, handler),
    readable: (channel) =>
      input(channel, new Readable({ highWaterMark: limits.streamWindowBytes, read: read(channel) })),
    writable: (channel, onEnd) =>
      unwatched(new Writable({ highWaterMark: 2 * PIECE, write: write(channel), final: finalStep(onEnd) })),
    duplex: (channel) =>
      unwatched(
        input(
          channel,
          new Duplex({
            readableHighWaterMark: limits.streamWindowBytes,
            writableHighWaterMark: 2 * PIECE,
            read: read(channel),
            write: write(channel),
          }),
        ),
      ),
    end,
  };
}

/** Closes as the protocol wants it, and by force when the other end does not answer. */
export function closeSoon(ws: WebSocket, clock: Clock): void {
  if (ws.readyState === ws.CLOSED) return;
  ws.resume();
  ws.close(1000);
  clock.after(limits.streamCloseMs, () => ws.terminate(), { background: true });
}

function finalStep(onEnd?: () => void) {
  return (done: Done) => {
    onEnd?.();
    done();
  };
}

/** A connection that broke shows in the session's `signal` or `outcome`; a write to it must not throw. */
function unwatched<S extends Writable | Duplex>(stream: S): S {
  stream.on("error", () => {});
  return stream;
}

function inPieces(chunk: Buffer, send: (piece: Buffer, done: Done) => void, done: Done): void {
  send(chunk.subarray(0, PIECE), (error) => {
    if (error || chunk.length <= PIECE) return done(error);
    inPieces(chunk.subarray(PIECE), send, done);
  });
}
