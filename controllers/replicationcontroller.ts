/**
 * ReplicationController: the older kind of ReplicaSet, with a plain map for its selector.
 *
 * Everything that it does is done in replicaset.ts; here stands only in what form its objects come.
 * https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/
 */
import type { Lister } from "../machinery/client/informer.ts";
import type { Controller } from "../machinery/loop/controller.ts";
import type { ReplicaSet, ReplicationController } from "../machinery/objects/kinds.ts";
import { replicaController } from "./replicaset.ts";

export const replicationControllerController = (): Controller =>
  replicaController({
    resource: "replicationcontrollers",
    controller: "replication-controller",
    sets(lister) {
      const { get, list, ownedBy, orphans, placedOn } = lister as unknown as Lister<ReplicationController>;
      return {
        get: (key) => {
          const found = get(key);
          return found && asSet(found);
        },
        list: (namespace) => list(namespace).map(asSet),
        ownedBy: (uid) => ownedBy(uid).map(asSet),
        orphans: (namespace) => orphans(namespace).map(asSet),
        placedOn: (node) => placedOn(node).map(asSet),
      };
    },
    shown({ terminatingReplicas: _unknown, ...status }) {
      return status;
    },
  });

/** Without a selector the template's labels are meant; the server fills that in. */
function asSet({ spec, ...rest }: ReplicationController): ReplicaSet {
  const { selector, template, ...others } = spec ?? {};
  const matchLabels = selector ?? template?.metadata?.labels ?? {};
  return { ...rest, spec: { ...others, ...(template ? { template } : {}), selector: { matchLabels } } };
}
