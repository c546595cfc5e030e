/**
 * Collector: asks every node for its figures, while anybody wants them.
 *
 * An idle server asks nobody: the first request after a pause makes two readings, close to each other; from then on
 * there is one every 15 s, or less often of very many nodes, until nobody has asked for a while. A node that does not answer has no figures.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { NodeMetrics, NodeRates, ReadNode } from "./contract.ts";
import { ratesOf } from "./rates.ts";
import { parseReading, type Reading } from "./reading.ts";

export interface CollectorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Names of the nodes that are ready. */
  readonly nodes: () => readonly string[];
  readonly readNode: ReadNode;
  readonly stopping: AbortSignal;
}

/** Between the two readings of a beginning: long enough for a rate, short enough to wait for. */
const FIRST_WINDOW_MS = 1_000;
const EVERY_MS = 15_000;
/** Asking a node costs about a millisecond on either side: more of them are asked less often. */
const EVERY_MS_A_NODE = 15;
const UNASKED_MS = 120_000;
/** Nobody waits longer for nodes that are slow. */
const PATIENCE_MS = 5_000;
/** So many rounds ago a reading is too old to say what is used now. */
const STALE_ROUNDS = 3;

export function createCollector({ clock, log, nodes, readNode, stopping }: CollectorOptions): NodeMetrics {
  let before = new Map<string, Reading>();
  let rates = new Map<string, NodeRates>();
  let askedAt = 0;
  /** Resolves once the figures of a beginning are there. */
  let begun: Promise<void> | undefined;
  let working: Promise<void> = Promise.resolve();
  let everyMs = EVERY_MS;

  async function readAll(): Promise<void> {
    const names = nodes();
    const wanted = new Set(names);
    everyMs = Math.max(EVERY_MS, names.length * EVERY_MS_A_NODE);
    for (const known of before.keys()) if (!wanted.has(known)) forget(known);
    const rest = names[Symbol.iterator]();
    const worker = async () => {
      for (const name of rest) {
        if (stopping.aborted) return;
        await readOne(name);
      }
    };
    await Promise.all(Array.from({ length: Math.min(limits.nodesAskedForMetrics, names.length) }, worker));
  }

  async function readOne(name: string): Promise<void> {
    const deadline = new AbortController();
    const timer = clock.after(
      limits.nodeMetricsMs,
      () => deadline.abort(new Error("the node did not answer in time")),
      {
        background: true,
      },
    );
    try {
      const text = await readNode(name, AbortSignal.any([deadline.signal, stopping]));
      const reading = parseReading(text, clock.now());
      const earlier = before.get(name);
      const at = reading.node?.at ?? clock.now();
      rates.set(
        name,
        ratesOf(earlier && at - (earlier.node?.at ?? 0) <= STALE_ROUNDS * everyMs ? earlier : undefined, reading),
      );
      before.set(name, reading);
    } catch (error) {
      rates.delete(name);
      if (!stopping.aborted) log.debug("a node's figures could not be read", { object: `nodes/${name}`, error });
    } finally {
      timer.cancel();
    }
  }

  function forget(name: string): void {
    before.delete(name);
    rates.delete(name);
  }

  /** Runs until nobody asks any more; `ready` is told when there is something to tell. */
  async function keepReading(ready: () => void): Promise<void> {
    await readAll();
    await clock.sleep(FIRST_WINDOW_MS, stopping);
    await readAll();
    ready();
    while (clock.monotonic() - askedAt < Math.max(UNASKED_MS, 2 * everyMs)) {
      await clock.sleep(everyMs, stopping);
      await readAll();
    }
  }

  function begin(): Promise<void> {
    const first = Promise.withResolvers<void>();
    working = keepReading(first.resolve)
      .catch((error: unknown) => {
        if (!stopping.aborted) log.warn("the nodes' figures are no longer read", { error });
      })
      .finally(() => {
        first.resolve();
        begun = undefined;
        before = new Map();
        rates = new Map();
      });
    return first.promise;
  }

  return {
    async read(signal) {
      askedAt = clock.monotonic();
      if (stopping.aborted) return new Map();
      begun ??= begin();
      const given = new AbortController();
      const patience = clock.sleep(PATIENCE_MS, AbortSignal.any([signal, given.signal])).catch(() => undefined);
      await Promise.race([begun, patience]);
      given.abort();
      return rates;
    },
    close: () => working,
  };
}
