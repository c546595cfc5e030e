/** Quotas are told what is used, and get back what goes. */
import { afterEach, describe, expect, it, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { parseQuantity } from "../machinery/objects/quantity.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { statusOf } from "./resource-quota.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());

const quota = (hard: Record<string, string>) => ({ metadata: { namespace: "default", name: "q" }, spec: { hard } });
const pod = (name: string) => ({
  metadata: { namespace: "default", name },
  spec: { containers: [{ name: "c", image: "a:1", resources: { requests: { cpu: "100m" } } }] },
});
const status = async () => (await cluster.client.get("resourcequotas", { namespace: "default", name: "q" })).status;
const eventually = (expected: unknown) => expect.poll(status, { timeout: 5_000 }).toEqual(expected);

describe("the quota controller", () => {
  it("counts what is there already, and what comes and goes", async () => {
    cluster = await startControlled({ rootCa: "PEM" });
    await cluster.create("pods", pod("a"));
    const hard = { pods: "3", "requests.cpu": "1", "count/configmaps": "5", "count/leases.coordination.k8s.io": "9" };
    await cluster.create("resourcequotas", quota(hard));
    const rest = { "count/configmaps": "1", "count/leases.coordination.k8s.io": "0" };
    await eventually({ hard, used: { pods: "1", "requests.cpu": "100m", ...rest } });
    await cluster.create("pods", pod("b"));
    await cluster.create("configmaps", { metadata: { namespace: "default", name: "m" } });
    await eventually({ hard, used: { pods: "2", "requests.cpu": "200m", ...rest, "count/configmaps": "2" } });
    await cluster.client.delete("pods", { namespace: "default", name: "a" }, { gracePeriodSeconds: 0 });
    await eventually({ hard, used: { pods: "1", "requests.cpu": "100m", ...rest, "count/configmaps": "2" } });
  });

  it("counts workloads by their number, and Pods by what they ask for now", async () => {
    cluster = await startControlled({ rootCa: "PEM" });
    const hard = {
      "count/cronjobs.batch": "5",
      "count/statefulsets.apps": "5",
      "requests.cpu": "1",
      "limits.cpu": "1",
    };
    await cluster.create("resourcequotas", quota(hard));
    const idle = {
      "count/cronjobs.batch": "0",
      "count/statefulsets.apps": "0",
      "requests.cpu": "0",
      "limits.cpu": "0",
    };
    await eventually({ hard, used: idle });
    const sized = (cpu: string) => [{ name: "c", resources: { requests: { cpu }, limits: { cpu } } }];
    await cluster.create("pods", {
      metadata: { namespace: "default", name: "a" },
      spec: { containers: sized("400m").map((container) => ({ ...container, image: "a:1" })) },
    });
    await cluster.create("cronjobs", {
      metadata: { namespace: "default", name: "night" },
      spec: {
        schedule: "0 3 * * *",
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "a:1" }] } } },
        },
      },
    });
    const used = { ...idle, "count/cronjobs.batch": "1", "requests.cpu": "400m", "limits.cpu": "400m" };
    await eventually({ hard, used });
    await cluster.client.patch(
      "pods",
      { namespace: "default", name: "a" },
      { spec: { containers: sized("100m") } },
      { type: "strategic", subresource: "resize" },
    );
    await eventually({ hard, used: { ...used, "requests.cpu": "100m", "limits.cpu": "100m" } });
  });

  it("gives back what was charged for a write that failed", async () => {
    cluster = await startControlled({ rootCa: "PEM" });
    await cluster.create("resourcequotas", quota({ pods: "3" }));
    await eventually({ hard: { pods: "3" }, used: { pods: "0" } });
    await cluster.create("pods", pod("a"));
    await expect(cluster.create("pods", pod("a"))).rejects.toThrow("already exists");
    await eventually({ hard: { pods: "3" }, used: { pods: "1" } });
  });

  it("does not take what was charged for free while its own copy of the Pods is old", async () => {
    const clock = fakeClock();
    let shown = false;
    const held = Promise.withResolvers<void>();
    cluster = await startControlled({
      clock,
      rootCa: "PEM",
      between: (transport) => ({
        ...transport,
        async *watch(request) {
          for await (const batch of transport.watch(request)) {
            if (request.path === "/api/v1/pods" && !shown) await held.promise;
            yield batch;
          }
        },
      }),
    });
    await cluster.create("resourcequotas", quota({ pods: "2" }));
    await cluster.settled();
    for (const name of ["a", "b"]) await cluster.create("pods", pod(name));
    await clock.advance(5_000);
    expect((await status())?.used).toEqual({ pods: "2" });
    await cluster.client.delete("pods", { namespace: "default", name: "a" }, { gracePeriodSeconds: 0 });
    shown = true;
    held.resolve();
    await clock.advance(5_000);
    expect((await status())?.used).toEqual({ pods: "1" });
  });

  it("follows a quota that changes: default/kubernetes is a Service too", async () => {
    cluster = await startControlled({ rootCa: "PEM" });
    await cluster.create("resourcequotas", quota({ pods: "3" }));
    await eventually({ hard: { pods: "3" }, used: { pods: "0" } });
    const found = await cluster.client.get("resourcequotas", { namespace: "default", name: "q" });
    await cluster.client.update("resourcequotas", { ...found, spec: { hard: { services: "1" } } });
    await eventually({ hard: { services: "1" }, used: { services: "1" } });
  });
});

test.each([
  ["is raised at once", true, "3", "3"],
  ["is not lowered while charges may be on their way", true, "1", "2"],
  ["is lowered when it is quiet", false, "1", "1"],
])("a use %s", (_what, charging, counted, told) => {
  const before = { spec: { hard: { pods: "5" } }, status: { hard: { pods: "5" }, used: { pods: "2" } } };
  expect(statusOf(before, { pods: parseQuantity(counted) }, charging).used).toEqual({ pods: told });
});
