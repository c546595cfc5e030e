/**
 * Windowed stream: one of many byte streams that share a connection.
 *
 * It sends no more than the other end granted and grants what its reader has taken, so a slow reader
 * holds up its own writer only. It knows nothing of frames: the connection gives it a `StreamLink`
 * and feeds it. Users: mux.ts and spdy/connection.ts.
 */
import { Duplex } from "node:stream";
import { limits } from "../process/limits.ts";

/** What a stream asks of its connection. */
export interface StreamLink {
  data(chunk: Uint8Array, done: (error?: Error | null) => void): void;
  /** This end has written everything. */
  end(): void;
  /** This end gives the stream up before both halves ended. */
  reset(): void;
  /** The reader took so many bytes: the other end may send as many more. */
  grant(bytes: number): void;
  /** The stream is over; the connection forgets it. */
  closed(): void;
}

/** Largest piece that is sent at once, so that streams take turns. */
const PIECE = 32 * 1024;

export class WindowedStream extends Duplex {
  readonly #link: StreamLink;
  #credit: number;
  #waiting: { chunk: Buffer; done: (error?: Error | null) => void } | undefined;
  readonly #inbox: Buffer[] = [];
  #inboxBytes = 0;
  #wanted = false;
  #ungranted = 0;
  #peerEnded = false;
  #peerGone = false;
  #ended = false;

  /** `credit`: bytes that the other end takes before it grants more; Infinity where it has no windows. */
  constructor(link: StreamLink, credit: number) {
    super({ readableHighWaterMark: PIECE, writableHighWaterMark: PIECE });
    this.#link = link;
    this.#credit = credit;
  }

  /** Bytes that arrived and nobody has read yet. */
  get backlog(): number {
    return this.#inboxBytes;
  }

  receive(chunk: Buffer): void {
    if (chunk.length === 0 || this.destroyed) return;
    this.#inbox.push(chunk);
    this.#inboxBytes += chunk.length;
    this.#deliver();
  }

  receiveEnd(): void {
    this.#peerEnded = true;
    this.#deliver();
  }

  receiveReset(error?: Error): void {
    this.#peerGone = true;
    this.destroy(error ?? new Error("the stream was reset by the other end"));
  }

  receiveGrant(bytes: number): void {
    this.#credit += bytes;
    this.#send();
  }

  /** The other end has told its window after all. */
  limitCredit(credit: number): void {
    this.#credit = credit;
  }

  /** Ends the writing half without telling the other end, which knows. */
  endSilently(): void {
    this.#ended = true;
    this.end();
  }

  override _read(): void {
    this.#wanted = true;
    this.#deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#waiting = { chunk, done };
    this.#send();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#ended) this.#link.end();
    this.#ended = true;
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const whole = this.#ended && this.#peerEnded && this.#inboxBytes === 0;
    if (!whole && !this.#peerGone) this.#link.reset();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#inbox.length = 0;
    this.#link.closed();
    waiting?.done(error ?? new Error("the stream was closed"));
    done(error);
  }

  #send(): void {
    if (!this.#waiting || this.#credit <= 0) return;
    const { chunk, done } = this.#waiting;
    const size = Math.min(chunk.length, this.#credit, PIECE);
    const rest = chunk.subarray(size);
    this.#waiting = undefined;
    this.#credit -= size;
    this.#link.data(chunk.subarray(0, size), (error) => {
      if (error || rest.length === 0 || this.destroyed) return done(error);
      this.#waiting = { chunk: rest, done };
      this.#send();
    });
  }

  #deliver(): void {
    while (this.#wanted && this.#inbox.length > 0) {
      const chunk = this.#inbox.shift()!;
      this.#inboxBytes -= chunk.length;
      this.#wanted = this.push(chunk);
      this.#granted(chunk.length);
    }
    if (this.#peerEnded && this.#inbox.length === 0 && this.#wanted) {
      this.#wanted = false;
      this.push(null);
    }
  }

  /** Grants in quarters of a window: few frames, and the other end never runs dry. */
  #granted(bytes: number): void {
    this.#ungranted += bytes;
    if (this.#ungranted < limits.streamWindowBytes / 4) return;
    this.#link.grant(this.#ungranted);
    this.#ungranted = 0;
  }
}
