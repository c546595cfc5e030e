/**
 * Node IPAM: gives each node a block of Pod addresses of its own, once and for good.
 *
 * No two nodes ever get the same block: one worker decides, and it remembers what it has given
 * before its cache shows it. A node that has a block keeps it; a deleted node's block is free again.
 * Addresses of Services are never given. Where there are two ranges, a node gets a block of each.
 */
import type { Lister } from "../machinery/client/informer.ts";
import { type Controller, defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import type { Node } from "../machinery/objects/kinds.ts";
import { type AddressBlocks, createAddressBlocks } from "./address-blocks.ts";

export interface NodeIpamOptions {
  /** "10.42.0.0/16", or one of each family: "10.42.0.0/16,fd00:42::/48". */
  readonly clusterCidr: string;
  /** Prefix length of a node's block. */
  readonly nodeBits: { readonly IPv4: number; readonly IPv6: number };
}

export function nodeIpamController({ clusterCidr, nodeBits }: NodeIpamOptions): Controller {
  const ranges = rangesOf(clusterCidr, nodeBits);
  /** Node uid ► the blocks it was given. */
  const given = new Map<string, readonly string[]>();
  /** Nodes for which nothing was left: they are looked at again when something comes back. */
  const waiting = new Set<string>();
  const hold = (owner: string, blocks: readonly string[]) => {
    for (const range of ranges) range.hold(owner, blocks);
  };
  return defineController({
    name: "node-ipam-controller",
    watches: {
      nodes: (change) => {
        const { uid } = change.object.metadata;
        if (change.old && change.old.metadata.uid !== uid) forget(change.old.metadata.uid, given, hold);
        if (change.type === "deleted") {
          forget(uid, given, hold);
          waiting.delete(change.key);
          return [...waiting];
        }
        const blocks = blocksHeld(change.object);
        if (blocks.length > 0) hold(uid, blocks);
        return blocks.length > 0 ? [] : [change.key];
      },
      servicecidrs: ({ type, key, object }) => {
        hold(`services/${key}`, type === "deleted" ? [] : (object.spec?.cidrs ?? []));
        return type === "deleted" ? [...waiting] : [];
      },
    },

    async reconcile(
      name,
      { nodes, client, events, log }: { readonly nodes: Lister<Node> } & Services,
    ): Promise<Outcome> {
      const node = nodes.get(name);
      waiting.delete(name);
      if (!node || blocksHeld(node).length > 0) return done;
      const { uid, resourceVersion } = node.metadata;
      const blocks = given.get(uid) ?? ranges.flatMap((range) => range.free() ?? []);
      if (blocks.length < ranges.length) {
        waiting.add(name);
        events.normal(node, "CIDRNotAvailable", `Node ${name} status is now: CIDRNotAvailable`);
        log.warn("no Pod addresses are left for a node", { object: name, range: clusterCidr });
        return done;
      }
      given.set(uid, blocks);
      hold(uid, blocks);
      await client.patch(
        "nodes",
        { name },
        { metadata: { uid, resourceVersion }, spec: { podCIDR: blocks[0], podCIDRs: blocks } },
      );
      return done;
    },
  });
}

function forget(uid: string, given: Map<string, unknown>, hold: (owner: string, blocks: readonly string[]) => void) {
  given.delete(uid);
  hold(uid, []);
}

const blocksHeld = ({ spec }: Node): readonly string[] => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);

function rangesOf(clusterCidr: string, nodeBits: NodeIpamOptions["nodeBits"]): readonly AddressBlocks[] {
  const parts = clusterCidr.split(",").map((part) => part.trim());
  const ranges = parts.map((part) => createAddressBlocks(part, part.includes(":") ? nodeBits.IPv6 : nodeBits.IPv4));
  if (ranges.length > 2 || new Set(ranges.map(({ range }) => range.family)).size < ranges.length)
    throw new Error(`the cluster's Pod range must be one block, or one of each family: ${clusterCidr}`);
  return ranges;
}
