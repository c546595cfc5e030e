/** Jobs whose controller looks at what was: Pods of a former Job of the name, Pods that have succeeded meanwhile. */
import { afterEach, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { Transport } from "../machinery/client/transport/contract.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const ref = { namespace: "default", name: "sum" };
const createJob = (parallelism: number) =>
  cluster.create("jobs", {
    metadata: ref,
    spec: {
      parallelism,
      completions: parallelism,
      completionMode: "Indexed",
      template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "sum:1" }] } },
    },
  });

it("lets the Pods of a former Job go, though another has its name by now", async () => {
  cluster = await startControlled({ clock: fakeClock() });
  const former = await createJob(1);
  await cluster.settled();
  await cluster.stop();
  await cluster.client.delete("jobs", ref, { propagation: "Background" });
  await createJob(1);
  await cluster.restart();
  await cluster.settled();
  const pods = await cluster.list("pods");
  expect(pods.filter(({ metadata }) => metadata.ownerReferences?.[0]?.uid === former.metadata.uid)).toEqual([]);
  expect(pods).toHaveLength(1);
});

it("deletes no Pod that has succeeded before the cache shows it", async () => {
  const clock = fakeClock();
  let held: Promise<void> | undefined;
  const late = (transport: Transport): Transport => ({
    ...transport,
    async *watch(request) {
      for await (const batch of transport.watch(request)) {
        if (request.path.endsWith("/pods")) await held;
        yield batch;
      }
    },
  });
  cluster = await startControlled({ clock, between: late });
  await createJob(3);
  await cluster.settled();
  const before = await cluster.list("pods");
  const gate = Promise.withResolvers<void>();
  held = gate.promise;
  for (const pod of before)
    await cluster.client.updateStatus("pods", { ...pod, status: { ...pod.status, phase: "Succeeded" } });
  await cluster.client.patch("jobs", ref, { spec: { parallelism: 1 } });
  for (let turn = 0; turn < 20; turn++) await clock.advance(1);
  held = undefined;
  gate.resolve();
  await cluster.settled();
  const after = await cluster.list("pods");
  expect(after.map(({ metadata }) => metadata.uid).sort()).toEqual(before.map(({ metadata }) => metadata.uid).sort());
  const job = await cluster.client.get("jobs", ref);
  expect(job.status?.succeeded).toBe(3);
});

it("counts an index that succeeded after its Pod was let go, where nobody deleted it any more", async () => {
  cluster = await startControlled({ clock: fakeClock() });
  await createJob(1);
  await cluster.settled();
  await cluster.stop();
  const [pod] = await cluster.list("pods");
  const { name = "" } = pod?.metadata ?? {};
  await cluster.client.patch("pods", { namespace: "default", name }, { metadata: { finalizers: null } });
  const free = await cluster.client.get("pods", { namespace: "default", name });
  await cluster.client.updateStatus("pods", { ...free, status: { ...free.status, phase: "Succeeded" } });
  await cluster.restart();
  await cluster.settled();
  const job = await cluster.client.get("jobs", ref);
  expect(job.status?.completedIndexes).toBe("0");
  expect(await cluster.list("pods")).toHaveLength(1);
});
