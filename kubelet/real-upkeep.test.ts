/** A real node that runs out of disk, and logs that are rotated: the kubelet over a containerd of the test's own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podUntil } from "../e2e/harness/node.ts";
import { type RealNode, startRealNode } from "../e2e/harness/real-node.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { standardSettings } from "./configuration.ts";
import { TEST_IMAGE, whyNoContainerd } from "./runtime/containerd/containerd.fixture.ts";

const LINES = 6_000;

describe.skipIf(whyNoContainerd())("a real node", () => {
  let real: RealNode;
  let disk: string;

  beforeAll(async () => {
    disk = mkdtempSync(join(tmpdir(), "k8ts-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
    const settings = {
      ...standardSettings,
      evictionHard: { "nodefs.available": "50%" },
      evictionPressureTransitionPeriod: 1_000,
      containerLogMaxSize: 20_000,
      containerLogMaxFiles: 1_000,
      containerLogMonitorInterval: 100,
    };
    real = await startRealNode({ settings, kubelet: disk });
  }, 60_000);

  afterAll(async () => {
    await real?.clear();
    await real?.close();
    execFileSync("umount", ["-l", disk]);
    rmSync(disk, { recursive: true, force: true });
  }, 60_000);

  const ref = (name: string) => ({ namespace: "default", name });
  const create = (name: string, script: string, more: Partial<NonNullable<Pod["spec"]>> = {}) =>
    real.client.create("pods", {
      metadata: ref(name),
      spec: {
        nodeName: "node-1",
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: "main",
            image: TEST_IMAGE,
            command: ["sh", "-c", script],
            volumeMounts: [{ name: "scratch", mountPath: "/scratch", subPath: "inner" }],
          },
        ],
        volumes: [{ name: "scratch", emptyDir: {} }],
        ...more,
      },
    });
  const until = (name: string, matches: (pod: Pod | undefined) => boolean) =>
    podUntil(real.client, ref(name), matches, 60_000) as Promise<Pod>;
  const pressure = async () =>
    (await real.client.get("nodes", { name: "node-1" })).status?.conditions?.find(({ type }) => type === "DiskPressure")
      ?.status;

  it("whose disk is full ends the Pod that filled it, and has room again", async () => {
    await create("modest", "echo a little > /scratch/file; sleep 1000");
    await create("greedy", "dd if=/dev/zero of=/scratch/file bs=1M count=45; sleep 1000");
    const evicted = await until("greedy", (pod) => pod?.status?.phase === "Failed");
    expect(evicted.status?.reason).toBe("Evicted");
    expect(evicted.status?.message).toMatch(
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: \d+\w*, available: \d+\w*\. /,
    );
    await expect.poll(pressure, { timeout: 30_000 }).toBe("False");
    const modest = await until("modest", (pod) => pod?.status?.phase === "Running");
    expect(await real.exec(modest, ["cat", "/scratch/file"])).toBe("a little\n");
  }, 120_000);

  it("rotates logs without losing a line, kubelet killed or not", async () => {
    const script = `i=0; while [ $i -lt ${LINES} ]; do echo "line $i of a log that is rotated"; i=$((i+1)); done`;
    await create("writer", `${script}; sleep 1000`);
    const pod = await until("writer", (one) => one?.status?.phase === "Running");
    await real.node.stop();
    await real.node.start();
    const last = `line ${LINES - 1} of a log that is rotated`;
    await expect.poll(() => real.logOf(pod).includes(last), { timeout: 60_000 }).toBe(true);
    const numbers = real
      .logOf(pod)
      .map((line) => Number(line.split(" ")[1]))
      .sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: LINES }, (_, index) => index));
  }, 120_000);
});
