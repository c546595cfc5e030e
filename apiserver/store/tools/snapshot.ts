/**
 * Snapshot: what a store holds at one revision, whichever store it is: what backup, migrate and verify read.
 *
 * Reading disturbs no server. A memory store dies with its server and has none.
 */
import { offsetKey } from "../../cache/keys.ts";
import type { Entry, Store } from "../contract.ts";
import { FORMAT } from "../lmdb/layout.ts";

export interface Snapshot {
  /** The newest resourceVersion that any client may have seen of it. */
  readonly resourceVersion: number;
  entries(): AsyncIterable<Entry>;
  /** What is wrong with the store's own structure; objects are looked at in verify.ts. */
  problems(): AsyncIterable<string>;
  close(): Promise<void>;
}

export async function embeddedSnapshot(directory: string): Promise<Snapshot> {
  const { openEmbeddedSnapshot } = await import("../lmdb/snapshot.ts");
  const { entryOf } = await import("../lmdb/layout.ts");
  const opened = openEmbeddedSnapshot(directory);
  const { state } = opened;
  if (state.format !== FORMAT) {
    await opened.close();
    throw new Error(`the store in ${directory} has format ${state.format}, this version reads format ${FORMAT}`);
  }

  async function* entries(): AsyncIterable<Entry> {
    for (const { key, pointer } of opened.pointers()) {
      const record = pointer.type === "put" ? opened.record(pointer) : undefined;
      if (pointer.type === "put" && !record) throw new Error(`${key}: its version ${pointer.revision} is missing`);
      if (record) yield entryOf(record);
    }
  }

  return {
    resourceVersion: state.reserved + (await offsetOf(entries())),
    entries,
    async *problems() {
      for (const { key, pointer } of opened.pointers()) {
        const record = opened.record(pointer);
        if (pointer.revision > state.reserved)
          yield `${key}: its revision ${pointer.revision} is beyond the store's, ${state.reserved}`;
        if (!record && (pointer.type === "put" || pointer.revision > state.compacted))
          yield `${key}: its version ${pointer.revision} is missing`;
        else if (record && record.key !== key) yield `${key}: its version ${pointer.revision} is that of ${record.key}`;
        else if (record && record.type !== pointer.type)
          yield `${key}: its version ${pointer.revision} is a ${record.type}, not a ${pointer.type}`;
        const { previous } = record ?? {};
        if (previous && previous.revision > state.compacted && !opened.record(previous))
          yield `${key}: its earlier version ${previous.revision} is missing`;
      }
    },
    close: () => opened.close(),
  };
}

/** Of a store that servers share. The caller closes the store. */
export async function sharedSnapshot(store: Store): Promise<Snapshot> {
  const revision = await store.revision();
  const offset = await store.get(offsetKey);
  return {
    resourceVersion: revision + numberOf(offset),
    async *entries() {
      for (let after: string | undefined; ; ) {
        const page = await store.list({
          prefix: "/",
          limit: PAGE,
          revision,
          ...(after === undefined ? {} : { after }),
        });
        yield* page.entries;
        if (page.remaining === 0) return;
        after = page.entries.at(-1)?.key;
      }
    },
    async *problems() {
      // etcd keeps its own structure
    },
    close: async () => undefined,
  };
}

const PAGE = 500;

async function offsetOf(entries: AsyncIterable<Entry>): Promise<number> {
  for await (const entry of entries) if (entry.key === offsetKey) return numberOf(entry);
  return 0;
}

function numberOf(entry: Entry | undefined): number {
  return entry ? Number(Buffer.from(entry.value).toString("utf8")) : 0;
}
