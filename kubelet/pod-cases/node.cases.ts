/** Node: what a Pod sees of its node's limits, labels and restarts of the kubelet, on any runtime. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  conditionOf,
  ends,
  inPhase,
  isReady,
  isRunning,
  mainOf,
  type PodLab,
  restartsOf,
  stays,
} from "../../e2e/harness/pod-lab.ts";
import { imageTar } from "../images/build.ts";
import { testImage } from "../runtime/containerd/containerd.fixture.ts";

export function nodeCases(lab: () => PodLab): void {
  describe("a Pod that is bound without the scheduler", () => {
    beforeAll(() => lab().clear());

    it("is refused where it does not fit, and says why", async () => {
      const { create, until, told, node } = lab();
      const pod = await create("greedy", { containers: [stays({ resources: { requests: { cpu: "5000" } } })] });
      expect((await until(pod, inPhase("Failed"))).status).toMatchObject({
        reason: "OutOfcpu",
        message: expect.stringMatching(
          /^Pod was rejected: Node didn't have enough resource: cpu, requested: 5000000, used: 0, capacity: \d+$/,
        ),
      });
      await expect.poll(() => told(pod), { timeout: 10_000 }).toContain("OutOfcpu");
      expect((await node.runtime.listPodSandbox({})).items).toEqual([]);
    });

    it("is judged by the node's labels as they are now", async () => {
      const { create, until, client } = lab();
      await client.patch("nodes", { name: "node-1" }, { metadata: { labels: { size: "small" } } });
      await until(await create("choosy", { nodeSelector: { size: "small" } }), isReady);
      await client.patch("nodes", { name: "node-1" }, { metadata: { labels: { size: "large" } } });
      await until(await create("choosy", { nodeSelector: { size: "large" } }), isReady);
      const pod = await until(await create("elsewhere", { nodeSelector: { size: "small" } }), inPhase("Failed"));
      expect(pod.status?.reason).toBe("NodeAffinity");
    });

    it("makes another one go where it is critical", async () => {
      const { create, until, client } = lab();
      const { status } = await client.get("nodes", { name: "node-1" });
      const most = `${Math.floor(Number(status?.allocatable?.["memory"]?.replace("Ki", "")) * 0.7)}Ki`;
      const containers = [stays({ resources: { requests: { memory: most } } })];
      const usual = await until(await create("usual", { containers }), isReady);
      const critical = await create("critical", { containers, priorityClassName: "system-node-critical" });
      const gone = await until(usual, inPhase("Failed"));
      expect(gone.status).toMatchObject({
        reason: "Preempting",
        message: "Preempted in order to admit critical pod",
      });
      expect(conditionOf(gone, "DisruptionTarget")).toMatchObject({ status: "True", reason: "TerminationByKubelet" });
      await until(critical, isReady);
    });
  });

  describe("a Pod whose kubelet is killed", () => {
    beforeAll(() => lab().clear());

    it("keeps its containers under the next one", async () => {
      const { create, until, client, node } = lab();
      const before = await until(await create("kept", {}), isReady);
      await node.stop();
      await node.start();
      await new Promise((resolve) => setTimeout(resolve, 500));
      const after = await client.get("pods", before.metadata);
      expect(after.status?.containerStatuses).toEqual(before.status?.containerStatuses);
    });

    it("is ended by the next one where it was deleted meanwhile", async () => {
      const { create, until, client, node } = lab();
      const { metadata } = await until(await create("forgotten", {}), isReady);
      await node.stop();
      await client.delete("pods", metadata, { gracePeriodSeconds: 0 });
      await node.start();
      const sandboxes = async () => (await node.runtime.listPodSandbox({})).items.map((one) => one.metadata.uid);
      await expect.poll(sandboxes, { timeout: 20_000 }).not.toContain(metadata.uid);
    });

    it("starts each container once, whatever the kubelet was doing when it was killed, again and again", async () => {
      const { create, until, node, clear } = lab();
      await clear();
      const settings = { "start-seconds": "0.05", "pull-seconds": "0.03", "run-seconds.init": "0.05" };
      const pods = [];
      for (let index = 0; index < 12; index++) {
        pods.push(await create("torn", { initContainers: [ends(0.05, 0, {}, "init")] }, settings));
        await new Promise((resolve) => setTimeout(resolve, index * 13));
        await node.stop();
        await node.start();
      }
      for (const pod of pods) {
        const found = await until(pod, isReady);
        expect(restartsOf(found)).toBe(0);
        expect(found.status?.initContainerStatuses?.[0]?.restartCount).toBe(0);
      }
      const { containers } = await node.runtime.listContainers({});
      expect(containers.filter(({ state }) => state === "CONTAINER_RUNNING")).toHaveLength(pods.length);
      expect(containers).toHaveLength(2 * pods.length);
      expect((await node.runtime.listPodSandbox({})).items).toHaveLength(pods.length);
    });
  });

  describe("a Pod whose image is changed", () => {
    it("is restarted with the other one", async () => {
      const { create, until, client, node } = lab();
      const image = "k8ts.local/busybox:other";
      await node.runtime.importImage(imageTar(testImage(image)));
      const pod = await until(await create("changed", {}), isRunning);
      const how = { type: "strategic" } as const;
      await client.patch("pods", pod.metadata, { spec: { containers: [{ name: "main", image }] } }, how);
      const after = await until(pod, (one) => restartsOf(one) === 1 && isReady(one));
      expect(mainOf(after)?.image).toBe(image);
    });
  });
}
