/**
 * Watch lines: a watch's batches as pieces of bytes to write, made once for all watchers who get the same.
 *
 * Many watchers wait for the same events and are woken together, so their batches are mostly equal: the last
 * few pieces are remembered, and a watcher whose next piece is one of them writes that very buffer. Pieces are
 * bounded, so that what waits for a reader who does not read is bounded too.
 */
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import { limits } from "../../machinery/process/limits.ts";

type Batch = readonly WatchItem[];

interface Piece {
  readonly events: Batch;
  readonly bytes: Uint8Array;
}

/** Pieces that are remembered: representations and selections that take turns. */
const REMEMBERED = 8;

export type WatchLines = (batches: AsyncIterable<Batch>) => AsyncIterable<Uint8Array>;

/** One for all watches of a listener. */
export function createWatchLines(): WatchLines {
  const pieces: Piece[] = [];
  let oldest = 0;

  const known = (batch: Batch, from: number): Piece | undefined =>
    pieces.find((piece) => startsWith(batch, from, piece));

  const make = (batch: Batch, from: number): Piece => {
    let [to, bytes] = [from, 0];
    const parts: Uint8Array[] = [];
    while (to < batch.length && (bytes === 0 || bytes < limits.watchPieceBytes)) {
      const line = (batch[to++] as WatchItem).encoded();
      bytes += line.length;
      parts.push(line);
    }
    const piece = {
      events: batch.slice(from, to),
      bytes: parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts, bytes),
    };
    pieces[oldest] = piece;
    oldest = (oldest + 1) % REMEMBERED;
    return piece;
  };

  return async function* (batches) {
    for await (const batch of batches) {
      for (let at = 0; at < batch.length; ) {
        if (at === batch.length - 1) {
          yield (batch[at++] as WatchItem).encoded();
          continue;
        }
        const { events, bytes } = known(batch, at) ?? make(batch, at);
        yield bytes;
        at += events.length;
      }
    }
  };
}

/** The batch goes on with all events of the piece. */
function startsWith(batch: Batch, at: number, { events }: Piece): boolean {
  if (at + events.length > batch.length) return false;
  for (let index = 0; index < events.length; index++) if (batch[at + index] !== events[index]) return false;
  return true;
}
