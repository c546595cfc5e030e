/**
 * Node TTL: tells each node how many seconds it may keep Secrets and ConfigMaps without asking again.
 *
 * The larger the cluster, the longer. Between two steps lies a band in which nothing changes, so that a cluster at a
 * border does not write to all its nodes again and again; a node is told when it changes anyway.
 */
import type { Change } from "../machinery/client/informer.ts";
import { type Controller, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import type { Node } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";

const ANNOTATION = "node.alpha.kubernetes.io/ttl";

/** A step is left upwards above `most` nodes, downwards below `least`. */
const STEPS = [
  { least: 0, most: 100, seconds: 0 },
  { least: 90, most: 500, seconds: 15 },
  { least: 450, most: 1_000, seconds: 30 },
  { least: 900, most: 2_000, seconds: 60 },
  { least: 1_800, most: Number.POSITIVE_INFINITY, seconds: 300 },
] as const;

export function nodeTtlController(): Controller {
  const names = new Set<string>();
  let step = 0;
  return defineController({
    name: "ttl-controller",
    watches: {
      nodes: ({ type, key, object }: Change<Node>) => {
        if (type === "deleted") names.delete(key);
        else names.add(key);
        step = nextStep(step, names.size);
        return type === "deleted" || object.metadata.annotations?.[ANNOTATION] === String(secondsOf(step)) ? [] : [key];
      },
    },

    async reconcile(name, { nodes, client }): Promise<Outcome> {
      const node = nodes.get(name);
      const seconds = String(secondsOf(step));
      if (!node || node.metadata.deletionTimestamp || node.metadata.annotations?.[ANNOTATION] === seconds) return done;
      try {
        await client.patch(
          "nodes",
          { name },
          { metadata: { uid: node.metadata.uid, annotations: { [ANNOTATION]: seconds } } },
        );
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return done;
    },
  });
}

export function nextStep(step: number, nodes: number): number {
  let next = step;
  while (nodes > (STEPS[next]?.most ?? 0)) next++;
  while (nodes < (STEPS[next]?.least ?? 0)) next--;
  return next;
}

export const secondsOf = (step: number): number => STEPS[step]?.seconds ?? 0;
