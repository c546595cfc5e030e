/**
 * Node health: whether this node can run Pods, and why not.
 *
 * Three things must hold: the runtime answers, the Pod network is prepared for the node's podCIDR,
 * and what runs has been adopted. Each of them tells node.ts at once when it changes.
 */
import type { Node } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Runtime } from "./cri/contract.ts";
import type { NodeNetwork } from "./network-contract.ts";
import type { Health } from "./node-object.ts";

export interface NodeHealth {
  readonly look: () => Promise<Health>;
  /** What the runtime answered last. */
  readonly runtime: (error: Error | undefined) => void;
  readonly adopted: () => void;
  /** Prepares the network for the node's range, once per range; retries until it stands. */
  readonly prepareNetwork: (node: Node) => Promise<void>;
  readonly networkProblem: () => string | undefined;
  readonly onFirstReady: (listener: () => void) => void;
}

export interface NodeHealthContext {
  readonly cri: Runtime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  readonly network: NodeNetwork;
  /** What the node is short of. */
  readonly pressure: () => Health["pressure"];
  /** Why the node takes no more Pods at all, whatever its state. */
  readonly leaving: () => string | undefined;
  readonly onChange: () => void;
}

const RETRY_MS = 2_000;

export function createNodeHealth(context: NodeHealthContext): NodeHealth {
  const { cri, clock, log, signal, nodeName, network, onChange } = context;
  let runtimeError: Error | undefined;
  let isAdopted = false;
  let preparing: string | undefined;
  let networkProblem: string | undefined = "the node has no podCIDR yet";
  let announce: (() => void) | undefined;

  async function prepareUntilDone(podCIDR: string, podCIDRs: readonly string[]): Promise<void> {
    while (!signal.aborted && preparing === podCIDR) {
      try {
        await network.prepareNode({ nodeName, podCIDR, podCIDRs, log, signal });
        await cri.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: podCIDR } } });
        networkProblem = undefined;
        onChange();
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn("the Pod network could not be prepared", { podCIDR, error });
        networkProblem = (error as Error).message;
        onChange();
      }
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  async function problems(): Promise<string[]> {
    const found: string[] = [];
    const leaving = context.leaving();
    if (leaving) found.push(leaving);
    try {
      const { status } = await cri.status({});
      for (const { type, status: good, reason, message } of status.conditions) {
        if (good || (type === "NetworkReady" && networkProblem)) continue;
        const words = `${type}=false reason:${reason} message:${message}`;
        found.push(
          type === "NetworkReady"
            ? `container runtime network not ready: ${words}`
            : `container runtime not ready: ${words}`,
        );
      }
    } catch (error) {
      found.push(`container runtime is down: ${(error as Error).message}`);
    }
    if (networkProblem) found.push(`Pod network not ready: ${networkProblem}`);
    if (!isAdopted) found.push("the Pods of this node are not known yet");
    return found;
  }

  return {
    async look() {
      const notReady = await problems();
      if (notReady.length === 0 && announce) {
        const tell = announce;
        announce = undefined;
        clock.after(0, tell);
      }
      return { pressure: context.pressure(), notReady, networkReady: networkProblem === undefined };
    },
    runtime(error) {
      const changed = (error === undefined) !== (runtimeError === undefined);
      runtimeError = error;
      if (changed) onChange();
    },
    adopted() {
      isAdopted = true;
      onChange();
    },
    async prepareNetwork({ spec }) {
      const podCIDR = spec?.podCIDR;
      if (!podCIDR || podCIDR === preparing) return;
      preparing = podCIDR;
      await prepareUntilDone(podCIDR, spec?.podCIDRs ?? [podCIDR]);
    },
    networkProblem: () => networkProblem,
    onFirstReady(listener) {
      announce = listener;
    },
  };
}
