/**
 * Renewed: a transport for credentials that change while it is used, as certificates on disk do.
 *
 * They are looked at again from time to time, and soon after the server refused them or could not be
 * reached. What cannot be read changes nothing. What runs over the old connections has time to end.
 */
import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../../objects/status.ts";
import type { Clock } from "../../process/clock.ts";
import { limits } from "../../process/limits.ts";
import type { Logger } from "../../process/logging.ts";
import type { Transport } from "./contract.ts";

export interface RenewedOptions<Access> {
  readonly first: Access;
  readonly load: () => Promise<Access>;
  readonly open: (access: Access) => Transport;
  /** When the credentials end, in ms; undefined where they do not. */
  readonly until?: (access: Access) => number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_MS = 60_000;
const LOOK_SOON_MS = 1_000;
/** Close to their end they are looked at more often: after this share of what is left. */
const LOOK_SHARE = 0.2;
const SUSPICIOUS: ReadonlySet<string> = new Set(["Unauthorized", "ServiceUnavailable"]);

export function renewedTransport<Access>(options: RenewedOptions<Access>): Transport {
  const { first, load, open, until = () => undefined, clock, log } = options;
  let access = first;
  let transport = open(first);
  const nextLook = () => {
    const left = (until(access) ?? Number.POSITIVE_INFINITY) - clock.now();
    return clock.monotonic() + Math.min(LOOK_MS, Math.max(left * LOOK_SHARE, LOOK_SOON_MS));
  };
  let lookAt = nextLook();
  let looking: Promise<void> | undefined;
  let closed = false;
  const retired = new Set<Transport>();

  const retire = (old: Transport) => {
    retired.add(old);
    clock.after(limits.requestIdleMs, () => void (retired.delete(old) && old.close()), { background: true });
  };
  const look = async () => {
    lookAt = nextLook();
    try {
      const next = await load();
      if (closed || isDeepStrictEqual(next, access)) return;
      retire(transport);
      access = next;
      transport = open(next);
      lookAt = nextLook();
      log.info("credentials renewed");
    } catch (error) {
      log.warn("the credentials could not be read again", { error });
    }
  };
  const current = async (): Promise<Transport> => {
    if (!closed && clock.monotonic() >= lookAt)
      looking ??= look().finally(() => {
        looking = undefined;
      });
    if (looking) await looking;
    return transport;
  };
  const suspected = (error: unknown): unknown => {
    if (error instanceof ApiError && SUSPICIOUS.has(error.reason))
      lookAt = Math.min(lookAt, clock.monotonic() + LOOK_SOON_MS);
    return error;
  };
  async function* following<T>(iterate: (transport: Transport) => AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* iterate(await current());
    } catch (error) {
      throw suspected(error);
    }
  }

  return {
    shared: transport.shared,
    async request(request) {
      try {
        return await (await current()).request(request);
      } catch (error) {
        throw suspected(error);
      }
    },
    watch: (request) => following((now) => now.watch(request)),
    stream: (request) => following((now) => now.stream(request)),
    async close() {
      closed = true;
      await Promise.all([transport, ...retired].map((one) => one.close()));
    },
  };
}
