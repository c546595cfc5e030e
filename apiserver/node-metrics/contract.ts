/**
 * Node metrics contract: what is known of the use of CPU and memory, for metrics.k8s.io.
 *
 * Figures are the nodes' own and are kept nowhere else: a server that has just started, or that nobody has asked
 * for a while, asks the nodes anew. Made of them: request/metrics-api.ts.
 */

/** Use over a window that ended at `at`. */
export interface Rate {
  readonly at: number;
  readonly windowMs: number;
  readonly cpuNanoCores: number;
  readonly memoryBytes: number;
}

export interface PodRates {
  readonly namespace: string;
  readonly name: string;
  /** Of the container whose figures are the oldest. */
  readonly at: number;
  readonly windowMs: number;
  readonly containers: ReadonlyMap<string, Rate>;
}

export interface NodeRates {
  readonly node: Rate | undefined;
  /** By "namespace/name". */
  readonly pods: ReadonlyMap<string, PodRates>;
}

export interface NodeMetrics {
  /**
   * The latest of every node that answers. Where nothing is known yet it waits for the nodes, but not for the
   * slowest of them; while somebody asks now and then the figures are kept fresh.
   */
  read(signal: AbortSignal): Promise<ReadonlyMap<string, NodeRates>>;
  close(): Promise<void>;
}

/** The text of a node's /metrics/resource. Rejects where the node does not answer. */
export type ReadNode = (node: string, signal: AbortSignal) => Promise<string>;
