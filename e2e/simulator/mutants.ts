/**
 * Mutants: controllers broken on purpose, one piece of text each. The simulator has to find every one of them.
 *
 * They are faults that people make: each is right most of the time, and wrong when the cache lags, an answer
 * is lost or a process dies at the wrong moment. How they are loaded is in mutate.ts.
 */
export interface Mutant {
  readonly name: string;
  /** From the root of the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What is made where it can show: seeds without are left out. */
  readonly about: string;
}

export const mutants: readonly Mutant[] = [
  {
    name: "expectations left out",
    file: "controllers/replicaset.ts",
    about: "deployments",
    find: "const settled = expectations.satisfied(key, context.clock.monotonic());",
    replace: "const settled = true;",
  },
  {
    name: "a forgotten requeue",
    file: "controllers/replicaset.ts",
    about: "deployments",
    find: "return wait === undefined ? done : again(wait);",
    replace: "return done;",
  },
  {
    name: "the surge is off by one",
    file: "controllers/deployment-scale.ts",
    about: "deployments",
    find: "const room = maxTotal(deployment) - all.reduce(",
    replace: "const room = maxTotal(deployment) + 1 - all.reduce(",
  },
  {
    name: "one more may be missing than is allowed",
    file: "controllers/deployment-scale.ts",
    about: "deployments",
    find: "const minAvailable = wanted(deployment) - fences(deployment).unavailable;",
    replace: "const minAvailable = wanted(deployment) - fences(deployment).unavailable - 1;",
  },
  {
    name: "status before spec: a Job lets Pods go before it has counted them",
    file: "controllers/job.ts",
    about: "jobs",
    find: "  if (!sameJson(status, job.status)) {",
    replace: "  await releaseAll(accounts.release, context, asked);\n  if (!sameJson(status, job.status)) {",
  },
  {
    name: "ready Pods are counted twice",
    file: "controllers/replicaset.ts",
    about: "deployments",
    find: "counts.readyReplicas++;",
    replace: "counts.readyReplicas += 2;",
  },
  {
    name: "a report does not say what it is about",
    file: "controllers/replicaset.ts",
    about: "deployments",
    find: "observedGeneration: set.metadata.generation ?? 0,",
    replace: "observedGeneration: set.status?.observedGeneration ?? 0,",
  },
  {
    name: "updated Pods are not counted",
    file: "controllers/deployment-status.ts",
    about: "deployments",
    find: "updatedReplicas: next?.status?.replicas ?? 0,",
    replace: "updatedReplicas: 0,",
  },
  {
    name: "a Job acts on a copy older than its own write",
    file: "controllers/job.ts",
    about: "jobs",
    find: "if (asked.writes.behind(key, job)) return done;",
    replace: "",
  },
  {
    name: "a scheduled Pod takes no room until it is seen",
    file: "scheduler/attempt.ts",
    about: "deployments",
    find: "snapshot.assume(info, node.name);",
    replace: "",
  },
  {
    name: "an endpoint that gets ready is overlooked",
    file: "controllers/endpointslice.ts",
    about: "services",
    find: 'if (type === "updated" && old && !matters(old, pod)) return [];',
    replace: 'if (type === "updated") return [];',
  },
];
