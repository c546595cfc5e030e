/**
 * Watch: etcd's raw watch stream, made whole again after every break.
 *
 * A new stream begins after the last event that was delivered, never after a revision that a response
 * header names: during a catch-up the header is ahead of the events. Progress notifications of etcd 3.4 are
 * ahead too and are not used.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { closed, compacted } from "../changes.ts";
import { type Revision, type StoreBatch, StoreError, type WatchRequest } from "../contract.ts";
import { type Connection, type IEvent, translate, type WatchResponse, type WatchStream } from "./connection.ts";
import type { Keyspace } from "./keyspace.ts";

export interface WatchOptions {
  readonly connection: Connection;
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the store closes. */
  readonly closing: AbortSignal;
}

/** Waits between streams, while etcd cannot be reached. */
const RETRY_MS = { first: 50, most: 2_000 } as const;

export async function* watch(options: WatchOptions, request: WatchRequest): AsyncGenerator<StoreBatch> {
  const { clock, log, closing, keyspace } = options;
  const stop = AbortSignal.any([request.signal, closing]);
  let cursor = request.after;
  let wait: number = RETRY_MS.first;
  while (!stop.aborted) {
    try {
      for await (const events of session(options, keyspace.all, cursor, stop)) {
        cursor = Number((events.at(-1) as IEvent).kv.mod_revision);
        wait = RETRY_MS.first;
        const changes = keyspace.events(events).filter(({ key }) => key.startsWith(request.prefix));
        yield { revision: cursor, events: changes };
      }
    } catch (cause) {
      const error = translate(cause);
      if (error.code === "compacted") throw error;
      if (stop.aborted) break;
      log.warn("etcd watch broke, it is made again", { revision: cursor, error: error.message });
    }
    if (stop.aborted) break;
    await clock.sleep(wait * (0.5 + clock.random() / 2), stop).catch(() => undefined);
    wait = Math.min(wait * 2, RETRY_MS.most);
  }
  if (closing.aborted && !request.signal.aborted) throw closed();
}

/** Events of one stream, whole revisions at a time, until it breaks or `stop` aborts. */
export async function* session(
  { connection, keyspace }: Pick<WatchOptions, "connection" | "keyspace">,
  range: { readonly key: Buffer; readonly range_end: Buffer },
  after: Revision,
  stop: AbortSignal,
): AsyncGenerator<readonly IEvent[]> {
  const stream = await connection.watch();
  const cancel = () => stream.cancel();
  stop.addEventListener("abort", cancel, { once: true });
  try {
    if (stop.aborted) return;
    stream.write({ create_request: { ...range, start_revision: after + 1, fragment: true } });
    let events: IEvent[] = [];
    for await (const response of responses(stream)) {
      if (response.canceled) throw canceled(response, after);
      if (response.created) await assertKept(connection, keyspace, after);
      events.push(...response.events);
      if (response.fragment || events.length === 0) continue;
      yield events;
      events = [];
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    stop.removeEventListener("abort", cancel);
    stream.on("error", ignore); // the cancellation itself
    stream.cancel();
  }
}

/** The revision that etcd was compacted to: it names it when it refuses a watch from before. */
export async function compactedRevision(connection: Connection, key: Buffer): Promise<Revision> {
  const stream = await connection.watch();
  try {
    stream.write({ create_request: { key, start_revision: 1 } });
    for await (const { canceled, compact_revision } of responses(stream)) {
      if (canceled) return Number(compact_revision);
    }
    throw new StoreError("unavailable", "etcd ended the watch");
  } finally {
    stream.on("error", ignore);
    stream.cancel();
  }
}

/** The stream as it is typed: etcd3 types only its event interface. */
function responses(stream: WatchStream): AsyncIterable<WatchResponse> {
  return stream as unknown as AsyncIterable<WatchResponse>;
}

/**
 * etcd lets a watch begin at the compacted revision itself, where a deletion may be gone already. A read
 * at `after` fails exactly when something after it may be missing.
 */
async function assertKept(connection: Connection, keyspace: Keyspace, after: Revision): Promise<void> {
  if (after === 0) return;
  const { key } = keyspace.all;
  try {
    await connection.range({ key, revision: after, count_only: true });
  } catch (error) {
    const translated = translate(error);
    if (translated.code !== "future") throw translated;
  }
}

function canceled({ compact_revision, cancel_reason }: WatchResponse, after: Revision): StoreError {
  const since = Number(compact_revision);
  return since > 0 ? compacted(after, since) : new StoreError("unavailable", `etcd ended the watch: ${cancel_reason}`);
}

function ignore(): void {}
