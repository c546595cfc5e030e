/**
 * Policy node: a process in a network namespace of its own that applies NetworkPolicies there, as an agent does,
 * from an API server in the same process. Started by startChild with `unshare --net`.
 */
import { createPolicyGate } from "../../kubelet/policy/gate.ts";
import { runNetworkPolicy } from "../../kubelet/policy/network-policy.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import type { NetworkPolicy, Pod } from "../../machinery/objects/kinds.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { answerCommands } from "../bench/child.ts";
import { type Pipeline, startPipeline } from "./pipeline.ts";

export interface PodWish {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Without: its status tells none yet. */
  readonly addresses?: readonly string[];
  readonly ports?: readonly object[];
}

let pipeline: Pipeline | undefined;
let stop = new AbortController();
let running: Promise<void> = Promise.resolve();
let gate = createPolicyGate(clock);

const client = () => {
  if (!pipeline) throw new Error("not started");
  return pipeline.client();
};

/** Begins, or goes on after `end` as an agent that was restarted. */
async function begin(): Promise<void> {
  pipeline ??= await startPipeline();
  stop = new AbortController();
  gate = createPolicyGate(clock);
  const { signal } = stop;
  // Bytes on a wire, as between an agent and its server, are not what is tried here.
  const asProxy = pipeline.client("system:kube-proxy", []);
  const informers = createInformers({ client: asProxy, clock, log: silent, signal });
  running = runNetworkPolicy({ client: asProxy, informers, clock, log: silent, signal, nodeName: "one", gate });
}

async function createPod({ name, namespace = "default", labels = {}, addresses, ports = [] }: PodWish): Promise<Pod> {
  const containers = [{ name: "c", image: "i", ports: ports as never }];
  const pod = await client().create("pods", {
    metadata: { name, namespace, labels },
    spec: { nodeName: "one", containers, automountServiceAccountToken: false },
  });
  if (!addresses) return pod;
  const [podIP = ""] = addresses;
  const status = { phase: "Running", podIP, podIPs: addresses.map((ip) => ({ ip })) };
  return client().updateStatus("pods", { ...pod, status });
}

answerCommands(
  {
    begin,
    async end(): Promise<void> {
      stop.abort(new Error("ended"));
      await running;
    },
    async namespace({ name, labels }: { name: string; labels: Record<string, string> }): Promise<void> {
      if (await client().find("namespaces", { name })) {
        await client().patch("namespaces", { name }, { metadata: { labels } });
        return;
      }
      await client().create("namespaces", { metadata: { name, labels } });
      await client().create("serviceaccounts", { metadata: { name: "default", namespace: name } });
    },
    async pod(wish: PodWish): Promise<void> {
      await createPod(wish);
    },
    async label({ name, labels }: { name: string; labels: Record<string, string | null> }): Promise<void> {
      await client().patch("pods", { namespace: "default", name }, { metadata: { labels } });
    },
    /** A Pod whose addresses only the kubelet knows: resolves when it may start. */
    async arrive(wish: PodWish): Promise<void> {
      const pod = await createPod({ ...wish, addresses: undefined as never });
      await gate.pass(pod, wish.addresses ?? []);
    },
    async policy({ name, spec }: { name: string; spec: object }): Promise<void> {
      const ref = { namespace: "default", name };
      const found = await client().find("networkpolicies", ref);
      const wanted = spec as NonNullable<NetworkPolicy["spec"]>;
      if (found) await client().update("networkpolicies", { ...found, spec: wanted });
      else await client().create("networkpolicies", { metadata: ref, spec: wanted });
    },
    async forget(name: string): Promise<void> {
      await client().delete("networkpolicies", { namespace: "default", name });
    },
  },
  async () => {
    stop.abort(new Error("ended"));
    await running;
    await pipeline?.close();
  },
);
