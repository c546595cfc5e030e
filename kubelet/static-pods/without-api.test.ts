/** A node whose API server is away: its static Pods run all the same, and are shown once it answers. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { podUntil } from "../../e2e/harness/node.ts";
import { startPipeline } from "../../e2e/harness/pipeline.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { noNetwork } from "../network-contract.ts";
import { machineFacts } from "../node-facts.ts";
import { runKubelet } from "../run-kubelet.ts";
import { createSimulatedRuntime } from "../runtime/simulated/runtime.ts";

const MANIFEST = `apiVersion: v1
kind: Pod
metadata: { name: first }
spec:
  hostNetwork: true
  containers: [{ name: main, image: "a:1" }]
`;

it("a static Pod runs before the API server answers", async () => {
  const directory = await mkdtemp(join(tmpdir(), "k8ts-static-"));
  const staticPods = join(directory, "static-pods");
  await mkdir(staticPods);
  await writeFile(join(staticPods, "first.yaml"), MANIFEST);
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  const inner = pipeline.transport("system:node:node-1", ["system:nodes", "system:authenticated"]);
  let isAway = true;
  const client = createClient({
    ...inner,
    request: async (request) => {
      if (isAway) throw new ApiError("ServiceUnavailable", "away");
      return inner.request(request);
    },
  });
  const runtime = createSimulatedRuntime({ clock: systemClock });
  const stopping = new AbortController();
  const running = runKubelet({
    client,
    cri: runtime,
    clock: systemClock,
    log: silent,
    signal: stopping.signal,
    nodeName: "node-1",
    addresses: ["192.0.2.10"],
    maxPods: 110,
    facts: await machineFacts("/"),
    directory: join(directory, "kubelet"),
    logs: join(directory, "logs"),
    volumes: join(directory, "volumes"),
    clusterDns: [],
    clusterDomain: "cluster.local",
    resolvConf: "/etc/resolv.conf",
    cgroupRoot: undefined,
    network: noNetwork,
    staticPods,
  });
  const containers = async () => (await runtime.listContainers({})).containers;
  await expect.poll(async () => (await containers()).map(({ state }) => state)).toEqual(["CONTAINER_RUNNING"]);
  const [before] = await containers();
  isAway = false;
  const mirror = await podUntil(
    pipeline.client(),
    { namespace: "default", name: "first-node-1" },
    (pod) => pod?.status?.phase === "Running",
    20_000,
  );
  expect(mirror?.status?.containerStatuses?.[0]?.ready).toBe(true);
  expect((await containers()).map(({ id }) => id)).toEqual([before?.id]);
  stopping.abort();
  await running.catch(() => undefined);
  await runtime.close();
  await pipeline.close();
  await rm(directory, { recursive: true, force: true });
}, 60_000);
