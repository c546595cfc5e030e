/**
 * Servers: this API server among those that work on the same store, from its start to its end.
 *
 * It tells the others that it is there (presence.ts), keeps default/kubernetes leading to all that live
 * (service-endpoints.ts), and looks at both every few seconds. A store that fails is tried again at the next beat.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { Presence, ServerAddress } from "./presence.ts";
import { keepServiceEndpoints } from "./service-endpoints.ts";

export interface ServersOptions {
  readonly presence: Presence;
  readonly self: ServerAddress;
  /** Others may work on the same store. One that is alone keeps its endpoints over its own restart. */
  readonly shared: boolean;
  readonly client: Client;
  readonly objects: CachedObjects;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Servers {
  /** Resolves when default/kubernetes leads here too. May be called again after it failed. */
  serve(): Promise<void>;
  /** Resolves when nothing leads here any more, or that could not be told in time. May be called twice. */
  leave(): Promise<void>;
}

export function createServers(options: ServersOptions): Servers {
  const { presence, self, shared, client, objects, clock, log } = options;
  const stop = new AbortController();
  let beating: Promise<void> | undefined;
  let left: Promise<void> | undefined;

  const keep = () => keepServiceEndpoints({ client, objects }, presence.servers(), self.port);

  const beats = async () => {
    let failing = false;
    for (;;) {
      await clock.sleep(limits.serverBeatMs, stop.signal);
      try {
        await presence.beat();
        if (!stop.signal.aborted) await keep();
        failing = false;
      } catch (error) {
        if (!failing && !stop.signal.aborted) log.warn("cannot tell the other servers of this one", { error });
        failing = true;
      }
    }
  };

  const goodbye = async () => {
    stop.abort();
    await beating;
    if (!shared) return;
    await presence.serving(false);
    if (beating) await keep();
    await presence.end();
  };

  return {
    async serve() {
      await presence.serving(true);
      await keep();
      beating ??= beats().catch(() => undefined); // the end of its sleep
    },
    leave() {
      left ??= Promise.race([goodbye(), clock.sleep(LEAVE_MS)]).catch((error: unknown) => {
        log.warn("cannot tell the other servers that this one leaves", { error });
      });
      return left;
    },
  };
}

/** A store that hangs keeps nobody from stopping: the others see soon enough that this one is silent. */
const LEAVE_MS = 2_000;
