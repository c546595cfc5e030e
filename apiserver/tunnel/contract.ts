/**
 * Tunnel contract: how the request pipeline reaches nodes.
 *
 * An agent keeps one WebSocket open to `/k8ts/v1/tunnel`; whoever serves a request for logs, exec,
 * attach, port-forward or a node's proxy dials the node by name and gets a byte stream to the
 * kubelet's HTTP server. The agent's end is in kubelet/tunnel, the multiplexing in machinery/streams/mux.ts.
 */
import type { Duplex } from "node:stream";
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";

export interface Tunnels {
  /**
   * Answers an upgrade request of an agent that was authenticated as this node. A later tunnel of
   * the same node takes over for new streams; the earlier one lives on while it has streams, but only one of them.
   */
  accept(nodeName: string, request: RequestRecord): ResponseRecord;
  /**
   * A stream to the node's kubelet, through another server where that one holds its tunnel. Waits a little for an
   * agent that is reconnecting, then rejects with ServiceUnavailable: `error dialing backend: no tunnel to node "x"`.
   */
  dial(nodeName: string, options?: { readonly signal?: AbortSignal }): Promise<Duplex>;
  /** A stream through a tunnel that this server holds itself; undefined when it holds none of the node. */
  openHere(nodeName: string): Duplex | undefined;
  /** Names of the nodes that are connected. */
  nodes(): readonly string[];
  close(): Promise<void>;
}

/** Where a request goes at the node. */
export interface NodeTarget {
  readonly node: string;
  /** Path and query as the kubelet serves it: see kubelet-paths.ts. */
  readonly path: string;
}

/**
 * Sends the request on to the node's kubelet. Upgrades are spliced byte by byte (`upgrade`; its accept
 * writes the 101 answer itself), other answers are streamed; the kubelet's 4xx and 5xx become Status responses.
 * Rejects with ApiError when the node cannot be reached. Authorization is done before.
 */
export type ProxyToNode = (
  tunnels: Pick<Tunnels, "dial">,
  target: NodeTarget,
  request: RequestRecord,
) => Promise<ResponseRecord>;
