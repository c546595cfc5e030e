/** ReplicaSets against the real API server: numbers, adoption, lagging caches, failures. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import type { Transport } from "../machinery/client/transport/contract.ts";
import type { Pod, ReplicaSet } from "../machinery/objects/kinds.ts";
import { ApiError } from "../machinery/objects/status.ts";
import { systemClock } from "../machinery/process/clock.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const start = async (options?: ControlledOptions) => {
  cluster = await startControlled(options);
};
const ref = { namespace: "default", name: "web" };
const labels = { app: "web" };
const pod = { containers: [{ name: "c", image: "a:1" }] };

const createSet = (replicas: number, minReadySeconds = 0) =>
  cluster.create("replicasets", {
    metadata: { ...ref },
    spec: {
      replicas,
      minReadySeconds,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: pod },
    },
  });
const scaleTo = (replicas: number) => cluster.client.patch("replicasets", ref, { spec: { replicas } });
const alive = async (): Promise<readonly Pod[]> =>
  (await cluster.list("pods")).filter(({ metadata }) => !metadata.deletionTimestamp);

describe("a ReplicaSet", () => {
  it("makes what is missing, replaces what is deleted, removes what is too much", async () => {
    await start();
    await createSet(3);
    await cluster.settled();
    const [first] = await alive();
    expect(first?.metadata).toMatchObject({
      generateName: "web-",
      labels,
      ownerReferences: [{ kind: "ReplicaSet", controller: true, blockOwnerDeletion: true }],
    });
    await cluster.client.delete("pods", { namespace: "default", name: first!.metadata.name });
    await cluster.settled();
    expect(await alive()).toHaveLength(3);
    await scaleTo(1);
    await cluster.settled();
    expect(await alive()).toHaveLength(1);
    const { status } = await cluster.client.get("replicasets", ref);
    expect(status).toMatchObject({
      replicas: 1,
      readyReplicas: 1,
      availableReplicas: 1,
      fullyLabeledReplicas: 1,
      observedGeneration: 2,
    });
    const events = await cluster.events("web");
    expect(events.filter((text) => text.startsWith("Normal SuccessfulCreate Created pod: web-"))).toHaveLength(4);
    expect(events.filter((text) => text.startsWith("Normal SuccessfulDelete Deleted pod: web-"))).toHaveLength(2);
  });

  it("never makes a Pod too many while its cache lags", async () => {
    await start({ between: (transport) => lagging(transport, "/pods", 40) });
    let most = 0;
    cluster.nodes.onChange = (pods) => {
      most = Math.max(most, pods.length);
    };
    await createSet(5);
    for (let i = 0; i < 20; i++) {
      await cluster.client.patch("replicasets", ref, { metadata: { annotations: { touched: String(i) } } });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await cluster.settled();
    expect(most).toBe(5);
    expect(await alive()).toHaveLength(5);
  });

  it("tells of every Pod that it makes, also where its cache shows some before it is done", async () => {
    const told: (number | undefined)[] = [];
    await start({
      between: (transport) => ({
        ...transport,
        request: async (request) => {
          const answer = await transport.request(request);
          if (request.method === "POST" && request.path.endsWith("/pods")) await systemClock.sleep(20);
          if (request.path.endsWith("/replicasets/web/status"))
            told.push((request.body as ReplicaSet).status?.replicas);
          return answer;
        },
      }),
    });
    await createSet(6);
    await eventually(async () => expect((await cluster.client.get("replicasets", ref)).status?.readyReplicas).toBe(6));
    expect(new Set(told)).toEqual(new Set([6]));
  });

  it("never deletes a Pod too many while its cache lags", async () => {
    await start({ between: (transport) => lagging(transport, "/pods", 40) });
    await createSet(6);
    await eventually(async () => expect(await alive()).toHaveLength(6));
    await scaleTo(4);
    let least = 6;
    for (let i = 0; i < 20; i++) {
      await cluster.client.patch("replicasets", ref, { metadata: { annotations: { touched: String(i) } } });
      least = Math.min(least, (await alive()).length);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await eventually(async () => expect(await alive()).toHaveLength(4));
    expect(least).toBe(4);
  });

  it("spares a Pod that gets ready just before it is deleted for not being so", async () => {
    let spared: string | undefined;
    await start({
      between: (transport) => ({
        ...transport,
        request: async (request) => {
          if (request.method === "DELETE" && request.path.includes("/pods/") && !spared) {
            spared = request.path.split("/").at(-1) as string;
            const pod = await cluster.client.get("pods", { namespace: "default", name: spared });
            const conditions = [{ type: "Ready", status: "True" }];
            await cluster.client.updateStatus("pods", { ...pod, status: { ...pod.status, conditions } });
          }
          return transport.request(request);
        },
      }),
    });
    cluster.nodes.ready = ({ metadata }) => metadata.name === spared;
    await createSet(3);
    await cluster.settled();
    await scaleTo(1);
    await cluster.settled();
    expect(spared).toBeDefined();
    expect((await alive()).map(({ metadata }) => metadata.name)).toEqual([spared]);
    const { status } = await cluster.client.get("replicasets", ref);
    expect(status).toMatchObject({ replicas: 1, readyReplicas: 1 });
    expect(status?.conditions).toBeUndefined();
    expect((await cluster.events("web")).filter((text) => text.includes("FailedDelete"))).toEqual([]);
  });

  it("makes nothing once it is gone, whatever it was about to find out", async () => {
    let gone = false;
    let lost = false;
    let late = 0;
    await start({
      between: (transport) => ({
        ...transport,
        request: async (request) => {
          const makes = request.method === "POST" && request.path.endsWith("/pods");
          const asks = request.method === "GET" && request.path.includes("/pods/web-");
          if (makes && gone) late++;
          if (makes && !lost) {
            lost = true;
            throw new ApiError("ServiceUnavailable", "nobody knows what became of it");
          }
          if (asks && !gone) {
            await cluster.client.delete("replicasets", ref);
            await systemClock.sleep(50); // its cache shows it
            gone = true;
          }
          return transport.request(request);
        },
      }),
    });
    await createSet(3);
    await eventually(async () => expect(gone).toBe(true));
    await cluster.settled();
    expect(late).toBe(0);
  });

  it("goes on where it stopped, without doubling anything", async () => {
    await start();
    await createSet(8);
    for (let turns = 0; turns < 10; turns++) {
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await cluster.stop();
      await cluster.restart();
    }
    await cluster.settled();
    expect(await cluster.list("pods")).toHaveLength(8);
  });

  it("adopts matching orphans and releases what does not match any more", async () => {
    await start();
    const orphan = await cluster.create("pods", {
      metadata: { namespace: "default", name: "orphan", labels },
      spec: pod,
    });
    await cluster.settled();
    const set = await createSet(2);
    await cluster.settled();
    expect(await alive()).toHaveLength(2);
    const adopted = await cluster.client.get("pods", { namespace: "default", name: orphan.metadata.name });
    expect(adopted.metadata.ownerReferences?.[0]).toMatchObject({ uid: set.metadata.uid, controller: true });

    await cluster.client.patch(
      "pods",
      { namespace: "default", name: "orphan" },
      { metadata: { labels: { app: "other" } } },
    );
    await cluster.settled();
    const released = await cluster.client.get("pods", { namespace: "default", name: "orphan" });
    expect(released.metadata.ownerReferences ?? []).toEqual([]);
    expect(await alive()).toHaveLength(3);
  });

  it("counts a Pod as available only after minReadySeconds", async () => {
    await start();
    await createSet(1, 2);
    await cluster.settled();
    const status = async () => (await cluster.client.get("replicasets", ref)).status;
    expect(await status()).toMatchObject({ readyReplicas: 1 });
    expect((await status())?.availableReplicas).toBeUndefined();
    await eventually(async () => expect((await status())?.availableReplicas).toBe(1), 4_000);
  });

  it("says that Pods cannot be made, tries few and recovers", async () => {
    let refuse = true;
    let tries = 0;
    await start({
      between: (transport) => ({
        ...transport,
        async request(request) {
          if (!refuse || request.method !== "POST" || !request.path.endsWith("/pods"))
            return transport.request(request);
          tries++;
          throw new ApiError("Forbidden", "exceeded quota");
        },
      }),
    });
    await createSet(50);
    const condition = async () => (await cluster.client.get("replicasets", ref)).status?.conditions?.[0];
    await eventually(async () =>
      expect(await condition()).toMatchObject({
        type: "ReplicaFailure",
        status: "True",
        reason: "FailedCreate",
        message: "exceeded quota",
      }),
    );
    expect(tries).toBeLessThan(30);
    expect(await cluster.events("web")).toContain("Warning FailedCreate Error creating: exceeded quota");
    refuse = false;
    await eventually(async () => expect(await alive()).toHaveLength(50), 5_000);
    await cluster.settled();
    expect(await condition()).toBeUndefined();
  });
});

/** Brings watch events of some paths late. */
function lagging(transport: Transport, path: string, ms: number): Transport {
  return {
    ...transport,
    async *watch(request) {
      for await (const batch of transport.watch(request)) {
        if (request.path.endsWith(path)) await new Promise((resolve) => setTimeout(resolve, ms));
        yield batch;
      }
    },
  };
}

const eventually = (check: () => Promise<void>, timeout = 2_000) =>
  expect.poll(() => check().then(() => true), { timeout }).toBe(true);
