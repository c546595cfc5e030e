/**
 * Interrupted: what holds at every revision while answers are lost, watches lag and controllers are killed.
 *
 * Every state of the store is looked at, not samples of it.
 */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import {
  atEveryRevision,
  doom,
  type Fault,
  fateOf,
  faulty,
  mortal,
  rebirth,
  sleep,
  troubles,
} from "../e2e/harness/faulty.ts";
import type { ClientRequest } from "../machinery/client/transport/contract.ts";
import { isActive, isReady } from "./pod-state.ts";

let cluster: Controlled;
let ending: AbortController;
afterEach(async () => {
  ending.abort();
  await cluster.close();
});

const ref = { namespace: "default", name: "web" };
const labels = { app: "web" };
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: "c", image }] } });

/** The most Pods and the fewest ready ones that were there at any revision since the last call of `reset`. */
interface Extremes {
  most: number;
  fewestReady: number;
  reset(): void;
}

async function start(options: ControlledOptions = {}): Promise<Extremes> {
  cluster = await startControlled(options);
  ending = new AbortController();
  let now = 0;
  const extremes: Extremes = {
    most: 0,
    fewestReady: 0,
    reset() {
      this.most = now;
      this.fewestReady = Number.POSITIVE_INFINITY;
    },
  };
  atEveryRevision(cluster, ending.signal, isActive, (pods) => {
    now = pods.length;
    extremes.most = Math.max(extremes.most, now);
    extremes.fewestReady = Math.min(extremes.fewestReady, pods.filter(isReady).length);
  });
  return extremes;
}

const createWeb = (replicas: number) =>
  cluster.create("deployments", {
    metadata: ref,
    spec: {
      replicas,
      selector: { matchLabels: labels },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: template("a:1"),
    },
  });
const setImage = (image: string) => cluster.client.patch("deployments", ref, { spec: { template: template(image) } });
const alive = async () => (await cluster.list("pods")).filter(isActive);
const runsOnly = (image: string, count: number) =>
  expect
    .poll(async () => (await alive()).map(({ spec }) => spec?.containers[0]?.image), { timeout: 20_000 })
    .toEqual(Array(count).fill(image));

const onlyPods = (ms: number) => (path: string) => (path.endsWith("/pods") ? ms : 0);

describe("controllers whose answers are lost", () => {
  it("make no second Pod for one whose creation was not answered", async () => {
    let lost = 0;
    const lose = ({ method, path }: ClientRequest): Fault =>
      method === "POST" && path.endsWith("/pods") && ++lost <= 4 ? "answer lost" : "none";
    const seen = await start({ between: (transport) => faulty(transport, onlyPods(60), lose) });
    await cluster.create("replicasets", {
      metadata: ref,
      spec: { replicas: 3, selector: { matchLabels: labels }, template: template("a:1") },
    });
    await runsOnly("a:1", 3);
    await sleep(150);
    expect(lost).toBeGreaterThanOrEqual(3);
    expect(seen.most).toBe(3);
  });

  it("make no second Pod of a Job", async () => {
    let lost = 0;
    const lose = ({ method, path }: ClientRequest): Fault =>
      method === "POST" && path.endsWith("/pods") && ++lost % 2 === 1 ? "answer lost" : "none";
    const seen = await start({ between: (transport) => faulty(transport, onlyPods(100), lose) });
    for (const completionMode of ["NonIndexed", "Indexed"] as const) {
      const job = { namespace: "default", name: completionMode.toLowerCase() };
      const spec = { ...template("a:1").spec, restartPolicy: "Never" as const };
      await cluster.create("jobs", {
        metadata: job,
        spec: { parallelism: 2, completions: 2, completionMode, template: { spec } },
      });
    }
    await runsOnly("a:1", 4);
    await sleep(150);
    expect(seen.most).toBe(4);
  });

  it("make no second slice of a Service, of its Pods or of its Endpoints", async () => {
    let lost = 0;
    const lose = ({ method, path }: ClientRequest): Fault =>
      method === "POST" && path.endsWith("/endpointslices") && ++lost % 3 !== 0 ? "answer lost" : "none";
    const lag = (path: string) => (path.endsWith("/endpointslices") ? 100 : 0);
    await start({ between: (transport) => faulty(transport, lag, lose) });
    const made = new Map<string, Set<string>>();
    const follow = async () => {
      for await (const batch of cluster.client.watch("endpointslices", { signal: ending.signal }))
        for (const { object } of batch) {
          // a Service without anybody has an empty slice, in whose place another one comes
          if (!object.ports?.length) continue;
          const service = object.metadata.labels?.["kubernetes.io/service-name"] ?? "";
          made.set(service, (made.get(service) ?? new Set()).add(object.metadata.uid));
        }
    };
    void follow().catch(() => undefined);
    const ports = [{ port: 80 }];
    await createWeb(2);
    await cluster.create("services", { metadata: ref, spec: { selector: labels, ports } });
    await cluster.create("services", { metadata: { ...ref, name: "db" }, spec: { ports } });
    const subsets = [{ addresses: [{ ip: "10.9.0.1" }], ports }];
    await cluster.create("endpoints", { metadata: { ...ref, name: "db" }, subsets });
    const shown = async () =>
      (await cluster.list("endpointslices", "default"))
        .filter(({ metadata }) => ["web-", "db-"].includes(metadata.generateName ?? ""))
        .map(({ metadata, endpoints }) => `${metadata.generateName}${endpoints?.length}`)
        .sort();
    await expect.poll(shown, { timeout: 20_000 }).toEqual(["db-1", "web-2"]);
    await sleep(250);
    expect(lost).toBeGreaterThanOrEqual(3);
    expect([made.get("web")?.size, made.get("db")?.size]).toEqual([1, 1]);
  });

  it.each([1, 2, 3, 4])(
    "stay between the fences of a rollout that changes its mind (seed %i)",
    async (seed) => {
      const trouble = troubles(seed);
      const { next } = trouble;
      const seen = await start({
        between: (transport) =>
          faulty(
            transport,
            () => next() * 30,
            () => trouble.fault(),
          ),
      });
      await createWeb(5);
      await runsOnly("a:1", 5);
      await expect.poll(async () => (await alive()).filter(isReady).length).toBe(5);
      await sleep(100);
      seen.reset();
      trouble.on = true;
      for (let round = 0; round < 12; round++) {
        await setImage(`a:${1 + Math.floor(next() * 3)}`);
        await sleep(next() * 300);
      }
      trouble.on = false;
      await setImage("a:9");
      await runsOnly("a:9", 5);
      expect(seen.most).toBe(6);
      expect(seen.fewestReady).toBeGreaterThanOrEqual(5);
    },
    60_000,
  );
});

describe("controllers that are killed", () => {
  it.each<Fault>(["refused", "answer lost"])(
    "at any write of a rollout, with it %s, stay between its fences",
    async (how) => {
      const fate = fateOf(how);
      const seen = await start({ between: mortal(fate, 10) });
      await createWeb(5);
      await runsOnly("a:1", 5);
      await expect.poll(async () => (await alive()).filter(isReady).length).toBe(5);
      await sleep(100);
      seen.reset();
      for (let write = 1; write <= 24; write++) {
        doom(fate, write);
        await setImage(`b:${write}`);
        await rebirth(fate, cluster, 3_000);
        await runsOnly(`b:${write}`, 5);
      }
      expect(seen.most).toBe(6);
      expect(seen.fewestReady).toBeGreaterThanOrEqual(5);
    },
    120_000,
  );
});
