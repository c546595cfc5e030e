/**
 * Invariants: what must hold after every single write, and whenever something starts to run.
 *
 * Each file beside this one is one promise. An invariant looks at what is, never at how a controller decides;
 * it may excuse what users and broken machines cause, not what controllers do of themselves.
 */
import type { Ground, Running } from "../ground.ts";
import type { Ledger, Objects, Write } from "../ledger.ts";
import { garbage } from "./garbage.ts";
import { jobs } from "./jobs.ts";
import { placement } from "./placement.ts";
import { quotas } from "./quotas.ts";
import { replicas } from "./replicas.ts";
import { rollouts } from "./rollouts.ts";
import { singleIdentity } from "./single-identity.ts";

/** What broken machines excuse. */
export interface Circumstances {
  /** A controller's wall clock is behind the nodes': what just got ready seems to lie in the future. */
  clockBehind(): boolean;
}

export interface Invariant {
  /** What is wrong after this write; undefined when all is well. */
  onWrite?(write: Write, objects: Objects): string | undefined;
  onStart?(started: Running, all: Iterable<Running>, objects: Objects): string | undefined;
}

/** One of each; they remember what they saw. */
const makers: readonly ((circumstances: Circumstances) => Invariant)[] = [
  placement,
  singleIdentity,
  jobs,
  replicas,
  rollouts,
  quotas,
  garbage,
];

export function watchInvariants(
  ledger: Ledger,
  ground: Ground,
  circumstances: Circumstances,
  broke: (problem: string) => void,
): void {
  const all = makers.map((make) => make(circumstances));
  const told = (problem: string | undefined) => {
    if (problem !== undefined) broke(problem);
  };
  ledger.onWrite((write) => {
    for (const one of all) told(one.onWrite?.(write, ledger.objects));
  });
  ground.onStart((started, running) => {
    for (const one of all) told(one.onStart?.(started, running, ledger.objects));
  });
}
