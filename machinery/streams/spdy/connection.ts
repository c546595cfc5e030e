/**
 * SPDY connection: opens and accepts streams over one byte stream, at either end.
 *
 * Windows are enforced against a peer that announces them by SETTINGS, as this code does; Kubernetes'
 * own clients have none, so towards them a stream that nobody reads stops the reading of the whole
 * connection once it is a window behind. Streams are told apart by their headers: see exec.ts.
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../process/clock.ts";
import { limits } from "../../process/limits.ts";
import { WindowedStream } from "../windowed-stream.ts";
import {
  controlFrame,
  dataFrame,
  FLAG_FIN,
  type Frame,
  frameTypes,
  readFrames,
  SETTINGS_INITIAL_WINDOW,
} from "./frames.ts";
import { createHeaderReader, createHeaderWriter, type Headers } from "./header-block.ts";

export interface SpdyConnection {
  /** Opens a stream; with `fin` this end never writes to it. Resolves when the peer has accepted it. */
  open(headers: Headers, options?: { readonly fin?: boolean }): Promise<Duplex>;
  /** Ends the connection after what was written has gone out. */
  close(): void;
  readonly signal: AbortSignal;
}

export interface SpdyOptions {
  readonly clock: Clock;
  readonly side: "client" | "server";
  /** A stream that the peer opened, already accepted. */
  readonly onStream: (stream: Duplex, headers: Headers) => void;
}

const RST_PROTOCOL_ERROR = 1;
const RST_REFUSED = 3;
const RST_CANCEL = 5;

interface Open {
  readonly stream: WindowedStream;
  /** Bytes sent, until the peer has told its window. */
  sent: number;
  accepted?: { resolve(): void; reject(error: Error): void };
}

export function createSpdy(socket: Duplex, { clock, side, onStream }: SpdyOptions): SpdyConnection {
  const streams = new Map<number, Open>();
  const writeHeaders = createHeaderWriter();
  const headerReader = createHeaderReader();
  const ended = new AbortController();
  let nextId = side === "client" ? 1 : 2;
  let peerWindow: number | undefined;
  let sessionBytes = 0;
  let roomMade: (() => void) | undefined;

  const send = (frame: Buffer, done?: (error?: Error | null) => void) => {
    if (socket.writable) socket.write(frame, done);
    else done?.(new Error("the connection is closed"));
  };

  const add = (id: number): Open => {
    const stream = new WindowedStream(
      {
        data: (chunk, done) => {
          entry.sent += chunk.length;
          send(dataFrame(id, chunk, false), done);
        },
        end: () => send(dataFrame(id, new Uint8Array(), true)),
        reset: () => send(controlFrame(frameTypes.rstStream, 0, id, RST_CANCEL)),
        grant: (bytes) => {
          // A peer without windows ignores it, and closing while such frames lie unread would reset the connection
          if (peerWindow !== undefined) send(controlFrame(frameTypes.windowUpdate, 0, id, bytes));
          roomMade?.();
        },
        closed: () => {
          streams.delete(id);
          roomMade?.();
        },
      },
      peerWindow ?? Number.POSITIVE_INFINITY,
    );
    // A stream's failure shows at its user's end; without one it must not bring the process down.
    stream.on("error", () => {});
    const entry: Open = { stream, sent: 0 };
    streams.set(id, entry);
    return entry;
  };

  const fail = (error: Error) => {
    if (ended.signal.aborted) return;
    ended.abort(error);
    for (const { stream, accepted } of [...streams.values()]) {
      accepted?.reject(error);
      stream.receiveReset(error);
    }
    headerReader.close();
    roomMade?.();
    socket.destroy();
  };

  const peerOpened = async (flags: number, payload: Buffer) => {
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    const headers = await headerReader.read(payload.subarray(10));
    if (streams.has(id) || id % 2 === (side === "client" ? 1 : 0)) {
      return send(controlFrame(frameTypes.rstStream, 0, id, RST_PROTOCOL_ERROR));
    }
    if (streams.size >= limits.tunnelStreams) return send(controlFrame(frameTypes.rstStream, 0, id, RST_REFUSED));
    const { stream } = add(id);
    send(controlFrame(frameTypes.synReply, 0, id, writeHeaders({})));
    if (flags & FLAG_FIN) stream.receiveEnd();
    onStream(stream, headers);
  };

  const control: Readonly<Record<number, (flags: number, payload: Buffer) => void | Promise<void>>> = {
    [frameTypes.synStream]: peerOpened,
    [frameTypes.synReply]: async (flags, payload) => {
      await headerReader.read(payload.subarray(4));
      const entry = streams.get(payload.readUInt32BE(0) & 0x7fffffff);
      entry?.accepted?.resolve();
      if (flags & FLAG_FIN) entry?.stream.receiveEnd();
    },
    [frameTypes.rstStream]: (_flags, payload) => {
      const entry = streams.get(payload.readUInt32BE(0) & 0x7fffffff);
      entry?.accepted?.reject(new Error("the stream was refused by the other end"));
      // Go's servers close by cancelling every stream: what came before is still to be read, as is the end
      if (payload.readUInt32BE(4) !== RST_CANCEL) return entry?.stream.receiveReset();
      entry?.stream.receiveEnd();
      entry?.stream.endSilently();
    },
    [frameTypes.settings]: (_flags, payload) => {
      for (let at = 4; at + 8 <= payload.length; at += 8) {
        if (payload.readUIntBE(at + 1, 3) !== SETTINGS_INITIAL_WINDOW || peerWindow !== undefined) continue;
        peerWindow = payload.readUInt32BE(at + 4);
        for (const { stream, sent } of streams.values()) stream.limitCredit(peerWindow - sent);
      }
    },
    [frameTypes.ping]: (_flags, payload) => {
      // Odd pings are a client's, even ones a server's; an answer carries the asker's id.
      const mine = payload.readUInt32BE(0) % 2 === (side === "client" ? 1 : 0);
      if (!mine) send(controlFrame(frameTypes.ping, 0, payload));
    },
    [frameTypes.headers]: async (_flags, payload) => void (await headerReader.read(payload.subarray(4))),
    [frameTypes.windowUpdate]: (_flags, payload) => {
      const id = payload.readUInt32BE(0) & 0x7fffffff;
      if (peerWindow !== undefined) streams.get(id)?.stream.receiveGrant(payload.readUInt32BE(4) & 0x7fffffff);
    },
  };

  const onData = async (frame: Frame & { kind: "data" }) => {
    sessionBytes += frame.payload.length;
    if (sessionBytes >= 32 * 1024 && peerWindow !== undefined) {
      send(controlFrame(frameTypes.windowUpdate, 0, 0, sessionBytes));
      sessionBytes = 0;
    }
    const entry = streams.get(frame.stream);
    if (!entry) return;
    entry.stream.receive(frame.payload);
    if (frame.fin) entry.stream.receiveEnd();
    while (entry.stream.backlog > limits.streamWindowBytes && streams.has(frame.stream) && !ended.signal.aborted) {
      await new Promise<void>((resolve) => {
        roomMade = resolve;
      });
      roomMade = undefined;
    }
  };

  const run = async () => {
    for await (const frame of readFrames(socket)) {
      if (frame.kind === "data") await onData(frame);
      else await control[frame.type]?.(frame.flags, frame.payload);
    }
  };
  socket.on("error", fail);
  if (socket instanceof Socket) socket.setNoDelay(true);
  run().then(
    () => fail(new Error("the connection was closed by the other end")),
    (error: Error) => fail(error),
  );
  const setting = Buffer.from([0, 0, 0, SETTINGS_INITIAL_WINDOW]);
  send(controlFrame(frameTypes.settings, 0, 1, setting, limits.streamWindowBytes));

  return {
    signal: ended.signal,
    open: (headers, { fin = false } = {}) =>
      new Promise<Duplex>((resolve, reject) => {
        if (ended.signal.aborted) return reject(ended.signal.reason);
        if (streams.size >= limits.tunnelStreams) return reject(new Error("too many streams"));
        const id = nextId;
        nextId += 2;
        const entry = add(id);
        entry.accepted = { resolve: () => resolve(entry.stream), reject };
        send(controlFrame(frameTypes.synStream, fin ? FLAG_FIN : 0, id, 0, Buffer.alloc(2), writeHeaders(headers)));
        if (fin) entry.stream.endSilently();
      }),
    close: () => {
      if (ended.signal.aborted) return;
      send(controlFrame(frameTypes.goAway, 0, 0, 0));
      socket.end();
      clock.after(limits.streamCloseMs, () => socket.destroy(), { background: true });
    },
  };
}
