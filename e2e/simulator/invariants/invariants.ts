/**
 * Invariants: what must hold after every single write, and whenever something starts to run.
 *
 * Each file beside this one is one promise. An invariant looks at what is, never at how a controller decides;
 * it may excuse what users and broken machines cause, not what controllers do of themselves.
 */
import type { Ground, Running } from "../ground.ts";
import type { Ledger, Write } from "../ledger.ts";
import type { Objects } from "../objects.ts";
import { autoscaling } from "./autoscaling.ts";
import { budgets } from "./budgets.ts";
import { daemons } from "./daemons.ts";
import { garbage } from "./garbage.ts";
import { jobs } from "./jobs.ts";
import { ordinals } from "./ordinals.ts";
import { placement } from "./placement.ts";
import { preemption } from "./preemption.ts";
import { quotas } from "./quotas.ts";
import { replicas } from "./replicas.ts";
import { rollouts } from "./rollouts.ts";
import { schedules } from "./schedules.ts";
import { singleIdentity } from "./single-identity.ts";
import { volumes } from "./volumes.ts";

/** What broken machines excuse. */
export interface Circumstances {
  /** A controller's wall clock is behind the nodes': what just got ready seems to lie in the future. */
  clockBehind(): boolean;
  /** Some wall clock is wrong, or was a moment ago: who counts seconds by it counts wrong. */
  clockOff(): boolean;
  /** By how much some wall clock is ahead of the server's. */
  aheadMs(): number;
}

export interface Invariant {
  /** What is wrong after this write; undefined when all is well. */
  onWrite?(write: Write, objects: Objects): string | undefined;
  onStart?(started: Running, all: Iterable<Running>, objects: Objects): string | undefined;
}

/** One of each; they remember what they saw. */
const makers: readonly ((circumstances: Circumstances, ground: Ground) => Invariant)[] = [
  placement,
  singleIdentity,
  jobs,
  replicas,
  rollouts,
  daemons,
  ordinals,
  quotas,
  budgets,
  garbage,
  volumes,
  schedules,
  autoscaling,
  preemption,
];

export function watchInvariants(
  ledger: Ledger,
  ground: Ground,
  circumstances: Circumstances,
  broke: (promise: string, problem: string) => void,
): void {
  const all = makers.map((make) => ({ promise: make.name, ...make(circumstances, ground) }));
  ledger.onWrite((write) => {
    if (write.resource === "events" || write.resource === "leases") return;
    for (const { promise, onWrite } of all) {
      const problem = onWrite?.(write, ledger.objects);
      if (problem !== undefined) broke(promise, problem);
    }
  });
  ground.onStart((started, running) => {
    for (const { promise, onStart } of all) {
      const problem = onStart?.(started, running, ledger.objects);
      if (problem !== undefined) broke(promise, problem);
    }
  });
}
