/**
 * Leaving nodes: deletes the Node of a machine that says that it leaves the cluster.
 *
 * A node may not delete itself, so it says in an annotation that it goes; nobody else is deleted by it, since a node writes
 * no Node but its own. Who says it: machinery/cluster/leave.ts; the Pods that are left go with the Node: pod-gc.ts.
 */

import { LEAVES } from "../machinery/join/cluster-facts.ts";
import { defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import { isNotFound } from "../machinery/objects/status.ts";

export const leavingNodesController = defineController({
  name: "leaving-nodes",
  watches: { nodes: (change) => (change.type === "deleted" ? [] : enqueueSelf(change)) },

  async reconcile(name, { nodes, client }): Promise<Outcome> {
    const node = nodes.get(name);
    if (!node || node.metadata.deletionTimestamp || node.metadata.annotations?.[LEAVES] === undefined) return done;
    try {
      await client.delete("nodes", { name }, { preconditions: { uid: node.metadata.uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});
