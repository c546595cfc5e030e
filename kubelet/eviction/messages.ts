/**
 * Messages of evictions, in Kubernetes' words: controllers and people look for them. Pure.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { canonicalQuantity, formatQuantity, parseQuantity, unitValue } from "../../machinery/objects/quantity.ts";
import { initContainers, regularContainers } from "../pods/pod-spec.ts";
import type { PodUsage } from "./ranking.ts";
import { type Observations, quantityOf, SIGNALS, type Starved, type Threshold } from "./thresholds.ts";

/** The words of a Pod that a node under pressure does not take. */
export function refusal(conditions: Iterable<string>): string {
  return `The node had condition: [${[...conditions].join(" ")}]. `;
}

export interface ShortageInput {
  readonly pod: Pod;
  readonly usage: PodUsage | undefined;
  readonly starved: Starved;
  readonly acting: readonly Threshold[];
  readonly observations: Observations;
}

export function shortage({ pod, usage, starved, acting, observations }: ShortageInput): string {
  const parts = [`The node was low on resource: ${starved}. `];
  const threshold = acting.find(({ signal }) => SIGNALS[signal].resource === starved);
  const seen = threshold && observations.get(threshold.signal);
  if (threshold && seen) {
    const wanted = amount(quantityOf(threshold.value, seen.capacity), starved);
    parts.push(`Threshold quantity: ${wanted}, available: ${amount(seen.available, starved)}. `);
  }
  if (usage) parts.push(...blame(pod, usage, starved));
  return parts.join("");
}

/** Who used more than it asked for. */
function blame(pod: Pod, usage: PodUsage, starved: Starved): readonly string[] {
  if (starved !== "memory" && starved !== "ephemeral-storage") return [];
  const words: string[] = [];
  const own = pod.spec?.resources?.requests?.[starved];
  if (own !== undefined && starved === "memory")
    words.push(sentence("Pod", pod.metadata.name, usage.memory, own, starved));
  for (const { name, resources } of [...regularContainers(pod), ...initContainers(pod)]) {
    const used = usage.containers.get(name);
    if (!used) continue;
    const bytes = starved === "memory" ? used.memory : used.disk;
    const request = resources?.requests?.[starved] ?? "0";
    if (bytes > unitValue(request)) words.push(sentence("Container", name, bytes, request, starved));
  }
  return words;
}

function sentence(what: string, name: string, bytes: number, request: string, starved: Starved): string {
  const asked = canonicalQuantity(request);
  return `${what} ${name} was using ${amount(bytes, starved)}, request is ${asked}, has larger consumption of ${starved}. `;
}

function amount(value: number, starved: Starved): string {
  const bytes = starved === "memory" || starved === "ephemeral-storage";
  const { nanos } = parseQuantity(Math.floor(value));
  return formatQuantity({ nanos, format: bytes ? "BinarySI" : "DecimalSI" });
}

export const localStorage = {
  emptyDir: (name: string, limit: string) => `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}". `,
  container: (name: string, limit: string) =>
    `Container ${name} exceeded its local ephemeral storage limit "${limit}". `,
  pod: (limit: string) => `Pod ephemeral local storage usage exceeds the total limit of containers ${limit}. `,
};
