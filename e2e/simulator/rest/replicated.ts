/**
 * Replicated at rest: ReplicaSets, Deployments, StatefulSets and DaemonSets have the Pods that they ask for, and say so.
 */
import type { Deployment, ReplicaSet, StatefulSet } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { active, imageOf, isTrue, owned, ready, type Scene, waits } from "./scene.ts";

export function replicaSets(scene: Scene): string | undefined {
  for (const set of scene.objects.of("replicasets")) {
    const mine = active(owned(set, scene));
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

export function deployments(scene: Scene): string | undefined {
  for (const deployment of scene.objects.of("deployments")) {
    const why = deploymentUnrest(deployment, scene);
    if (why) return `Deployment ${deployment.metadata.name} ${why}`;
  }
  return undefined;
}

function deploymentUnrest(deployment: Deployment, scene: Scene): string | undefined {
  const { spec, status, metadata } = deployment;
  const sets = scene.objects.of("replicasets").filter((set) => controllerOf(set)?.uid === metadata.uid);
  const image = spec?.template?.spec?.containers[0]?.image;
  const withPods = sets.filter((set) => (set.spec?.replicas ?? 0) > 0);
  if (status?.observedGeneration !== metadata.generation) return "reports on an older generation";
  const running = sets.flatMap((set) => active(owned(set, scene)));
  if (waits(running, scene)) return undefined;
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

export function statefulSets(scene: Scene): string | undefined {
  for (const set of scene.objects.of("statefulsets")) {
    const why = statefulSetUnrest(set, scene);
    if (why) return `StatefulSet ${set.metadata.name} ${why}`;
  }
  return undefined;
}

function statefulSetUnrest(set: StatefulSet, scene: Scene): string | undefined {
  const { name } = set.metadata;
  const { replicas: size = 1, ordinals, updateStrategy, template } = set.spec ?? {};
  const mine = active(owned(set, scene));
  if (waits(mine, scene)) return undefined;
  const first = ordinals?.start ?? 0;
  const wanted = Array.from({ length: size }, (_, index) => `${name}-${first + index}`);
  const there = mine.map(({ metadata }) => metadata.name);
  if (there.sort().join() !== [...wanted].sort().join()) return `has ${there.join() || "no Pods"}`;
  const partition = updateStrategy?.rollingUpdate?.partition ?? 0;
  const renewed = updateStrategy?.type === "OnDelete" ? [] : wanted.slice(partition);
  const image = template?.spec?.containers[0]?.image;
  const old = mine.find((pod) => renewed.includes(pod.metadata.name) && imageOf(pod) !== image);
  if (old) return `still has the old ${old.metadata.name}`;
  const { replicas, readyReplicas = 0, availableReplicas = 0, observedGeneration } = set.status ?? {};
  if (replicas !== wanted.length || readyReplicas !== wanted.length || availableReplicas !== wanted.length)
    return `reports ${replicas} replicas, ${readyReplicas} ready, ${availableReplicas} available of ${wanted.length}`;
  return observedGeneration === set.metadata.generation ? undefined : "reports on an older generation";
}

export function daemonSets(scene: Scene): string | undefined {
  const { objects, shape } = scene;
  for (const set of objects.of("daemonsets")) {
    const { name } = set.metadata;
    const mine = active(owned(set, scene));
    if (waits(mine, scene)) continue;
    const places = new Set(mine.map(({ spec }) => spec?.nodeName));
    if (mine.length !== shape.nodes || places.size !== shape.nodes)
      return `DaemonSet ${name} has ${mine.length} Pods on ${places.size} of ${shape.nodes} nodes`;
    const image = set.spec?.template?.spec?.containers[0]?.image;
    const old = mine.find((pod) => imageOf(pod) !== image);
    if (old) return `DaemonSet ${name} still has the old ${old.metadata.name}`;
    const { numberReady, numberAvailable } = set.status ?? {};
    if (numberReady !== shape.nodes || numberAvailable !== shape.nodes)
      return `DaemonSet ${name} reports ${numberReady} ready Pods, ${numberAvailable} available`;
  }
  return undefined;
}
