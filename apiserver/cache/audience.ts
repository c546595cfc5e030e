/**
 * Audience: watchers that hear the same events in the same form, and the one queue that they share.
 *
 * What is heard is put into batches once, however many listen; each watcher only keeps its place in their chain. A
 * large audience is told every few milliseconds rather than of each event, since a write to a socket costs more than
 * what is in it, and in rounds between which others run. A watcher that falls behind is cut off: nothing is kept for it
 * without limit, and what nobody has to read any more is let go.
 */
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import { nextTurn } from "../../machinery/loop/breathe.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Revision } from "../store/contract.ts";
import type { Change } from "./change.ts";
import type { Representation, Selection } from "./contract.ts";
import type { Version } from "./version.ts";

/** Events of a batch at most. */
const BATCH_EVENTS = 500;
/** What each watcher adds to the time between two rounds, and the most that they may add. */
const PAUSE_MS = 0.05;
const LONGEST_PAUSE_MS = 50;
/** Watchers that are told in a row. */
const ROUND_WATCHERS = 64;

/** Batches smaller than this are put together for who comes late: one write costs less than several. */
const SMALL_BATCH_EVENTS = 64;

/** A place in the chain: how much was heard before it, and what comes next. It keeps nothing of what lies behind. */
interface Place {
  readonly events: number;
  /** Of the objects: what a watcher who does not read may keep alive. */
  readonly bytes: number;
  next: { readonly items: readonly WatchItem[]; readonly place: Place } | undefined;
}

type Behind = Pick<Place, "events" | "bytes">;

export interface AudienceOptions {
  readonly selection: Selection;
  readonly selects: ((version: Version) => boolean) | undefined;
  readonly representation: Representation | undefined;
  /** Changes up to this revision are known to everyone here. */
  readonly after: Revision;
}

export class Audience {
  readonly selection: Selection;
  readonly selects: AudienceOptions["selects"];
  readonly representation: Representation | undefined;
  readonly after: Revision;
  readonly members = new Set<Watcher>();
  readonly #clock: Pick<Clock, "monotonic" | "after">;
  #open: WatchItem[] = [];
  #events = 0;
  #bytes = 0;
  #end: Place = { events: 0, bytes: 0, next: undefined };
  /** No member is further behind than this. */
  #hindmost: Behind = { events: 0, bytes: 0 };
  /** A round goes on or is due. */
  #telling = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    { selection, selects, representation, after }: AudienceOptions,
    clock: Pick<Clock, "monotonic" | "after">,
  ) {
    this.selection = selection;
    this.selects = selects;
    this.representation = representation;
    this.after = after;
    this.#clock = clock;
  }

  hear(change: Change): void {
    if (change.revision <= this.after) return;
    const type = change.typeFor(this.selects);
    if (!type) return;
    this.#open.push(change.item(type, this.representation));
    this.#events++;
    this.#bytes += (change.current ?? change.previous)?.bytes ?? 0;
    if (this.#open.length >= BATCH_EVENTS) this.seal();
    this.#tellSoon();
  }

  /** The end of the chain: what was heard so far is before it. */
  seal(): Place {
    if (this.#open.length === 0) return this.#end;
    const place: Place = { events: this.#events, bytes: this.#bytes, next: undefined };
    this.#end.next = { items: this.#open, place };
    this.#end = place;
    this.#open = [];
    if (this.#tooFar(this.#hindmost)) this.#cutOff();
    return place;
  }

  #tooFar({ events, bytes }: Behind): boolean {
    return this.#events - events > limits.watchQueueEvents || this.#bytes - bytes > limits.watchQueueBytes;
  }

  #cutOff(): void {
    let hindmost: Place = this.#end;
    for (const member of this.members) {
      if (member.ended) continue;
      if (this.#tooFar(member.place)) member.end("slow");
      else if (member.place.events < hindmost.events) hindmost = member.place;
    }
    // numbers alone: the place would keep what follows it
    this.#hindmost = { events: hindmost.events, bytes: hindmost.bytes };
  }

  #tellSoon(): void {
    if (this.#telling) return;
    this.#telling = true;
    const pause = Math.min(LONGEST_PAUSE_MS, this.members.size * PAUSE_MS);
    const wait = pause < 1 ? 0 : this.#toldAt + pause - this.#clock.monotonic();
    if (wait > 0) this.#clock.after(wait, () => void this.#tell(), { background: true });
    else queueMicrotask(() => void this.#tell());
  }

  async #tell(): Promise<void> {
    this.#toldAt = this.#clock.monotonic();
    const told = this.seal();
    let count = 0;
    for (const member of this.members) {
      member.wake();
      if (++count % ROUND_WATCHERS === 0) await nextTurn();
    }
    this.#telling = false;
    if (this.#end !== told || this.#open.length > 0) this.#tellSoon();
  }
}

export class Watcher {
  readonly audience: Audience;
  /** Set when the watch must end. */
  ended: "reset" | "slow" | "closed" | undefined;
  place: Place;
  #wake: (() => void) | undefined;

  /** Hears what the audience hears from now on. */
  constructor(audience: Audience) {
    this.audience = audience;
    this.place = audience.seal();
  }

  /** Drops what waits: nobody may read on after an end. */
  end(why: "reset" | "slow" | "closed"): void {
    this.ended ??= why;
    this.place = NOWHERE;
    this.wake();
  }

  /** The next batch; undefined when there is none, or none yet. */
  take(): readonly WatchItem[] | undefined {
    const { next } = this.place;
    if (!next) return undefined;
    if (next.place.next && next.items.length < SMALL_BATCH_EVENTS) return this.#takeTogether();
    this.place = next.place;
    return next.items;
  }

  /** Small batches as one, which whoever else is here gets too. */
  #takeTogether(): readonly WatchItem[] {
    const items: WatchItem[] = [];
    let { place } = this;
    while (place.next && items.length < SMALL_BATCH_EVENTS) {
      for (const item of place.next.items) items.push(item);
      place = place.next.place;
    }
    this.place.next = { items, place };
    this.place = place;
    return items;
  }

  /** As `take`, but with what the others are told only later: undefined means that nothing was heard. */
  takeAll(): readonly WatchItem[] | undefined {
    if (!this.ended) this.audience.seal();
    return this.take();
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Resolves when there is something to take, at the latest at the next `wake`. */
  next(): Promise<void> {
    if (this.place.next || this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Where those are who have ended: nothing follows. */
const NOWHERE: Place = Object.freeze({ events: 0, bytes: 0, next: undefined });
