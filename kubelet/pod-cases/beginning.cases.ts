/** Beginning: how a Pod comes to run, on any runtime: its status, images, init containers, sidecars, and what is refused. */
import { describe, it } from "vitest";
import {
  conditionOf,
  ends,
  inPhase,
  isReady,
  mainOf,
  type PodLab,
  runs,
  type Spec,
  stays,
  waitsFor,
} from "../../e2e/harness/pod-lab.ts";

export function beginningCases(lab: () => PodLab): void {
  describe("a Pod that begins", { concurrent: true }, () => {
    it("becomes Ready, with the whole status and the events of its containers", async ({ expect }) => {
      const { create, until, told } = lab();
      const pod = await until(await create("web", {}), isReady);
      const startedAt = expect.stringMatching(/^\d{4}-.*Z$/);
      expect(pod.status).toMatchObject({
        phase: "Running",
        qosClass: "BestEffort",
        hostIP: "192.0.2.10",
        hostIPs: [{ ip: "192.0.2.10" }],
        podIP: expect.stringMatching(/^10\.\d+\.\d+\.\d+$/),
        podIPs: [{ ip: pod.status?.podIP }],
        observedGeneration: 1,
        startTime: startedAt,
      });
      expect(pod.status?.containerStatuses).toEqual([
        expect.objectContaining({
          name: "main",
          ready: true,
          started: true,
          restartCount: 0,
          state: { running: { startedAt } },
          image: "k8ts.local/busybox:test",
          imageID: expect.stringMatching(/sha256:[0-9a-f]{64}$/),
          containerID: expect.stringMatching(/^\w+:\/\/[0-9a-f]{64}$/),
        }),
      ]);
      const conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
      for (const type of conditions) expect(conditionOf(pod, type), type).toMatchObject({ status: "True" });
      await expect.poll(() => told(pod)).toMatch(/^Created Created container: main$/m);
      await expect.poll(() => told(pod)).toMatch(/^Started Started container main$/m);
    });

    it("has the node's address where it is on the node's network", async ({ expect }) => {
      const { create, until } = lab();
      const pod = await until(await create("host", { hostNetwork: true }), isReady);
      expect(pod.status).toMatchObject({ podIP: "192.0.2.10", hostIP: "192.0.2.10" });
    });

    it("waits for an image that cannot be had, and is told why", async ({ expect }) => {
      const { create, until, told } = lab();
      const pod = await create("pulls", { containers: [stays({ image: "registry.invalid/none:1" })] });
      await until(pod, waitsFor("ErrImagePull"));
      await until(pod, waitsFor("ImagePullBackOff"));
      expect(await told(pod)).toContain('Failed Failed to pull image "registry.invalid/none:1"');
    });

    it("waits for an image that is not there and may not be pulled", async ({ expect }) => {
      const { create, until } = lab();
      const container = stays({ image: "k8ts.local/none:1", imagePullPolicy: "Never" });
      const pod = await until(await create("never", { containers: [container] }), waitsFor("ErrImageNeverPull"));
      expect(mainOf(pod)?.state?.waiting?.message).toBe(
        'Container image "k8ts.local/none:1" is not present with pull policy of Never',
      );
    });

    it("says that its image has no name", async ({ expect }) => {
      const { create, until } = lab();
      const pod = await create("nameless", { containers: [stays({ image: "No such:name!" })] });
      expect(mainOf(await until(pod, waitsFor("InvalidImageName")))?.state?.waiting?.message).toContain(
        "No such:name!",
      );
    });

    it("is not run as root where it says so", async ({ expect }) => {
      const { create, until } = lab();
      const container = stays({ securityContext: { runAsNonRoot: true } });
      const pod = await until(
        await create("unroot", { containers: [container] }),
        waitsFor("CreateContainerConfigError"),
      );
      expect(mainOf(pod)?.state?.waiting?.message).toContain("container has runAsNonRoot and image will run as root");
    });
  });

  describe("a Pod with init containers", { concurrent: true }, () => {
    it("runs them one after the other, before the others", async ({ expect }) => {
      const { create, until, spanOf } = lab();
      const initContainers = ["first", "second"].map((name) => ends(0.3, 0, {}, name));
      const settings = { "run-seconds.first": "0.3", "run-seconds.second": "0.3" };
      const pod = await until(await create("inits", { initContainers }, settings), isReady);
      const [first, second, main] = ["first", "second", "main"].map((name) => spanOf(pod, name)) as Spans;
      expect(first.to <= second.from).toBe(true);
      expect(second.to <= main.from).toBe(true);
      for (const { ready, state } of pod.status?.initContainerStatuses ?? [])
        expect({ ready, reason: state?.terminated?.reason }).toEqual({ ready: true, reason: "Completed" });
    });

    it("keeps the others waiting while one fails", async ({ expect }) => {
      const { create, until } = lab();
      const settings = { "run-seconds.first": "0.1", "exit-code.first": "1" };
      const pod = await create("stuck", { initContainers: [ends(0.1, 1, {}, "first")] }, settings);
      const found = await until(
        pod,
        ({ status }) => status?.initContainerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff",
      );
      expect(found.status).toMatchObject({
        phase: "Pending",
        containerStatuses: [{ state: { waiting: { reason: "PodInitializing" } } }],
      });
      expect(conditionOf(found, "Initialized")).toMatchObject({
        status: "False",
        reason: "ContainersNotInitialized",
        message: "containers with incomplete status: [first]",
      });
    });

    it("fails with one of them where it may not be restarted", async ({ expect }) => {
      const { create, until } = lab();
      const spec: Spec = { restartPolicy: "Never", initContainers: [ends(0.1, 7, {}, "first")] };
      const pod = await create("doomed", spec, { "run-seconds.first": "0.1", "exit-code.first": "7" });
      const { status } = await until(pod, inPhase("Failed"));
      expect(status?.initContainerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 7, reason: "Error" });
      expect(status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("PodInitializing");
    });

    it("starts its sidecars before what needs them, and stops them after it", async ({ expect }) => {
      const { create, until, spanOf } = lab();
      const side = (name: string) =>
        runs(
          "trap 'echo ends; exit' TERM; echo begins; sleep 1; echo > /ready; sleep 1000 & wait",
          {
            restartPolicy: "Always",
            startupProbe: { exec: { command: ["cat", "/ready"] }, periodSeconds: 1, failureThreshold: 20 },
          },
          name,
        );
      const spec: Spec = {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 20,
        initContainers: [side("first"), ends(0.3, 0, {}, "init"), side("second")],
        containers: [ends(1, 0)],
      };
      const pod = await until(
        await create("ordered", spec, {
          "ready-after-seconds.first": "1",
          "ready-after-seconds.second": "1",
          "run-seconds.init": "0.3",
          "run-seconds.main": "1",
        }),
        inPhase("Succeeded"),
      );
      const [first, init, second, main] = ["first", "init", "second", "main"].map((name) => spanOf(pod, name)) as Spans;
      const order = [first.from, init.from, init.to, second.from, main.from, main.to, second.to, first.to];
      expect(order).toEqual([...order].sort());
      const waited = (sidecar: Span, next: Span) => Date.parse(`${next.from}Z`) - Date.parse(`${sidecar.from}Z`);
      expect([waited(first, init), waited(second, main)].every((ms) => ms >= 900)).toBe(true);
    });

    it("restarts a sidecar that ends, while the others go on", async ({ expect }) => {
      const { create, until } = lab();
      const side = ends(0.2, 3, { restartPolicy: "Always" }, "side");
      const settings = { "run-seconds.side": "0.2", "exit-code.side": "3" };
      const pod = await create("beside", { initContainers: [side] }, settings);
      const found = await until(pod, ({ status }) => (status?.initContainerStatuses?.[0]?.restartCount ?? 0) > 0);
      expect(mainOf(await until(found, ({ status }) => status?.phase === "Running"))?.restartCount).toBe(0);
    });

    it("takes another container in while it runs, and goes on when that one ends", async ({ expect }) => {
      const { create, until, client } = lab();
      const pod = await until(await create("target", {}, { "run-seconds.look": "0.1" }), isReady);
      const { resources: _none, ...look } = runs("echo here", { targetContainerName: "main" }, "look");
      await client.patch(
        "pods",
        pod.metadata,
        { spec: { ephemeralContainers: [look] } },
        { type: "strategic", subresource: "ephemeralcontainers" },
      );
      const looked = await until(pod, ({ status }) =>
        Boolean(status?.ephemeralContainerStatuses?.[0]?.state?.terminated),
      );
      expect(looked.status?.ephemeralContainerStatuses?.[0]).toMatchObject({
        name: "look",
        state: { terminated: { exitCode: 0, reason: "Completed" } },
      });
      expect(looked.status?.phase).toBe("Running");
      expect(mainOf(looked)).toEqual(mainOf(pod));
    });
  });
}

type Spans = [Span, Span, Span, Span];
type Span = { readonly from: string; readonly to: string };
