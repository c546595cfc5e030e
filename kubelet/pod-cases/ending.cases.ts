/** Ending: restarts, back-off, hooks, deadlines and deletion of a Pod, on any runtime. */
import { existsSync } from "node:fs";
import { describe, it } from "vitest";
import {
  conditionOf,
  ends,
  inPhase,
  isReady,
  isRunning,
  mainOf,
  type PodLab,
  restartsOf,
  runs,
  stays,
  waitsFor,
} from "../../e2e/harness/pod-lab.ts";
import { systemClock } from "../../machinery/process/clock.ts";

/** Ends with one code, and when it is started again with another. */
const twice = (first: number, then: number) =>
  `test -e /dev/shm/once && exit ${then}; echo > /dev/shm/once; sleep 0.2; exit ${first}`;

export function endingCases(lab: () => PodLab): void {
  describe("a Pod whose containers end", { concurrent: true }, () => {
    it("has Succeeded where none is restarted and none failed", async ({ expect }) => {
      const { create, until } = lab();
      const spec = { restartPolicy: "Never", containers: [ends(0.2, 0)] };
      const pod = await until(await create("done", spec, { "run-seconds": "0.2" }), inPhase("Succeeded"));
      expect(mainOf(pod)?.state?.terminated).toMatchObject({
        exitCode: 0,
        reason: "Completed",
        startedAt: expect.any(String),
        finishedAt: expect.any(String),
        containerID: mainOf(pod)?.containerID,
      });
      expect(conditionOf(pod, "Ready")).toMatchObject({ status: "False", reason: "PodCompleted" });
    });

    it("has Failed where one did", async ({ expect }) => {
      const { create, until } = lab();
      const spec = { restartPolicy: "Never", containers: [ends(0.2, 3)] };
      const settings = { "run-seconds": "0.2", "exit-code": "3" };
      const pod = await until(await create("failed", spec, settings), inPhase("Failed"));
      expect(mainOf(pod)?.state?.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
      expect(conditionOf(pod, "Ready")).toMatchObject({ status: "False", reason: "PodFailed" });
    });

    it("runs them again on failure, until they succeed", async ({ expect }) => {
      const { create, until } = lab();
      const spec = { restartPolicy: "OnFailure", containers: [runs(twice(1, 0))] };
      const settings = { "run-seconds": "0.2", "exit-code": "1,0" };
      const pod = await until(await create("again", spec, settings), inPhase("Succeeded"));
      expect(mainOf(pod)).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 1 } } });
    });

    it("runs one by the rules of its own, whatever the Pod's policy", async ({ expect }) => {
      const { create, until } = lab();
      const rules = {
        restartPolicy: "Never",
        restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
      };
      const spec = { restartPolicy: "Never", containers: [runs(twice(42, 3), rules)] };
      const settings = { "run-seconds": "0.2", "exit-code": "42,3" };
      const pod = await until(await create("ruled", spec, settings), inPhase("Failed"));
      expect(mainOf(pod)).toMatchObject({ restartCount: 1, state: { terminated: { exitCode: 3 } } });
    });

    it("waits longer and longer before it runs them again", async ({ expect }) => {
      const { create, until, told } = lab();
      const settings = { "run-seconds": "0.1", "exit-code": "1" };
      const pod = await until(
        await create("crash", { containers: [ends(0.1, 1)] }, settings),
        waitsFor("CrashLoopBackOff"),
      );
      const { uid, name } = pod.metadata;
      expect(mainOf(pod)).toMatchObject({
        restartCount: 1,
        ready: false,
        state: { waiting: { message: `back-off 10s restarting failed container=main pod=${name}_default(${uid})` } },
        lastState: { terminated: { exitCode: 1, reason: "Error" } },
      });
      expect(pod.status?.phase).toBe("Running");
      await expect.poll(() => told(pod)).toContain("BackOff Back-off restarting failed container main in pod");
    });

    it("tells which of them took too much memory", async ({ expect }) => {
      const { create, until } = lab();
      const greedy = runs("exec dd if=/dev/zero of=/dev/null bs=100M count=1", {
        resources: { limits: { memory: "20Mi" }, requests: { memory: "20Mi" } },
      });
      const settings = { "run-seconds": "0.2", "oom-killed": "true" };
      const pod = await create("oom", { restartPolicy: "Never", containers: [greedy] }, settings);
      expect(mainOf(await until(pod, inPhase("Failed")))?.state?.terminated).toMatchObject({
        reason: "OOMKilled",
        exitCode: 137,
      });
    });

    it("tells the end of their log as their last words, where it asks for that and they failed", async ({ expect }) => {
      const { create, until } = lab();
      const container = ends(0.1, 3, { terminationMessagePolicy: "FallbackToLogsOnError" });
      const settings = { "run-seconds": "0.1", "exit-code": "3" };
      const pod = await create("words", { restartPolicy: "Never", containers: [container] }, settings);
      const words = mainOf(await until(pod, inPhase("Failed")))?.state?.terminated?.message;
      expect(words).toMatch(/^.*(begins|started)\n.*(ends|ended with exit code 3)\n$/);
    });

    it("is ended when its time is over", async ({ expect }) => {
      const { create, until, node } = lab();
      const pod = await until(await create("late", { activeDeadlineSeconds: 1 }), inPhase("Failed"));
      expect(pod.status).toMatchObject({
        reason: "DeadlineExceeded",
        message: "Pod was active on the node longer than the specified deadline",
      });
      const running = { state: { state: "CONTAINER_RUNNING" } } as const;
      await expect
        .poll(async () =>
          (await node.runtime.listContainers({ filter: running })).containers.filter(
            ({ labels }) => labels["io.kubernetes.pod.uid"] === pod.metadata.uid,
          ),
        )
        .toEqual([]);
    });
  });

  describe("a Pod that others have ended", { concurrent: true }, () => {
    it("is stopped, and is not Ready any more", async ({ expect }) => {
      const { create, until, client, node } = lab();
      const pod = await until(await create("given-up", {}), isReady);
      await client.patch("pods", pod.metadata, { status: { phase: "Failed" } }, { subresource: "status" });
      const ended = await until(pod, (one) => conditionOf(one, "Ready")?.status === "False");
      expect(ended.status?.phase).toBe("Failed");
      const containerId = mainOf(pod)?.containerID?.replace(/^.*:\/\//, "") ?? "";
      const state = async () => (await node.runtime.containerStatus({ containerId })).status.state;
      await expect.poll(state, { timeout: 20_000 }).toBe("CONTAINER_EXITED");
      expect((await client.get("pods", pod.metadata)).status?.phase).toBe("Failed");
    });
  });

  describe("a Pod with hooks", { concurrent: true }, () => {
    const failing = [{ exec: { command: ["false"] } }, { tcpSocket: { port: 80 } }];

    it.for(failing)(
      "ends a container whose hook %j after the start fails, and is told so",
      async (hook, { expect }) => {
        const { create, until, told } = lab();
        const lifecycle = { postStart: hook };
        const pod = await create("unhooked", { containers: [stays({ lifecycle })] });
        await until(pod, (one) => restartsOf(one) > 0);
        await expect.poll(() => told(pod), { timeout: 30_000 }).toContain("FailedPostStartHook PostStartHook failed");
      },
    );

    it("does not count as running before the hook after the start is over", async ({ expect }) => {
      const { create, until } = lab();
      const lifecycle = { postStart: { sleep: { seconds: 2 } } };
      const spec = { terminationGracePeriodSeconds: 30, containers: [stays({ lifecycle })] };
      const pod = await until(await create("hooked", spec), isReady);
      const startedAt = Date.parse(mainOf(pod)?.state?.running?.startedAt ?? "");
      expect(Date.parse(`${conditionOf(pod, "Ready")?.lastTransitionTime}`) - startedAt).toBeGreaterThanOrEqual(1_000);
    });

    it("runs the hook before the stop, within the time it has", async ({ expect }) => {
      const { create, until, client, gone } = lab();
      const lifecycle = { preStop: { sleep: { seconds: 2 } } };
      const spec = { terminationGracePeriodSeconds: 30, containers: [stays({ lifecycle })] };
      const pod = await until(await create("polite", spec), isReady);
      const began = systemClock.monotonic();
      await client.delete("pods", pod.metadata, {});
      await gone(pod);
      const took = systemClock.monotonic() - began;
      expect(took).toBeGreaterThanOrEqual(2_000);
      expect(took).toBeLessThan(25_000);
    });

    it.for(failing)("ends though the hook %j before the stop fails, and is told so", async (hook, { expect }) => {
      const { create, until, client, gone, told } = lab();
      const lifecycle = { preStop: hook };
      const pod = await until(await create("rude", { containers: [stays({ lifecycle })] }), isReady);
      await client.delete("pods", pod.metadata, {});
      await gone(pod);
      await expect.poll(() => told(pod), { timeout: 10_000 }).toContain("FailedPreStopHook PreStopHook failed");
    });
  });

  describe("a Pod that is deleted", { concurrent: true }, () => {
    it("goes, with its containers and its files", async ({ expect }) => {
      const { create, until, client, gone, node, paths } = lab();
      const pod = await until(await create("goes", { volumes: [{ name: "v", emptyDir: {} }] }), isReady);
      const { uid } = pod.metadata;
      expect(existsSync(paths.pod(uid))).toBe(true);
      await client.delete("pods", pod.metadata, {});
      await gone(pod);
      await expect
        .poll(async () => (await node.runtime.listPodSandbox({})).items.filter(({ metadata }) => metadata.uid === uid))
        .toEqual([]);
      await expect.poll(() => existsSync(paths.pod(uid)), { timeout: 20_000 }).toBe(false);
    });

    it("is killed when it does not end in the time it has", async ({ expect }) => {
      const { create, until, client, gone } = lab();
      const spec = { terminationGracePeriodSeconds: 2, containers: [runs("trap : TERM; while :; do sleep 1; done")] };
      const pod = await until(await create("deaf", spec, { "stop-seconds": "600" }), isRunning);
      const began = systemClock.monotonic();
      await client.delete("pods", pod.metadata, {});
      await gone(pod);
      expect(systemClock.monotonic() - began).toBeGreaterThanOrEqual(2_000);
    });

    it("goes sooner when it is deleted again with less time", async ({ expect }) => {
      const { create, until, client, gone } = lab();
      const spec = { terminationGracePeriodSeconds: 600, containers: [runs("trap : TERM; while :; do sleep 1; done")] };
      const pod = await until(await create("slow", spec, { "stop-seconds": "600" }), isRunning);
      await client.delete("pods", pod.metadata, {});
      await systemClock.sleep(200);
      expect((await client.get("pods", pod.metadata)).metadata.deletionGracePeriodSeconds).toBe(600);
      await client.delete("pods", pod.metadata, { gracePeriodSeconds: 1 });
      await gone(pod);
    });
  });
}
