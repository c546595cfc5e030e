/** Health: probes of every kind, and readiness gates, on any runtime. */
import { describe, it } from "vitest";
import {
  conditionOf,
  isReady,
  isRunning,
  mainOf,
  type PodLab,
  restartsOf,
  runs,
  stays,
} from "../../e2e/harness/pod-lab.ts";

/** Answers grpc.health.v1.Health/Check with SERVING. */
const HEALTH = `require("node:http2").createServer().on("stream", (stream) => {
  stream.respond({ "content-type": "application/grpc", ":status": 200 }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
}).listen(9090)`;

const probe = (extra: object) => ({ periodSeconds: 1, failureThreshold: 1, ...extra });
/** What a file in the container says; a simulated one asks `ready-after-seconds`. */
const says = (file: string) => ({ exec: { command: ["cat", file] } });

export function healthCases(lab: () => PodLab): void {
  describe("a Pod that is probed", { concurrent: true }, () => {
    it("is Ready once its readiness probe succeeds", async ({ expect }) => {
      const { create, until } = lab();
      const container = runs("sleep 2; echo > /ready; sleep 1000 & wait", { readinessProbe: probe(says("/ready")) });
      const pod = await create("later", { containers: [container] }, { "ready-after-seconds": "2" });
      const started = await until(pod, (one) => mainOf(one)?.started === true);
      expect(conditionOf(started, "Ready")).toMatchObject({
        status: "False",
        reason: "ContainersNotReady",
        message: "containers with unready status: [main]",
      });
      await until(pod, isReady);
    });

    it("is Ready by an HTTP probe of a named port", async () => {
      const { create, until } = lab();
      const container = runs("echo ok > /index.html; exec httpd -f -p 8080 -h /", {
        readinessProbe: probe({ httpGet: { path: "/index.html", port: "web" } }),
        ports: [{ name: "web", containerPort: 8080 }],
      });
      await until(await create("web", { containers: [container] }), isReady);
    });

    it("is Ready by a gRPC probe", async () => {
      const { create, until } = lab();
      const container = runs(`busybox chroot /it ${process.execPath} -e '${HEALTH}'`, {
        volumeMounts: [{ name: "it", mountPath: "/it", readOnly: true }],
        readinessProbe: probe({ grpc: { port: 9090 } }),
      });
      const volumes = [{ name: "it", hostPath: { path: "/" } }];
      await until(await create("grpc", { containers: [container], volumes }), isReady);
    });

    it("is Ready by a TCP probe after as many successes as it asks for", async ({ expect }) => {
      const { create, until } = lab();
      const container = runs("exec httpd -f -p 8080", {
        readinessProbe: probe({ tcpSocket: { port: 8080 }, initialDelaySeconds: 1, successThreshold: 3 }),
      });
      const pod = await until(await create("slowly", { containers: [container] }), isReady);
      const started = Date.parse(mainOf(pod)?.state?.running?.startedAt ?? "");
      // one second of delay, then three successes
      expect(Date.parse(`${conditionOf(pod, "Ready")?.lastTransitionTime}`) - started).toBeGreaterThanOrEqual(2_000);
    });

    it("is not asked whether it lives before its startup probe succeeds", async ({ expect }) => {
      const { create, until } = lab();
      const container = runs("sleep 3; echo > /ready; sleep 1000 & wait", {
        startupProbe: probe({ ...says("/ready"), failureThreshold: 30 }),
        livenessProbe: probe(says("/ready")),
      });
      const pod = await create("starts", { containers: [container] }, { "ready-after-seconds": "3" });
      expect(mainOf(await until(pod, isRunning))).toMatchObject({ started: false, ready: false });
      expect(mainOf(await until(pod, isReady))).toMatchObject({ started: true, restartCount: 0 });
    });

    it("is restarted when its startup probe fails for too long", async ({ expect }) => {
      const { create, until, told } = lab();
      const container = stays({ startupProbe: probe({ ...says("/never"), failureThreshold: 2 }) });
      const pod = await create("stuck", { containers: [container] }, { "ready-after-seconds": "600" });
      await until(pod, (one) => restartsOf(one) > 0);
      expect(await told(pod)).toContain("Killing Container main failed startup probe, will be restarted");
    });

    it("is restarted with the probe's own grace when its liveness probe fails", async ({ expect }) => {
      const { create, until, told } = lab();
      const container = runs("trap : TERM; while :; do sleep 1; done", {
        livenessProbe: probe({ ...says("/never"), terminationGracePeriodSeconds: 1 }),
      });
      const settings = { "ready-after-seconds": "600", "stop-seconds": "600" };
      const pod = await create("hung", { terminationGracePeriodSeconds: 600, containers: [container] }, settings);
      const found = await until(pod, (one) => restartsOf(one) > 0);
      expect(mainOf(found)?.lastState?.terminated).toMatchObject({ exitCode: 137, reason: "Error" });
      const events = await told(pod);
      expect(events).toContain("Unhealthy Liveness probe failed");
      expect(events).toContain("Killing Container main failed liveness probe, will be restarted");
    });

    it("waits for its readiness gate", async ({ expect }) => {
      const { create, until, client } = lab();
      const created = await create("gated", { readinessGates: [{ conditionType: "example.com/ok" }] });
      const pod = await until(created, (one) => conditionOf(one, "ContainersReady")?.status === "True");
      expect(conditionOf(pod, "Ready")).toMatchObject({
        status: "False",
        reason: "ReadinessGatesNotReady",
        message: 'corresponding condition of pod readiness gate "example.com/ok" does not exist.',
      });
      const conditions = [...(pod.status?.conditions ?? []), { type: "example.com/ok", status: "True" }];
      const how = { subresource: "status", type: "strategic" } as const;
      await client.patch("pods", pod.metadata, { status: { conditions } }, how);
      await until(created, isReady);
    });
  });
}
