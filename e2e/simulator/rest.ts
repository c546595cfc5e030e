/**
 * Rest: the state that the objects ask for, in which a cluster has to end when the storm is over. Pure.
 */
import type { Deployment, Job, Node, Pod, ReplicaSet } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Ground } from "./ground.ts";
import type { Objects } from "./ledger.ts";
import type { Shape } from "./plan.ts";
import { isEnded } from "./pod-report.ts";

/** Why this is no state to rest in; undefined when it is. */
export function unrest(objects: Objects, ground: Ground, shape: Shape): string | undefined {
  const checks = [
    owners,
    deleted,
    nodes,
    pods,
    replicaSets,
    deployments,
    statefulSets,
    daemonSets,
    jobs,
    endpoints,
    quotas,
  ];
  for (const check of checks) {
    const why = check(objects, ground, shape);
    if (why) return why;
  }
  return undefined;
}

function owners(objects: Objects): string | undefined {
  for (const [resource, { metadata }] of objects.all()) {
    const references = metadata.ownerReferences ?? [];
    const here = references.filter(({ uid }) => objects.byUid(uid));
    if (references.length > 0 && here.length === 0)
      return `${resource}/${metadata.name} is there without its owner ${references[0]?.kind} ${references[0]?.name}`;
  }
  return undefined;
}

function deleted(objects: Objects): string | undefined {
  for (const [resource, { metadata }] of objects.all())
    if (metadata.deletionTimestamp) return `${resource}/${metadata.name} is still on its way out`;
  return undefined;
}

const isTrue = (conditions: readonly { type: string; status: string }[] | undefined, type: string) =>
  conditions?.some((one) => one.type === type && one.status === "True") ?? false;

function nodes(objects: Objects, _: Ground, shape: Shape): string | undefined {
  const all = objects.of("nodes");
  if (all.length !== shape.nodes) return `${all.length} of ${shape.nodes} nodes are there`;
  for (const { metadata, status, spec } of all) {
    if (!isTrue(status?.conditions, "Ready")) return `${metadata.name} is not Ready`;
    if (spec?.taints?.length) return `${metadata.name} is still tainted ${spec.taints[0]?.key}`;
    if (!spec?.podCIDR) return `${metadata.name} has no range of addresses`;
  }
  return undefined;
}

function pods(objects: Objects, ground: Ground, shape: Shape): string | undefined {
  for (const pod of objects.of("pods")) {
    const { name, uid } = pod.metadata;
    if (isEnded(pod)) continue;
    if (!pod.spec?.nodeName) {
      if (shape.tight && !fitsSomewhere(pod, objects)) continue;
      return `Pod ${name} has no node`;
    }
    if (!ground.find(pod.spec.nodeName, uid)) return `Pod ${name} does not run on ${pod.spec.nodeName}`;
  }
  for (const { metadata } of objects.of("nodes"))
    for (const { pod } of ground.on(metadata.name))
      if (!objects.byUid(pod.metadata.uid))
        return `Pod ${pod.metadata.name} runs on ${metadata.name} though it is gone`;
  return undefined;
}

const cpuOf = (text: string | undefined) =>
  text?.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text ?? 0);
const asks = (pod: Pod) => cpuOf(pod.spec?.containers[0]?.resources?.requests?.["cpu"]);

function fitsSomewhere(pod: Pod, objects: Objects): boolean {
  return objects.of("nodes").some(({ metadata, status }: Node) => {
    const there = objects.of("pods").filter((one) => one.spec?.nodeName === metadata.name && !isEnded(one));
    const free = cpuOf(status?.allocatable?.["cpu"]) - there.reduce((sum, one) => sum + asks(one), 0);
    return free + 1e-9 >= asks(pod) && there.length < Number(status?.allocatable?.["pods"]);
  });
}

const owned = (owner: StoredObject, objects: Objects): Pod[] =>
  objects.of("pods").filter((pod) => controllerOf(pod)?.uid === owner.metadata.uid);
const active = (all: readonly Pod[]) => all.filter((pod) => !isEnded(pod));
const ready = (all: readonly Pod[]) => active(all).filter(({ status }) => isTrue(status?.conditions, "Ready"));

function replicaSets(objects: Objects): string | undefined {
  for (const set of objects.of("replicasets")) {
    const mine = active(owned(set, objects));
    const { name } = set.metadata;
    const wanted = set.spec?.replicas ?? 1;
    if (mine.length !== wanted) return `ReplicaSet ${name} has ${mine.length} Pods of ${wanted}`;
    const { replicas, readyReplicas = 0, observedGeneration } = set.status ?? {};
    if (replicas !== wanted) return `ReplicaSet ${name} reports ${replicas} replicas of ${wanted}`;
    if (readyReplicas !== ready(mine).length)
      return `ReplicaSet ${name} reports ${readyReplicas} ready Pods of ${ready(mine).length}`;
    if (observedGeneration !== set.metadata.generation) return `ReplicaSet ${name} reports on an older generation`;
  }
  return undefined;
}

function deployments(objects: Objects, _: Ground, shape: Shape): string | undefined {
  for (const deployment of objects.of("deployments")) {
    const why = deploymentUnrest(deployment, objects, shape);
    if (why) return `Deployment ${deployment.metadata.name} ${why}`;
  }
  return undefined;
}

function deploymentUnrest(deployment: Deployment, objects: Objects, shape: Shape): string | undefined {
  const { spec, status, metadata } = deployment;
  const sets = objects.of("replicasets").filter((set) => controllerOf(set)?.uid === metadata.uid);
  const image = spec?.template?.spec?.containers[0]?.image;
  const withPods = sets.filter((set) => (set.spec?.replicas ?? 0) > 0);
  if (status?.observedGeneration !== metadata.generation) return "reports on an older generation";
  const running = sets.flatMap((set) => active(owned(set, objects)));
  if (shape.tight && running.some((pod) => !pod.spec?.nodeName)) return undefined; // it waits for room
  const wanted = spec?.replicas ?? 1;
  if (running.length !== wanted) return `has ${running.length} Pods of ${wanted}`;
  const strange = withPods.find((set: ReplicaSet) => set.spec?.template?.spec?.containers[0]?.image !== image);
  if (strange) return `still has Pods of ${strange.metadata.name}`;
  const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status ?? {};
  if (replicas !== wanted || updatedReplicas !== wanted || availableReplicas !== wanted)
    return `reports ${replicas} replicas, ${updatedReplicas} updated, ${availableReplicas} available of ${wanted}`;
  if (!isTrue(status?.conditions, "Available")) return "is not Available";
  if (!isTrue(status?.conditions, "Progressing")) return "is not Progressing";
  return undefined;
}

function statefulSets(objects: Objects, _: Ground, shape: Shape): string | undefined {
  for (const set of objects.of("statefulsets")) {
    const { name } = set.metadata;
    const mine = active(owned(set, objects));
    if (shape.tight && mine.some((pod) => !pod.spec?.nodeName)) continue;
    const wanted = Array.from({ length: set.spec?.replicas ?? 1 }, (__, ordinal) => `${name}-${ordinal}`);
    const there = mine.map(({ metadata }) => metadata.name).sort();
    if (there.join() !== wanted.sort().join()) return `StatefulSet ${name} has ${there.join() || "no Pods"}`;
    const image = set.spec?.template?.spec?.containers[0]?.image;
    const old = mine.find(({ spec }) => spec?.containers[0]?.image !== image);
    if (old) return `StatefulSet ${name} still has the old ${old.metadata.name}`;
    const { replicas, readyReplicas = 0 } = set.status ?? {};
    if (replicas !== wanted.length || readyReplicas !== wanted.length)
      return `StatefulSet ${name} reports ${replicas} replicas, ${readyReplicas} ready of ${wanted.length}`;
  }
  return undefined;
}

function daemonSets(objects: Objects, _: Ground, shape: Shape): string | undefined {
  for (const set of objects.of("daemonsets")) {
    const { name } = set.metadata;
    const mine = active(owned(set, objects));
    if (shape.tight && mine.some((pod) => !pod.spec?.nodeName)) continue;
    const places = new Set(mine.map(({ spec }) => spec?.nodeName));
    if (mine.length !== shape.nodes || places.size !== shape.nodes)
      return `DaemonSet ${name} has ${mine.length} Pods on ${places.size} of ${shape.nodes} nodes`;
    const image = set.spec?.template?.spec?.containers[0]?.image;
    const old = mine.find(({ spec }) => spec?.containers[0]?.image !== image);
    if (old) return `DaemonSet ${name} still has the old ${old.metadata.name}`;
    if (set.status?.numberReady !== shape.nodes)
      return `DaemonSet ${name} reports ${set.status?.numberReady} ready Pods`;
  }
  return undefined;
}

function jobs(objects: Objects): string | undefined {
  for (const job of objects.of("jobs")) {
    const { name } = job.metadata;
    const mine = owned(job, objects);
    if (!isTrue(job.status?.conditions, "Complete") && !isTrue(job.status?.conditions, "Failed")) {
      if (active(mine).some((pod) => !pod.spec?.nodeName)) continue;
      return `Job ${name} has not ended`;
    }
    if (active(mine).length > 0) return `Job ${name} has ended and still has ${active(mine)[0]?.metadata.name}`;
    if (isTrue(job.status?.conditions, "Complete") && !whole(job))
      return `Job ${name} is Complete with ${job.status?.succeeded ?? 0} of ${job.spec?.completions}`;
    const kept = mine.find(({ metadata }) => metadata.finalizers?.includes("batch.kubernetes.io/job-tracking"));
    if (kept) return `Job ${name} has ended and still tracks ${kept.metadata.name}`;
    if ((job.status?.active ?? 0) > 0) return `Job ${name} has ended and reports active Pods`;
  }
  return undefined;
}

const whole = ({ spec, status }: Job) => (status?.succeeded ?? 0) === (spec?.completions ?? 1);

function endpoints(objects: Objects): string | undefined {
  for (const service of objects.of("services")) {
    const { namespace, name } = service.metadata;
    const selector = Object.entries(service.spec?.selector ?? {});
    if (selector.length === 0) continue;
    const selected = ready(
      objects
        .of("pods")
        .filter(
          ({ metadata }) =>
            metadata.namespace === namespace && selector.every(([key, value]) => metadata.labels?.[key] === value),
        ),
    );
    const slices = objects
      .of("endpointslices")
      .filter(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels?.["kubernetes.io/service-name"] === name,
      );
    const told = slices.flatMap((slice) => slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready);
    const addresses = (all: readonly (string | undefined)[]) => [...all].sort().join();
    if (addresses(told.map(({ addresses: [one] }) => one)) !== addresses(selected.map(({ status }) => status?.podIP)))
      return `Service ${name} tells ${told.length} ready endpoints of ${selected.length}`;
  }
  return undefined;
}

function quotas(objects: Objects): string | undefined {
  for (const quota of objects.of("resourcequotas")) {
    const here = objects.of("pods").filter(({ metadata }) => metadata.namespace === quota.metadata.namespace);
    const used = quota.status?.used?.["pods"];
    const really = String(active(here).length);
    if (used !== really) return `quota ${quota.metadata.name} reports ${used} Pods of ${really}`;
  }
  return undefined;
}
