/**
 * Pod resources: what a whole Pod requests and may use at most, exactly.
 *
 * The larger of all containers together and of each init container with the sidecars before it; what the Pod
 * says for itself stands before that; overhead comes on top. Quotas and limit ranges count with it; the
 * scheduler counts in plain numbers (scheduler/pod-info.ts).
 * https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
 */
import type { Container, PodSpec } from "./kinds.ts";
import { addQuantities, compareQuantities, parseQuantity, type Quantity } from "./quantity.ts";

export type Amounts = Record<string, Quantity>;
type Asked = "requests" | "limits";
type ResourceList = Readonly<Record<string, string>> | undefined;

export function podAmounts(spec: PodSpec, asked: Asked, { overhead = true } = {}): Amounts {
  const total: Amounts = {};
  for (const container of spec.containers ?? []) add(total, amountsOf(container, asked));
  const sidecars: Amounts = {};
  const peak: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    const own = amountsOf(container, asked);
    if (container.restartPolicy === "Always") {
      add(sidecars, own);
      add(total, own);
      atLeast(peak, sidecars);
    } else {
      add(own, sidecars);
      atLeast(peak, own);
    }
  }
  atLeast(total, peak);
  Object.assign(total, amounts(spec.resources?.[asked]));
  if (overhead) addOverhead(total, amounts(spec.overhead), asked);
  return total;
}

/** Overhead counts to every request, but only to limits that there are. */
function addOverhead(total: Amounts, overhead: Amounts, asked: Asked): void {
  for (const [name, more] of Object.entries(overhead)) {
    const now = total[name];
    if (asked === "limits" && (!now || now.nanos === 0n)) continue;
    total[name] = now ? addQuantities(now, more) : more;
  }
}

const amountsOf = ({ resources }: Container, asked: Asked): Amounts => amounts(resources?.[asked]);

export function amounts(list: ResourceList): Amounts {
  const found: Amounts = {};
  for (const name in list) found[name] = parseQuantity(list[name]!);
  return found;
}

export function add(to: Amounts, more: Readonly<Amounts>): void {
  for (const name in more) {
    const now = to[name];
    to[name] = now ? addQuantities(now, more[name]!) : more[name]!;
  }
}

function atLeast(to: Amounts, floor: Readonly<Amounts>): void {
  for (const name in floor) {
    const now = to[name];
    if (!now || compareQuantities(now, floor[name]!) < 0) to[name] = floor[name]!;
  }
}
