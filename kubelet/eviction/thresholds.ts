/**
 * Thresholds: below which point of which signal the node counts as short of something. Pure.
 *
 * One row a signal in SIGNALS: which condition it makes true, and what is evicted for. A hard threshold acts at
 * once, a soft one after its grace period. How they are followed over time: pressure.ts.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
 */
import { compareQuantities, parseQuantity, QuantityError, unitValue } from "../../machinery/objects/quantity.ts";
import { ConfigurationError, type KubeletSettings } from "../configuration.ts";

export const SIGNALS = {
  "memory.available": { condition: "MemoryPressure", resource: "memory" },
  "nodefs.available": { condition: "DiskPressure", resource: "ephemeral-storage" },
  "nodefs.inodesFree": { condition: "DiskPressure", resource: "inodes" },
  "imagefs.available": { condition: "DiskPressure", resource: "ephemeral-storage" },
  "imagefs.inodesFree": { condition: "DiskPressure", resource: "inodes" },
  "pid.available": { condition: "PIDPressure", resource: "pids" },
} as const;

export type Signal = keyof typeof SIGNALS;
export type PressureCondition = (typeof SIGNALS)[Signal]["condition"];
export type Starved = (typeof SIGNALS)[Signal]["resource"];

/** A share of the capacity, or an amount. */
export type Amount = { readonly ratio: number } | { readonly amount: number };

export interface Threshold {
  readonly signal: Signal;
  readonly value: Amount;
  /** Added to the value until the shortage counts as over. */
  readonly reclaim: Amount | undefined;
  /** 0 for a hard one. */
  readonly graceMs: number;
}

export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** A signal that could not be read is missing, and makes nothing happen. */
export type Observations = ReadonlyMap<Signal, Observation>;

/** Kubernetes' own, where nothing is configured. */
const STANDARD_HARD: Readonly<Record<string, string>> = {
  "memory.available": "100Mi",
  "nodefs.available": "10%",
  "nodefs.inodesFree": "5%",
  "imagefs.available": "15%",
  "imagefs.inodesFree": "5%",
};

type Settings = Pick<
  KubeletSettings,
  | "evictionHard"
  | "evictionSoft"
  | "evictionSoftGracePeriod"
  | "evictionMinimumReclaim"
  | "mergeDefaultEvictionSettings"
>;

/** Throws a ConfigurationError for what makes no sense. */
export function thresholdsOf(settings: Settings): readonly Threshold[] {
  const { evictionHard: given, evictionSoft, evictionSoftGracePeriod, evictionMinimumReclaim } = settings;
  const hard = settings.mergeDefaultEvictionSettings ? { ...STANDARD_HARD, ...given } : (given ?? STANDARD_HARD);
  const reclaims = statements(evictionMinimumReclaim, "evictionMinimumReclaim");
  const reclaimOf = (signal: Signal) => reclaims.find(([name]) => name === signal)?.[1];
  const isZero = ([, value]: readonly [Signal, Amount]) => ("ratio" in value ? value.ratio === 0 : value.amount === 0);
  return [
    ...statements(hard, "evictionHard")
      .filter((statement) => !isZero(statement))
      .map(([signal, value]) => ({ signal, value, reclaim: reclaimOf(signal), graceMs: 0 })),
    ...statements(evictionSoft, "evictionSoft").map(([signal, value]) => {
      const graceMs = evictionSoftGracePeriod[signal];
      if (!graceMs)
        throw new ConfigurationError(`grace period must be specified for the soft eviction threshold ${signal}`);
      return { signal, value, reclaim: reclaimOf(signal), graceMs };
    }),
  ];
}

function statements(given: Readonly<Record<string, string>>, name: string): readonly (readonly [Signal, Amount])[] {
  return Object.entries(given).map(([signal, value]) => {
    if (!(signal in SIGNALS)) throw new ConfigurationError(`${name}: unsupported eviction signal ${signal}`);
    return [signal as Signal, amountOf(value, `${name}: ${signal}`)] as const;
  });
}

function amountOf(value: string, name: string): Amount {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(value);
  if (share) {
    if (Number(share[1]) > 100) throw new ConfigurationError(`${name}: eviction percentage must be at most 100%`);
    return { ratio: Number(share[1]) / 100 };
  }
  try {
    if (compareQuantities(parseQuantity(value), parseQuantity("0")) < 0)
      throw new ConfigurationError(`${name}: eviction threshold must not be negative`);
    return { amount: unitValue(value) };
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    throw new ConfigurationError(`${name}: "${value}" is neither a quantity nor a percentage`);
  }
}

export function quantityOf(value: Amount | undefined, capacity: number): number {
  if (value === undefined) return 0;
  return "ratio" in value ? Math.floor(value.ratio * capacity) : value.amount;
}

/** What of a node's capacity Pods do not get, since they would be evicted for it. */
export function reserved(thresholds: readonly Threshold[], signal: Signal, capacity: number): number {
  const hard = thresholds.find((threshold) => threshold.signal === signal && threshold.graceMs === 0);
  return hard ? quantityOf(hard.value, capacity) : 0;
}

/** Those that are crossed; `withReclaim`: those that are not yet over with what must be won back as well. */
export function crossed(
  thresholds: readonly Threshold[],
  observations: Observations,
  withReclaim: boolean,
): readonly Threshold[] {
  return thresholds.filter(({ signal, value, reclaim }) => {
    const seen = observations.get(signal);
    if (!seen) return false;
    const wanted = quantityOf(value, seen.capacity) + (withReclaim ? quantityOf(reclaim, seen.capacity) : 0);
    return seen.available < wanted;
  });
}
