/**
 * Network contract: what the kubelet asks of the node's network.
 *
 * The kubelet never touches interfaces, routes or CNI files itself: the Pod network is prepared
 * behind this interface (kubelet/network), sandboxes get their addresses from the runtime's CNI.
 * A node is not Ready before `prepareNode` has resolved once for its podCIDR.
 */
import type { Pod } from "../machinery/objects/kinds.ts";
import type { Logger } from "../machinery/process/logging.ts";

export interface NodeNetworkRequest {
  readonly nodeName: string;
  /** The node's own range, "10.42.0.0/24". */
  readonly podCIDR: string;
  readonly podCIDRs: readonly string[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface NodeNetwork {
  /**
   * Bridge, forwarding, masquerading and the CNI configuration. Idempotent: called at every start
   * and again when the node's podCIDR changes. Rejects with a message that a user understands;
   * the kubelet shows it in the Ready condition and tries again.
   */
  prepareNode(request: NodeNetworkRequest): Promise<void>;
  /**
   * Called when a Pod's sandbox has its addresses, before each start of a container: resolves when network
   * policies bind the Pod. Without it the Pod is bound once its status tells the addresses.
   */
  readonly bindPod?: ((pod: Pod, addresses: readonly string[]) => Promise<void>) | undefined;
}

/** For nodes whose runtime brings its own addresses (simulated), and for hosts prepared by someone else. */
export const noNetwork: NodeNetwork = {
  async prepareNode() {},
};
