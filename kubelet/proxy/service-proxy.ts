/**
 * Service proxy: keeps nftables equal to the Services, their endpoints and the host ports of this node.
 *
 * Changes are gathered for a moment and applied as one transaction; a failed one is followed by a
 * whole new table. What it wrote stays when it ends, so that Services answer while it restarts.
 */
import type { Informers } from "../../machinery/client/shared-informers.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { nft } from "../network/nft.ts";
import { type RuleOptions, type Rules, rulesOf } from "./rules.ts";
import { change, replaceAll } from "./script.ts";

export interface ServiceProxyOptions extends RuleOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called after the first whole table stands. */
  readonly ready?: () => void;
}

/** How long changes are gathered: short, for a client waits for its new endpoint. */
const GATHER_MS = 20;
const RETRY_MS = { first: 500, last: 30_000 };

/** Resolves when the signal aborts. */
export async function runServiceProxy(options: ServiceProxyOptions): Promise<void> {
  const { informers, clock, log, signal } = options;
  const services = informers.of("services");
  const slices = informers.of("endpointslices");
  const pods = informers.of("pods", { fieldSelector: `spec.nodeName=${options.nodeName}` });
  let wake = Promise.withResolvers<void>();
  const onChange = () => wake.resolve();
  const stop = [services, slices, pods].map((informer) => informer.subscribe(onChange));
  signal.addEventListener("abort", onChange, { once: true });

  let applied: Rules | undefined;
  let delay = RETRY_MS.first;
  try {
    await Promise.all([services, slices, pods].map((informer) => informer.synced(signal)));
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      const wanted = rulesOf(services.list(), slices.list(), pods.list(), options);
      try {
        const script = applied ? change(applied, wanted) : replaceAll(wanted);
        if (script) await nft(script);
        if (!applied) {
          log.info("service rules written", { chains: wanted.chains.size });
          options.ready?.();
        }
        applied = wanted;
        delay = RETRY_MS.first;
      } catch (error) {
        log.error("service rules could not be written", { error });
        applied = undefined;
        await clock.sleep(delay, signal);
        delay = Math.min(delay * 2, RETRY_MS.last);
        continue;
      }
      await wake.promise;
      await clock.sleep(GATHER_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const unsubscribe of stop) unsubscribe();
  }
}
