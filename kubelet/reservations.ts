/**
 * Reservations: what of a node's capacity Pods do not get. Pure.
 *
 * For the system, for Kubernetes' own processes, and up to the hard eviction thresholds, since whoever used that would
 * be evicted for it. What is left is the node's allocatable.
 */
import { milliValue, QuantityError, unitValue } from "../machinery/objects/quantity.ts";
import { ConfigurationError, type KubeletSettings } from "./configuration.ts";
import { reserved, thresholdsOf } from "./eviction/thresholds.ts";

export interface Reservations {
  readonly milliCpu: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** Throws a ConfigurationError for what is no quantity. */
export function reservationsOf(
  settings: KubeletSettings,
  { memoryBytes, diskBytes }: { readonly memoryBytes: number; readonly diskBytes: number },
): Reservations {
  const thresholds = thresholdsOf(settings);
  const sum = (name: string, read: (text: string | undefined) => number) =>
    quantity("systemReserved", settings.systemReserved[name], read) +
    quantity("kubeReserved", settings.kubeReserved[name], read);
  return {
    milliCpu: sum("cpu", milliValue),
    memoryBytes: sum("memory", unitValue) + reserved(thresholds, "memory.available", memoryBytes),
    diskBytes: sum("ephemeral-storage", unitValue) + reserved(thresholds, "nodefs.available", diskBytes),
  };
}

function quantity(field: string, text: string | undefined, read: (text: string | undefined) => number): number {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof QuantityError) throw new ConfigurationError(`${field}: "${text}" is no quantity`);
    throw error;
  }
}
