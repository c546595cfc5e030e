/** Resize: how a Pod gets other resources while it runs, on any runtime. What only the kernel shows: ../real-pod-spec.test.ts. */
import { beforeAll, describe, expect, it } from "vitest";
import { conditionOf, isReady, mainOf, type PodLab, runs, type Spec, stays } from "../../e2e/harness/pod-lab.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";

const MEBIBYTE = 1024 * 1024;
const size = (memory: string, limit = memory) => ({ requests: { memory }, limits: { memory: limit } });
const sized = (resources: object, extra: object = {}): Spec => ({ containers: [stays({ resources, ...extra })] });
const has = (memory: string) => (pod: Pod) =>
  isReady(pod) && mainOf(pod)?.resources?.limits?.["memory"] === memory && !conditionOf(pod, "PodResizeInProgress");

export function resizeCases(lab: () => PodLab): void {
  const resize = (pod: Pod, resources: object) =>
    lab().client.patch(
      "pods",
      pod.metadata,
      { spec: { containers: [{ name: "main", resources }] } },
      { type: "strategic", subresource: "resize" },
    );
  const limitInRuntime = async (pod: Pod) => {
    const containerId = mainOf(pod)?.containerID?.replace(/^.*:\/\//, "") ?? "";
    const { status } = await lab().node.runtime.containerStatus({ containerId });
    return status.resources?.linux?.memoryLimitInBytes;
  };

  describe("a Pod that is resized", () => {
    beforeAll(() => lab().clear());

    it("has what it asks for without a restart", async () => {
      const { create, until, told } = lab();
      const before = await until(await create("sized", sized(size("64Mi", "128Mi"))), isReady);
      expect(mainOf(before)).toMatchObject({
        resources: size("64Mi", "128Mi"),
        allocatedResources: { memory: "64Mi" },
      });
      await resize(before, size("96Mi", "256Mi"));
      const after = await until(before, has("256Mi"));
      expect(mainOf(after)).toMatchObject({
        containerID: mainOf(before)?.containerID,
        restartCount: 0,
        resources: size("96Mi", "256Mi"),
        allocatedResources: { memory: "96Mi" },
      });
      expect(await limitInRuntime(after)).toBe(256 * MEBIBYTE);
      const types = ({ status }: Pod) => status?.conditions?.map(({ type }) => type).sort();
      expect(types(after)).toEqual(types(before));
      await expect.poll(() => told(after), { timeout: 10_000 }).toMatch(/^ResizeStarted .*\n?(.*\n)*ResizeCompleted /m);
    });

    it("is restarted where its policy says so", async () => {
      const { create, until } = lab();
      const resizePolicy = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
      const spec = { restartPolicy: "OnFailure", ...sized(size("64Mi", "128Mi"), { resizePolicy }) };
      const before = await until(await create("again", spec), isReady);
      await resize(before, size("64Mi", "256Mi"));
      const after = await until(before, has("256Mi"));
      expect(mainOf(after)?.containerID).not.toBe(mainOf(before)?.containerID);
      expect(mainOf(after)?.restartCount).toBe(1);
      expect(await limitInRuntime(after)).toBe(256 * MEBIBYTE);
    });

    it("waits for room until another Pod leaves, and is told when there never will be any", async () => {
      const { create, until, client } = lab();
      const { status } = await client.get("nodes", { name: "node-1" });
      const kib = Number(status?.allocatable?.["memory"]?.replace("Ki", ""));
      const most = `${Math.floor(kib * 0.7)}Ki`;
      const other = await until(await create("other", sized(size(`${Math.floor(kib * 0.5)}Ki`))), isReady);
      const pod = await until(await create("grows", sized({ requests: { memory: "64Mi" } })), isReady);
      await resize(pod, { requests: { memory: most } });
      const waiting = await until(pod, (one) => conditionOf(one, "PodResizePending") !== undefined);
      expect(conditionOf(waiting, "PodResizePending")).toMatchObject({ status: "True", reason: "Deferred" });
      expect(mainOf(waiting)).toMatchObject({ allocatedResources: { memory: "64Mi" } });
      await client.delete("pods", other.metadata, { gracePeriodSeconds: 1 });
      const after = await until(
        pod,
        (one) => mainOf(one)?.allocatedResources?.["memory"] === most && !conditionOf(one, "PodResizePending"),
      );
      expect(mainOf(after)?.restartCount).toBe(0);
      await resize(pod, { requests: { memory: `${kib * 2}Ki` } });
      const never = await until(pod, (one) => conditionOf(one, "PodResizePending") !== undefined);
      expect(conditionOf(never, "PodResizePending")).toMatchObject({ reason: "Infeasible" });
    });

    it("is told that it uses more than it asks for, and has less once it asks for enough", async () => {
      const { create, until } = lab();
      const full = runs("dd if=/dev/zero of=/dev/shm/full bs=1M count=60; echo > /full; sleep 1000 & wait", {
        resources: size("64Mi", "256Mi"),
        startupProbe: { exec: { command: ["cat", "/full"] }, periodSeconds: 1, failureThreshold: 30 },
      });
      const pod = await until(await create("full", { containers: [full] }, { "memory-mebibytes": "100" }), isReady);
      await resize(pod, size("32Mi", "32Mi"));
      const stuck = await until(pod, (one) => conditionOf(one, "PodResizeInProgress")?.reason === "Error");
      expect(conditionOf(stuck, "PodResizeInProgress")?.message).toMatch(
        /^attempting to set container "main" memory limit \(33554432\) below current usage \(\d+\)$/,
      );
      expect(mainOf(stuck)?.resources).toEqual(size("64Mi", "256Mi"));
      await resize(pod, size("64Mi", "200Mi"));
      await until(pod, has("200Mi"));
    });

    it("while no kubelet ran has what it asks for from the next one", async () => {
      const { create, until, node } = lab();
      const before = await until(await create("meanwhile", sized(size("64Mi", "128Mi"))), isReady);
      await node.stop();
      await resize(before, size("64Mi", "192Mi"));
      await node.start();
      const after = await until(before, has("192Mi"));
      expect(mainOf(after)?.containerID).toBe(mainOf(before)?.containerID);
      expect(await limitInRuntime(after)).toBe(192 * MEBIBYTE);
    });

    it("has what it asked for last, however often the kubelet is killed in between", async () => {
      const { create, until, node } = lab();
      const before = await until(await create("often", sized(size("64Mi", "128Mi"))), isReady);
      for (const [round, limit] of ["160Mi", "96Mi", "192Mi", "112Mi", "224Mi"].entries()) {
        await resize(before, size("64Mi", limit));
        await new Promise((resolve) => setTimeout(resolve, round * 7));
        await node.stop();
        await node.start();
      }
      const after = await until(before, has("224Mi"));
      expect(mainOf(after)).toMatchObject({ containerID: mainOf(before)?.containerID, restartCount: 0 });
      expect(await limitInRuntime(after)).toBe(224 * MEBIBYTE);
    });
  });
}
