/**
 * Living server: whether a server works on a store that servers share. See ../../servers/presence.ts.
 *
 * The store must be closed before this asks: so a server that starts now either is seen here, or sees that the store is
 * closed. A key that a killed server left behind does not change: it is watched for as long as a living one may be silent.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import { limits } from "../../../machinery/process/limits.ts";
import { serversPrefix } from "../../cache/keys.ts";
import type { Entry, Store } from "../contract.ts";

export interface Watching {
  readonly clock: Clock;
  /** Called when it takes a while. */
  readonly waiting?: (why: string) => void;
}

const LOOK_MS = 500;

/** "10.0.0.1:6443", or undefined when there is none. */
export async function livingServer(
  store: Pick<Store, "list">,
  { clock, waiting = () => undefined }: Watching,
): Promise<string | undefined> {
  const now = async () => (await store.list({ prefix: serversPrefix })).entries;
  const first = new Map((await now()).map((entry) => [entry.key, entry.modRevision]));
  if (first.size === 0) return undefined;
  waiting(`${first.size === 1 ? "a server was" : "servers were"} at work here and did not say goodbye`);
  for (const end = clock.monotonic() + limits.serverGoneMs; clock.monotonic() < end; ) {
    await clock.sleep(LOOK_MS);
    const alive = (await now()).find(({ key, modRevision }) => first.get(key) !== modRevision);
    if (alive) return addressOf(alive);
  }
  return undefined;
}

function addressOf({ value }: Entry): string {
  const { address, port } = JSON.parse(Buffer.from(value).toString("utf8")) as { address: string; port: number };
  return `${address}:${port}`;
}
