/**
 * Watch lines: a watch's batches as pieces of bytes to write, made once for all watchers who get the same.
 *
 * The cache gives the same batch to everyone who hears the same, so its pieces are kept for as long as the batch lives.
 * A piece stands between the marks of a chunk of HTTP/1.1 already: writing it to a socket is one call, whose cost is
 * what a thousand watchers pay a thousand times. Pieces are bounded, so that what waits for a reader who does not read is
 * bounded too, and are made when they are asked for.
 */
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import { limits } from "../../machinery/process/limits.ts";

type Batch = readonly WatchItem[];

export interface Piece {
  readonly plain: Uint8Array;
  /** As a chunk of a chunked body. */
  readonly chunk: Uint8Array;
}

/** The pieces of a batch. */
export type WatchLines = (batch: Batch) => Iterable<Piece>;

interface Begun {
  readonly pieces: Piece[];
  /** Events that are in them. */
  events: number;
}

/** One for all watches of a listener. */
export function createWatchLines(): WatchLines {
  const begun = new WeakMap<Batch, Begun>();
  return function* (batch) {
    const known = begun.get(batch) ?? { pieces: [], events: 0 };
    begun.set(batch, known);
    for (let at = 0; at < known.pieces.length || known.events < batch.length; at++) {
      if (at === known.pieces.length) more(batch, known);
      yield known.pieces[at] as Piece;
    }
  };
}

/** Adds the next piece. */
function more(batch: Batch, known: Begun): void {
  const lines: Uint8Array[] = [];
  let bytes = 0;
  while (known.events < batch.length && bytes < limits.watchPieceBytes) {
    const line = (batch[known.events++] as WatchItem).encoded();
    bytes += line.length;
    lines.push(line);
  }
  known.pieces.push(framed(lines, bytes));
}

const LINE_END = "\r\n";

function framed(lines: readonly Uint8Array[], bytes: number): Piece {
  const head = bytes.toString(16) + LINE_END;
  const chunk = Buffer.allocUnsafe(head.length + bytes + LINE_END.length);
  const start = chunk.write(head, "latin1");
  let at = start;
  for (const line of lines) {
    chunk.set(line, at);
    at += line.length;
  }
  chunk.write(LINE_END, at, "latin1");
  return { chunk, plain: chunk.subarray(start, at) };
}
