/** Pod group: the Pods with which a Pod does its work, by the Services that select it and the controller that made it. */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";
import { everything, fromLabelSelector, fromMap, matches, type Selector } from "../../machinery/objects/selectors.ts";
import type { Cluster, Listers } from "../cluster.ts";

/** What the group has in common; everything, where the Pod belongs to none. */
export function selectorOfGroup(pod: Pod, { listers }: Cluster): Selector {
  const { namespace, labels } = pod.metadata;
  const selectors = listers.services
    .list(namespace)
    .map(({ spec }) => fromMap(spec?.selector))
    .filter((selector) => matches(selector, labels));
  const owner = controllerOf(pod);
  const ofOwner = owner && OF_CONTROLLER[owner.kind]?.(listers, `${namespace}/${owner.name}`);
  if (ofOwner) selectors.push(ofOwner);
  const requirements = selectors.flatMap((selector) => selector.requirements);
  return requirements.length === 0 ? everything : { requirements };
}

/** Pods of other controllers are no group. */
const OF_CONTROLLER: Readonly<Record<string, (listers: Listers, key: string) => Selector>> = {
  ReplicationController: ({ replicationcontrollers }, key) => fromMap(replicationcontrollers.get(key)?.spec?.selector),
  ReplicaSet: ({ replicasets }, key) => fromLabelSelector(replicasets.get(key)?.spec?.selector),
  StatefulSet: ({ statefulsets }, key) => fromLabelSelector(statefulsets.get(key)?.spec?.selector),
};
