/**
 * Cluster at rest: nothing without its owner, nothing still on its way out, all nodes well, all Pods where they should be.
 */
import type { PersistentVolumeClaim, Pod } from "../../../machinery/objects/kinds.ts";
import { claimNames } from "../../../machinery/objects/volume-claims.ts";
import type { StoredObject } from "../../../machinery/objects/wire.ts";
import { isEnded } from "../pod-report.ts";
import { cpuOf, isTrue, type Scene } from "./scene.ts";

export function owners({ objects }: Scene): string | undefined {
  for (const [resource, { metadata }] of objects.all()) {
    const references = metadata.ownerReferences ?? [];
    const here = references.filter(({ uid }) => objects.byUid(uid));
    if (references.length > 0 && here.length === 0)
      return `${resource}/${metadata.name} is there without its owner ${references[0]?.kind} ${references[0]?.name}`;
  }
  return undefined;
}

export function deleted(scene: Scene): string | undefined {
  for (const [resource, object] of scene.objects.all())
    if (object.metadata.deletionTimestamp && !(resource === "persistentvolumeclaims" && isHeld(object, scene)))
      return `${resource}/${object.metadata.name} is still on its way out`;
  return undefined;
}

/** A claim that somebody deleted stays for as long as a Pod runs with it. */
function isHeld({ metadata }: Pick<PersistentVolumeClaim, "metadata"> | StoredObject, { ground }: Scene): boolean {
  for (const { pod } of ground.all())
    if (pod.metadata.namespace === metadata.namespace && claimNames(pod).some(({ name }) => name === metadata.name))
      return true;
  return false;
}

export function nodes({ objects, shape }: Scene): string | undefined {
  const all = objects.of("nodes");
  if (all.length !== shape.nodes) return `${all.length} of ${shape.nodes} nodes are there`;
  for (const { metadata, status, spec } of all) {
    if (!isTrue(status?.conditions, "Ready")) return `${metadata.name} is not Ready`;
    if (spec?.taints?.length) return `${metadata.name} is still tainted ${spec.taints[0]?.key}`;
    if (!spec?.podCIDR) return `${metadata.name} has no range of addresses`;
  }
  const ranges = new Set(all.map(({ spec }) => spec?.podCIDR));
  return ranges.size < all.length ? "two nodes share a range of addresses" : undefined;
}

export function pods(scene: Scene): string | undefined {
  const { objects, ground, shape } = scene;
  for (const pod of objects.of("pods")) {
    const { name, uid } = pod.metadata;
    if (isEnded(pod)) continue;
    if (!pod.spec?.nodeName) {
      const room = shape.tight ? roomFor(pod, scene) : "it should have one";
      if (room === undefined) continue;
      return `Pod ${name} has no node: ${room}`;
    }
    if (!ground.find(pod.spec.nodeName, uid)) return `Pod ${name} does not run on ${pod.spec.nodeName}`;
  }
  for (const { pod, node } of ground.all())
    if (!objects.byUid(pod.metadata.uid)) return `Pod ${pod.metadata.name} runs on ${node} though it is gone`;
  return undefined;
}

const priorityOf = ({ spec }: Pod): number => spec?.priority ?? 0;

/** Where it fits, or would if Pods of lower priority made room for it. */
function roomFor(pod: Pod, { objects }: Scene): string | undefined {
  const [term] =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const only = term?.matchFields?.find(({ key }) => key === "metadata.name")?.values?.[0];
  for (const { metadata, status } of objects.of("nodes")) {
    if (only !== undefined && metadata.name !== only) continue;
    const stay = objects.podsOn(metadata.name).filter((one) => !isEnded(one) && priorityOf(one) >= priorityOf(pod));
    const { cpu, pods: most } = status?.allocatable ?? {};
    const free = milliOf(cpu) - stay.reduce((sum, one) => sum + cpuOf(one), 0);
    if (free >= cpuOf(pod) && stay.length < Number(most)) return `${metadata.name} has or can make room`;
  }
  return undefined;
}

const milliOf = (text: string | undefined): number =>
  text?.endsWith("m") ? Number(text.slice(0, -1)) : Number(text ?? 0) * 1000;
