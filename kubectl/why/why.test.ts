/** Why: what is said of objects that are not as they should be, against the real API server, scheduler and stored states. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { nodeDraft, podDraft, requesting, type Scheduled, startScheduled } from "../../e2e/harness/scheduled.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import type { PodSpec, PodStatus } from "../../machinery/objects/kinds.ts";

let cluster: Scheduled;
let served: Served;
beforeAll(async () => {
  cluster = await startScheduled(nodeDraft("a", "2"));
  await cluster.client.patch("nodes", { name: "a" }, READY, { subresource: "status", type: "merge" });
  cluster.run();
  served = await serve(cluster.pipeline);
});
afterAll(async () => {
  await served?.close();
  await cluster?.close();
});

const READY = { status: { conditions: [{ type: "Ready", status: "True", reason: "KubeletReady" }] } };
const START = "2026-01-01T00:00:00Z";

const why = async (...args: string[]) => {
  const { stdout, stderr, code } = await served.kubectl(["why", ...args]);
  expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  return stdout.replace(/\b(\d+[smhd])+\b(?= ago)/g, "AGE").replace(/since (\d+[smhdy])+/g, "since AGE");
};

/** A Pod on the node, in the state that its kubelet has told. */
async function running(name: string, status: PodStatus, spec: Partial<PodSpec> = {}): Promise<string> {
  await cluster.client.create("pods", podDraft(name, { nodeName: "a", ...spec }));
  await cluster.client.patch(
    "pods",
    { name, namespace: "default" },
    { status },
    { subresource: "status", type: "merge" },
  );
  return why(`pod/${name}`);
}

const container = (state: object, more: object = {}): PodStatus =>
  ({
    phase: "Running",
    conditions: [{ type: "Ready", status: "False" }],
    containerStatuses: [{ name: "c", image: "web:1", imageID: "", ready: false, restartCount: 0, state, ...more }],
  }) as unknown as PodStatus;

describe("a Pod without a node", () => {
  test("asks for too much", async () => {
    await cluster.client.create("pods", podDraft("big", requesting("3")));
    await vi.waitFor(async () => expect((await cluster.condition("big"))?.status).toBe("False"));
    expect((await why("pod/big")).split("\n")).toEqual([
      "pod/big is not scheduled: no node fits",
      expect.stringMatching(/^ {2}because: 0\/1 nodes are available: 1 Insufficient cpu\./),
      "  because: default-scheduler tried it last AGE ago",
      "  because: a: NodeResourcesFit: Insufficient cpu",
      "  helps:   the smallest change: lower the cpu request from 3 to 2, or free 1: a has 2 of 2 free (then it fits on a)",
      "",
    ]);
  });

  test("waits for its gates", async () => {
    await cluster.client.create("pods", podDraft("gated", { schedulingGates: [{ name: "example.com/later" }] }));
    expect(await why("pod/gated")).toContain("waits for its scheduling gates to be removed: example.com/later");
  });

  test("a claim that is missing, and one without a class", async () => {
    const volumes = (claimName: string) => ({ volumes: [{ name: "v", persistentVolumeClaim: { claimName } }] });
    await cluster.client.create("pods", podDraft("claiming", volumes("none")));
    await vi.waitFor(async () => expect((await cluster.condition("claiming"))?.status).toBe("False"));
    expect(await why("pod/claiming")).toContain("the smallest change: create the claim none");
    await cluster.client.create("persistentvolumeclaims", {
      metadata: { name: "data", namespace: "default" },
      spec: { accessModes: ["ReadWriteOnce"], storageClassName: "nope", resources: { requests: { storage: "1Gi" } } },
    });
    expect(await why("pvc", "data")).toContain("its storage class nope does not exist");
  });

  test("nobody schedules for its name", async () => {
    await cluster.client.create("pods", podDraft("foreign", { schedulerName: "mine" }));
    expect(await why("pod/foreign")).toContain("is not scheduled: mine has not looked at it yet");
  });
});

describe("a Pod that is not ready", () => {
  test.each<{ name: string; status: PodStatus; spec?: Partial<PodSpec>; says: readonly string[] }>([
    {
      name: "image",
      status: container({ waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "web:1"' } }),
      says: ["container c has no image: web:1 cannot be pulled", 'because: Back-off pulling image "web:1"'],
    },
    {
      name: "crash",
      status: container(
        { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s restarting failed container=c" } },
        {
          restartCount: 3,
          lastState: {
            terminated: { exitCode: 137, reason: "OOMKilled", startedAt: START, finishedAt: "2026-01-01T00:00:07Z" },
          },
        },
      ),
      says: [
        "has ended 3 times, the last time with exit code 137 (OOMKilled: it used more memory than its limit) after 7s",
        "the pause before the next start is 40s",
        "kubectl logs crash -c c -n default --previous",
      ],
    },
    {
      name: "config",
      status: container({ waiting: { reason: "CreateContainerConfigError", message: 'configmap "x" not found' } }),
      says: ["container c cannot be made from its configuration", 'because: configmap "x" not found'],
    },
    {
      name: "probe",
      status: container({ running: { startedAt: START } }, { started: true }),
      spec: {
        containers: [{ name: "c", image: "web:1", readinessProbe: { httpGet: { path: "/ok", port: 80 } as never } }],
      },
      says: ["but its readiness probe does not pass", "it is probed by GET /ok on port 80 every 10s"],
    },
    {
      name: "evicted",
      status: { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." },
      says: ["has failed: Evicted", "because: The node was low on resource: memory."],
    },
    { name: "ended", status: { phase: "Succeeded" }, says: ["pod/ended has ended well"] },
  ])("$name", async ({ name, status, spec, says }) => {
    const told = await running(name, status, spec);
    for (const text of says) expect(told).toContain(text);
  });
});

describe("an object that is still there", () => {
  test("names its finalizers, and who removes them", async () => {
    const metadata = { name: "held", namespace: "default", finalizers: ["example.com/hold"] };
    await cluster.client.create("configmaps", { metadata });
    await cluster.client.delete("configmaps", { name: "held", namespace: "default" });
    const told = await why("cm/held");
    expect(told).toMatch(/^configmap\/held is still Terminating, \d+s after its deletion was asked for/);
    expect(told).toContain("the finalizer example.com/hold is set");
  });

  test("a claim in use names the Pods", async () => {
    const finalizers = ["kubernetes.io/pvc-protection"];
    await cluster.client.create("persistentvolumeclaims", {
      metadata: { name: "used", namespace: "default", finalizers },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    });
    await running(
      "user",
      { phase: "Running" },
      { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "used" } }] },
    );
    await cluster.client.delete("persistentvolumeclaims", { name: "used", namespace: "default" });
    expect(await why("pvc/used")).toContain("pvc-protection: Pods use the claim: pod/user");
  });

  test("a Pod whose containers run yet, then one whose node is gone", async () => {
    await running("leaving", container({ running: { startedAt: START } }));
    await cluster.client.delete("pods", { name: "leaving", namespace: "default" });
    expect(await why("pod/leaving")).toMatch(/running yet: c; they are killed in \d+s \(grace period 30s\)/);
    await running("lost", container({ running: { startedAt: START } }), { nodeName: "gone" });
    await cluster.client.delete("pods", { name: "lost", namespace: "default" });
    expect(await why("pod/lost")).toContain("its node gone is gone: nobody can say that its containers have ended");
  });
});

test("a workload tells a trouble of its Pods once", async () => {
  const manifest = `apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: default}
spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: web}]}}}
`;
  await writeFile(join(served.directory, "web.yaml"), manifest);
  await served.kubectl(["apply", "-f", "web.yaml"]);
  for (const name of ["web-1", "web-2"]) {
    await cluster.client.create("pods", podDraft(name, requesting("5"), { app: "web" }));
    await vi.waitFor(async () => expect((await cluster.condition(name))?.status).toBe("False"));
  }
  const told = await why("rs/web");
  expect(told).toMatch(/^replicaset\.apps\/web has 0 of 2 Pods ready/);
  expect(told).toContain("2 of its Pods are not well: others are like these");
  expect(told.match(/no node fits/g)).toHaveLength(1);
});

test("a Service without Pods, and a node that is closed", async () => {
  await cluster.client.create("services", {
    metadata: { name: "nobody", namespace: "default" },
    spec: { selector: { app: "nobody" }, ports: [{ port: 80 }] },
  });
  expect(await why("svc/nobody")).toContain("has no endpoints: no Pod has the labels app=nobody");
  expect(await why("node/a")).toMatch(/^node\/a is ready/);
});

test("of many only those that are not well are told", async () => {
  await running("well", {
    phase: "Running",
    conditions: [{ type: "Ready", status: "True", lastTransitionTime: START }],
  });
  expect(await why("pod/well")).toMatch(/^pod\/well is ready since AGE/);
  const told = await why("pods");
  expect(told).not.toContain("pod/well ");
  expect(told).toMatch(/\d+ more of \d+ are well\.\n$/);
  const { stdout } = await served.kubectl(["why", "pods", "-o", "json"]);
  expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ subject: "pod/well", well: true }));
});
