/**
 * Presence: which API servers work on this store, by a key that each of them writes again every few seconds.
 *
 * Nobody compares clocks: a server is gone when its key has not changed for a while by the clock of whoever looks.
 * A server writes its key before it looks whether the store is closed, and the store's tools close the store before
 * they look for servers (../store/tools/fill.ts): so one of them always sees the other. A store that is one process'
 * own needs no keys.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { WatchCache } from "../cache/contract.ts";
import { serversPrefix } from "../cache/keys.ts";
import type { Entry, Revision } from "../store/contract.ts";

export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

export interface ServerRecord extends ServerAddress {
  /** It answers everybody: neither starting nor stopping. */
  readonly serving: boolean;
}

export interface PresenceOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly internal: WatchCache["internal"];
  readonly self: ServerAddress;
  /** Other servers may work on the same store. */
  readonly shared: boolean;
}

export interface Presence {
  /** Tells the others that this one is there, from when it resolves. May be called again after it failed. */
  announce(): Promise<void>;
  /** This one answers everybody, or does not any more. */
  serving(serves: boolean): Promise<void>;
  /** Tells the others again that this one is there, and looks for them. */
  beat(): Promise<void>;
  /** The servers that answer everybody; this one among them while it does. */
  servers(): readonly ServerAddress[];
  /** Those besides this one. */
  others(): readonly ServerAddress[];
  /** Resolves when nothing tells of this one any more. */
  end(): Promise<void>;
}

interface Seen {
  readonly revision: Revision;
  /** By this process' own clock. */
  readonly since: number;
  readonly record: ServerRecord;
}

export function createPresence({ clock, log, internal, self, shared }: PresenceOptions): Presence {
  const key = `${serversPrefix}${clock.uuid()}`;
  let own: ServerRecord = { ...self, serving: false };
  let seen = new Map<string, Seen>();
  let ended = false;

  const write = async () => {
    if (!shared || ended) return;
    const value = Buffer.from(JSON.stringify(own));
    await internal.commit([], [{ type: "put", key, value }]);
  };

  const look = async () => {
    if (!shared) return;
    const { entries } = await internal.list({ prefix: serversPrefix });
    const now = clock.monotonic();
    const next = new Map<string, Seen>();
    for (const entry of entries) {
      if (entry.key === key) continue;
      const before = seen.get(entry.key);
      const same = before?.revision === entry.modRevision ? before : undefined;
      if (same && now - same.since >= limits.serverGoneMs) await forget(entry);
      else next.set(entry.key, same ?? { revision: entry.modRevision, since: now, record: recordOf(entry) });
    }
    seen = next;
  };

  /** Unless it came back at this moment. */
  const forget = async ({ key: gone, modRevision, value }: Entry) => {
    const { committed } = await internal.commit([{ key: gone, modRevision }], [{ type: "delete", key: gone }]);
    if (committed) log.warn("another server is gone", { server: Buffer.from(value).toString("utf8") });
  };

  const others = () => [...seen.values()].map(({ record }) => record).filter(({ serving }) => serving);

  return {
    async announce() {
      await write();
      await look();
    },
    async serving(serves) {
      own = { ...self, serving: serves };
      await write();
    },
    async beat() {
      await write();
      await look();
    },
    others,
    servers: () => (own.serving ? [self, ...others()] : others()),
    async end() {
      ended = true;
      if (shared) await internal.commit([], [{ type: "delete", key }]);
    },
  };
}

function recordOf({ value }: Entry): ServerRecord {
  return JSON.parse(Buffer.from(value).toString("utf8")) as ServerRecord;
}
