/**
 * Mutants: controllers broken on purpose, one piece of text each. The simulator has to find every one of them.
 *
 * They are faults that people make: each is right most of the time, and wrong when the cache lags, an answer
 * is lost or a process dies at the wrong moment. How they are loaded is in mutate.ts.
 */
import type { Plan } from "./plan.ts";

export interface Mutant {
  readonly name: string;
  /** From the root of the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What is made where it can show: seeds without are left out. */
  readonly about: string;
  /** What else a plan needs for it to show. */
  readonly where?: (plan: Plan) => boolean;
  /** A seed that found it quickly: it is tried first, then the others in their order. */
  readonly seen?: number;
}

export const mutants: readonly Mutant[] = [
  {
    name: "expectations left out",
    file: "controllers/replicaset.ts",
    about: "deployments",
    seen: 1,
    find: "const settled = expectations.satisfied(key, context.clock.monotonic());",
    replace: "const settled = true;",
  },
  {
    name: "a forgotten requeue",
    file: "controllers/replicaset.ts",
    about: "deployments",
    seen: 3,
    find: "return wait === undefined ? done : again(wait);",
    replace: "return done;",
  },
  {
    name: "the surge is off by one",
    file: "controllers/deployment-scale.ts",
    about: "deployments",
    seen: 3,
    find: "const room = maxTotal(deployment) - all.reduce(",
    replace: "const room = maxTotal(deployment) + 1 - all.reduce(",
  },
  {
    name: "one more may be missing than is allowed",
    file: "controllers/deployment-scale.ts",
    about: "deployments",
    seen: 1,
    find: "const minAvailable = wanted(deployment) - fences(deployment).unavailable;",
    replace: "const minAvailable = wanted(deployment) - fences(deployment).unavailable - 1;",
  },
  {
    name: "a DaemonSet takes one more than may be missing",
    file: "controllers/daemonset-plan.ts",
    about: "daemonsets",
    seen: 45,
    find: "candidates.slice(0, Math.max(0, unavailable - down))",
    replace: "candidates.slice(0, Math.max(0, unavailable - down + 1))",
  },
  {
    name: "status before spec: a Job lets Pods go before it has counted them",
    file: "controllers/job.ts",
    about: "jobs",
    seen: 284,
    where: ({ steps }) => JSON.stringify(steps).includes('"completionMode":"NonIndexed"'),
    find: "  if (!sameJson(status, job.status)) {",
    replace: "  await releaseAll(accounts.release, context, asked);\n  if (!sameJson(status, job.status)) {",
  },
  {
    name: "ready Pods are counted twice",
    file: "controllers/replicaset.ts",
    about: "deployments",
    seen: 1,
    find: "counts.readyReplicas++;",
    replace: "counts.readyReplicas += 2;",
  },
  {
    name: "a report does not say what it is about",
    file: "controllers/replicaset.ts",
    about: "deployments",
    seen: 1,
    find: "observedGeneration: set.metadata.generation ?? 0,",
    replace: "observedGeneration: set.status?.observedGeneration ?? 0,",
  },
  {
    name: "updated Pods are not counted",
    file: "controllers/deployment-status.ts",
    about: "deployments",
    seen: 1,
    find: "updatedReplicas: next?.status?.replicas ?? 0,",
    replace: "updatedReplicas: 0,",
  },
  {
    name: "a Job acts on a copy older than its own write",
    file: "controllers/job.ts",
    about: "jobs",
    seen: 24,
    find: "if (asked.writes.behind(key, job)) return done;",
    replace: "",
  },
  {
    name: "a scheduled Pod takes no room until it is seen",
    file: "scheduler/attempt.ts",
    about: "deployments",
    seen: 47,
    find: "snapshot.assume(info, node.name);",
    replace: "",
  },
  {
    name: "an endpoint that gets ready is overlooked",
    file: "controllers/endpointslice.ts",
    about: "services",
    seen: 5,
    find: 'if (type === "updated" && old && !matters(old, pod)) return [];',
    replace: 'if (type === "updated") return [];',
  },
  {
    name: "a StatefulSet deletes its Pods at once",
    file: "controllers/statefulset.ts",
    about: "statefulsets",
    seen: 11,
    find: 'await client.delete("pods", { namespace, name }, { preconditions });',
    replace: 'await client.delete("pods", { namespace, name }, { preconditions, gracePeriodSeconds: 0 });',
  },
  {
    name: "the garbage collector trusts its cache about owners",
    file: "controllers/garbage-collector.ts",
    about: "deployments",
    seen: 6,
    find: "const owner = await find(client, { resource, namespace, name: reference.name });",
    replace:
      "const owner = graph.node(reference.uid)?.place && ({ metadata: { uid: reference.uid } } as StoredObject);",
  },
  {
    name: "caches begin with a list of any age",
    file: "machinery/client/list-watch.ts",
    about: "deployments",
    seen: 5,
    where: ({ faults }) => faults.some((fault) => fault.kind === "crash" && (fault.behindMs ?? 0) > 1_000),
    find: "const limit: Record<string, string> = transport.shared ? {} :",
    replace: 'const limit: Record<string, string> = transport.shared ? { resourceVersion: "0" } :',
  },
  {
    name: "a leader does not look at its lease after a pause",
    file: "machinery/loop/leader-election.ts",
    about: "deployments",
    seen: 230,
    where: ({ shape, faults }) =>
      shape.candidates > 1 && faults.some((fault) => fault.kind === "pause" && fault.ms > 18_000),
    find: "const check = renew ? () => claim.prove(timing.renewDeadlineMs) : async () => undefined;",
    replace: "const check = async () => undefined;",
  },
  {
    name: "a key that changed while it was worked on is forgotten",
    file: "machinery/loop/work-queue.ts",
    about: "deployments",
    seen: 49,
    find: "dirty.delete(key);\n    add(key, cause);",
    replace: "dirty.delete(key);",
  },
  {
    name: "one answer about Pods holds a claim for ever",
    file: "controllers/volume-protection.ts",
    about: "statefulsets",
    seen: 75,
    where: ({ steps }) => steps.some((step) => JSON.stringify(step).includes("volumeClaimTemplates")),
    find: "&& unused(last.pods)) return false;",
    replace: ") return !unused(last.pods);",
  },
];
