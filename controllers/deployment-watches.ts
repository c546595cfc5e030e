/**
 * Watches of Deployments: which of them a change of a ReplicaSet or a Pod concerns. Pure.
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import type { Deployment, Pod, ReplicaSet } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { fromLabelSelector, matches } from "../machinery/objects/selectors.ts";
import { isRecreate } from "./deployment-scale.ts";
import { isTerminal } from "./pod-state.ts";

/** A set's owner; an orphan may be adopted by any Deployment that selects it. */
export function ownersOfSet(
  { object: set, old, type }: Change<ReplicaSet>,
  listers: Readonly<Record<string, unknown>>,
): string[] {
  const owners = [set, old].flatMap((one) => {
    const owner = one && controllerOf(one);
    return owner?.kind === "Deployment" ? [`${one?.metadata.namespace}/${owner.name}`] : [];
  });
  if (owners.length > 0 || type === "deleted" || controllerOf(set)) return [...new Set(owners)];
  return (listers["deployments"] as Lister<Deployment>)
    .list(set.metadata.namespace)
    .filter(({ spec }) => matches(fromLabelSelector(spec?.selector), set.metadata.labels))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

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
