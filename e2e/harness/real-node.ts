/**
 * Real node: a kubelet over a containerd of the test's own, against the real API server pipeline.
 *
 * One for a file of tests: it takes seconds to start. It needs what whyNoContainerd asks for, and leaves nothing behind.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeletSettings } from "../../kubelet/configuration.ts";
import { connectRuntime } from "../../kubelet/cri/client.ts";
import { serveRuntime } from "../../kubelet/cri/server.ts";
import {
  type ContainerdFixture,
  importTestImage,
  startContainerd,
} from "../../kubelet/runtime/containerd/containerd.fixture.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { type Logger, silent } from "../../machinery/process/logging.ts";
import { podUntil, startNode, type TestNode } from "./node.ts";
import { type Pipeline, startPipeline } from "./pipeline.ts";

export interface RealNode {
  readonly containerd: ContainerdFixture;
  readonly pipeline: Pipeline;
  readonly node: TestNode;
  readonly client: Client;
  /** The output of a command in a container: the first one, unless another is named. */
  exec(pod: Pod, command: readonly string[], container?: string): Promise<string>;
  /** The lines that the runs of a container wrote. */
  logOf(pod: Pod, container?: string): readonly string[];
  /** Deletes all Pods of the namespace default, and waits until they are gone. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export interface RealNodeOptions {
  readonly settings?: KubeletSettings;
  /** The kubelet's own directory; default: a new one. */
  readonly kubelet?: string;
  readonly log?: Logger;
}

export async function startRealNode({ settings, kubelet, log = silent }: RealNodeOptions = {}): Promise<RealNode> {
  const containerd = await startContainerd();
  const runtime = await containerd.connect();
  await importTestImage(runtime);
  const server = await serveRuntime({ runtime, socket: containerd.paths.criSocket, clock: systemClock, log: silent });
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  const client = pipeline.client();
  const cri = connectRuntime({ socket: containerd.paths.criSocket });
  const cgroupRoot = containerd.paths.cgroup;
  const own = { ...(settings ? { settings } : {}), ...(kubelet ? { kubelet } : {}) };
  const node = await startNode(pipeline, { runtime: cri, cgroupRoot, log, ...own });
  return {
    containerd,
    pipeline,
    node,
    client,
    async exec(pod, cmd, container) {
      const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
      const all = [...containerStatuses, ...initContainerStatuses];
      const found = container === undefined ? all[0] : all.find(({ name }) => name === container);
      const containerId = found?.containerID?.replace("containerd://", "") ?? "";
      const { stdout, stderr } = await node.runtime.execSync({ containerId, cmd, timeout: 10 });
      return Buffer.from(stdout, "base64").toString() + Buffer.from(stderr, "base64").toString();
    },
    logOf({ metadata: { namespace, name, uid } }, container = "main") {
      const directory = join(node.directory, "logs", `${namespace}_${name}_${uid}`, container);
      const text = readdirSync(directory)
        .sort()
        .map((file) => readFileSync(join(directory, file), "utf8"));
      const lines = text.join("").split("\n").filter(Boolean);
      return lines.map((line) => line.split(" ").slice(3).join(" "));
    },
    async clear() {
      const { items } = await client.list("pods", { namespace: "default" });
      for (const { metadata } of items) await client.delete("pods", metadata, { gracePeriodSeconds: 1 });
      for (const { metadata } of items) {
        await podUntil(client, { namespace: "default", name: metadata.name }, (pod) => !pod, 30_000);
      }
    },
    async close() {
      await node.close();
      await pipeline.close();
      await server.close();
      await containerd.stop();
    },
  };
}
