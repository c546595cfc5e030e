/**
 * Watches of Deployments: which of them a change of a Pod concerns. Pure. Of their ReplicaSets: owners-concerned.ts.
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import type { Deployment, Pod, ReplicaSet } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { isRecreate } from "./deployment-scale.ts";
import { isTerminal } from "./pod-state.ts";

/** Recreate waits until the last old Pod is gone. */
export function recreatesWaitingFor(
  { object: pod, type }: Change<Pod>,
  listers: Readonly<Record<string, unknown>>,
): string[] {
  if (type === "added" || (type === "updated" && !isTerminal(pod))) return [];
  const owner = controllerOf(pod);
  if (owner?.kind !== "ReplicaSet") return [];
  const namespace = pod.metadata.namespace;
  const set = (listers["replicasets"] as Lister<ReplicaSet>).get(`${namespace}/${owner.name}`);
  const key = `${namespace}/${(set && controllerOf(set))?.name}`;
  const deployment = (listers["deployments"] as Lister<Deployment>).get(key);
  return deployment && isRecreate(deployment) ? [key] : [];
}
