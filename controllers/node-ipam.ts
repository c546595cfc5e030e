/**
 * Node IPAM: gives each node a block of Pod addresses of its own, once and for good.
 *
 * No two nodes ever get the same block: one worker decides, and it remembers what it has given
 * before its cache shows it. A node that has a block keeps it; a deleted node's block is free again.
 */
import type { Lister } from "../machinery/client/informer.ts";
import {
  type Controller,
  defineController,
  done,
  enqueueSelf,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { parseCidr } from "../machinery/objects/ip.ts";
import type { Node } from "../machinery/objects/kinds.ts";

const NODE_BITS = 24;

/** `clusterCidr` is IPv4: "10.42.0.0/16". */
export function nodeIpamController(clusterCidr: string): Controller {
  const blocks = blocksOf(clusterCidr);
  /** Node uid ► the block it was given. */
  const given = new Map<string, string>();
  return defineController({
    name: "node-ipam-controller",
    watches: {
      nodes: (change) => {
        if (change.type === "deleted") given.delete(change.object.metadata.uid);
        return enqueueSelf(change);
      },
    },

    async reconcile(name, { nodes, client, events }: { readonly nodes: Lister<Node> } & Services): Promise<Outcome> {
      const node = nodes.get(name);
      if (!node || node.spec?.podCIDR) return done;
      const { uid, resourceVersion } = node.metadata;
      const taken = new Set([...given.values(), ...nodes.list().flatMap(blocksHeld)]);
      const block = given.get(uid) ?? blocks.find((one) => !taken.has(one));
      if (!block) {
        events.normal(node, "CIDRNotAvailable", `Node ${name} status is now: CIDRNotAvailable`);
        throw new Error(`no Pod addresses are left for node ${name} in ${clusterCidr}`);
      }
      given.set(uid, block);
      await client.patch(
        "nodes",
        { name },
        { metadata: { uid, resourceVersion }, spec: { podCIDR: block, podCIDRs: [block] } },
      );
      return done;
    },
  });
}

const blocksHeld = ({ spec }: Node): readonly string[] => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);

/** The node blocks of a cluster's range, in order. */
export function blocksOf(clusterCidr: string): readonly string[] {
  const range = parseCidr(clusterCidr);
  if (range?.family !== "IPv4" || range.bits > NODE_BITS)
    throw new Error(`the cluster's Pod range must be an IPv4 block of at least /${NODE_BITS}: ${clusterCidr}`);
  const first = range.address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const base = first - (first % 2 ** (32 - range.bits));
  return Array.from({ length: 2 ** (NODE_BITS - range.bits) }, (_, i) => {
    const address = base + i * 2 ** (32 - NODE_BITS);
    const parts = [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256);
    return `${parts.join(".")}/${NODE_BITS}`;
  });
}
