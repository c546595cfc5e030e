/**
 * Node: a kubelet over a simulated or given runtime, against a pipeline, for tests of what happens to Pods.
 *
 * `stop` is what a kill does to it: it ends without a word, while the runtime lives on for the next one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeletSettings } from "../../kubelet/configuration.ts";
import type { Runtime } from "../../kubelet/cri/contract.ts";
import type { Observations } from "../../kubelet/eviction/thresholds.ts";
import { noNetwork } from "../../kubelet/network-contract.ts";
import { machineFacts } from "../../kubelet/node-facts.ts";
import { runKubelet } from "../../kubelet/run-kubelet.ts";
import { createSimulatedRuntime } from "../../kubelet/runtime/simulated/runtime.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Logger, silent } from "../../machinery/process/logging.ts";
import type { Pipeline } from "./pipeline.ts";

export interface TestNode {
  readonly name: string;
  readonly runtime: Runtime;
  readonly directory: string;
  /** The kubelet's server: give it connections as a tunnel would. */
  server(): Server;
  /** What the kubelet does when its machine is switched off. */
  shutDown(): Promise<void>;
  /** Ends the kubelet; the runtime lives on. */
  stop(): Promise<void>;
  /** Another kubelet over the same runtime. */
  start(): Promise<void>;
  /** Ends everything and removes its files. */
  close(): Promise<void>;
}

export interface TestNodeOptions {
  readonly name?: string;
  readonly podCIDR?: string;
  /** Of the node, and of Pods that share its network. */
  readonly address?: string;
  readonly log?: Logger;
  /** Default: a simulated one. Closed by whoever made it. */
  readonly runtime?: Runtime;
  /** For real runtimes: "/k8ts-…". */
  readonly cgroupRoot?: string;
  /** The kubelet's own directory; default: a new one. */
  readonly kubelet?: string;
  readonly settings?: KubeletSettings;
  /** What the node has left of its memory and disks, where it is not read. */
  readonly observe?: () => Promise<Observations>;
}

/** Resolves once the node is Ready. */
export async function startNode(pipeline: Pipeline, options: TestNodeOptions = {}): Promise<TestNode> {
  const { name = "node-1", podCIDR = "10.42.0.0/24", address = "192.0.2.10", log = silent } = options;
  const { clock } = pipeline;
  const runtime = options.runtime ?? createSimulatedRuntime({ clock });
  const directory = await mkdtemp(join(tmpdir(), "k8ts-node-"));
  const client = pipeline.client(`system:node:${name}`, ["system:nodes", "system:authenticated"]);
  const admin = pipeline.client();
  const facts = await machineFacts("/");
  let stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let server: Server | undefined;
  let shutDown: () => Promise<void> = async () => undefined;

  const start = async () => {
    stopping = new AbortController();
    const ready = Promise.withResolvers<void>();
    running = runKubelet({
      client,
      cri: runtime,
      clock,
      log,
      signal: stopping.signal,
      ready: ready.resolve,
      nodeName: name,
      addresses: [address],
      maxPods: 110,
      facts,
      directory: options.kubelet ?? join(directory, "kubelet"),
      logs: join(directory, "logs"),
      volumes: join(directory, "volumes"),
      clusterDns: ["10.43.0.10"],
      clusterDomain: "cluster.local",
      resolvConf: "/etc/resolv.conf",
      cgroupRoot: options.cgroupRoot,
      staticPods: join(directory, "static-pods"),
      ...(options.settings ? { settings: options.settings } : {}),
      ...(options.observe ? { observe: options.observe } : {}),
      network: noNetwork,
      onShutdown(begin) {
        shutDown = begin;
      },
      async tunnel(started) {
        server = started;
      },
    });
    running.catch(ready.reject);
    await giveRange(admin, name, podCIDR, clock);
    await ready.promise;
  };
  const stop = async () => {
    stopping.abort(new Error("the test stopped the kubelet"));
    await running.catch(() => undefined);
  };
  await publishRootCa(admin);
  await start();
  return {
    name,
    runtime,
    directory,
    server() {
      if (!server) throw new Error("the kubelet has no server yet");
      return server;
    },
    start,
    stop,
    shutDown: () => shutDown(),
    async close() {
      await stop();
      if (!options.runtime) await runtime.close();
      // what was under way when it was stopped may still write
      await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    },
  };
}

/** Every Pod's token volume refers to it; in a whole cluster a controller publishes it. */
async function publishRootCa(admin: Client): Promise<void> {
  const ref = { namespace: "default", name: "kube-root-ca.crt" };
  if (await admin.find("configmaps", ref)) return;
  await admin.create("configmaps", { metadata: ref, data: { "ca.crt": "no certificate" } });
}

/** What the controller that hands out ranges does in a whole cluster. */
async function giveRange(admin: Client, name: string, podCIDR: string, clock: Pipeline["clock"]): Promise<void> {
  for (;;) {
    const node = await admin.find("nodes", { name });
    if (node?.spec?.podCIDR) return;
    if (node) await admin.patch("nodes", { name }, { spec: { podCIDR, podCIDRs: [podCIDR] } });
    else await clock.sleep(5);
  }
}

/** Waits until a Pod is as `matches` says; fails with what it is instead. */
export async function podUntil(
  client: Client,
  ref: { readonly namespace: string; readonly name: string },
  matches: (pod: Pod | undefined) => boolean,
  timeoutMs = 10_000,
): Promise<Pod | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  let last: Pod | undefined;
  while (!signal.aborted) {
    last = await client.find("pods", ref);
    if (matches(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(
    `the Pod did not become what the test waits for: ${JSON.stringify(last?.status ?? "no Pod", null, 1)}`,
  );
}
