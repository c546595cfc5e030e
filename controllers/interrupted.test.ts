/**
 * Interrupted: what holds at every revision while answers are lost, watches lag and controllers are killed.
 *
 * Every state of the store is looked at, not samples of it.
 */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import type { ClientRequest, Transport } from "../machinery/client/transport/contract.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { ApiError } from "../machinery/objects/status.ts";
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
  const alive = new Map<string, Pod>();
  const extremes: Extremes = {
    most: 0,
    fewestReady: 0,
    reset() {
      this.most = alive.size;
      this.fewestReady = Number.POSITIVE_INFINITY;
    },
  };
  const follow = async () => {
    for await (const batch of cluster.client.watch("pods", { signal: ending.signal }))
      for (const { type, object } of batch) {
        const { uid } = object.metadata;
        if (type === "DELETED" || !isActive(object)) alive.delete(uid);
        else alive.set(uid, object);
        extremes.most = Math.max(extremes.most, alive.size);
        extremes.fewestReady = Math.min(extremes.fewestReady, [...alive.values()].filter(isReady).length);
      }
  };
  follow().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
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

/** A transport whose watches lag, and to whose writes `fault` may do something. */
function faulty(
  transport: Transport,
  lagMs: (path: string) => number,
  fault: (request: ClientRequest) => Fault,
): Transport {
  return {
    ...transport,
    async *watch(request) {
      for await (const batch of transport.watch(request)) {
        await sleep(lagMs(request.path));
        yield batch;
      }
    },
    async request(request) {
      const what = request.method === "GET" ? "none" : fault(request);
      if (what === "refused") throw cut();
      const answer = await transport.request(request);
      if (what === "answer lost") throw cut();
      return answer;
    },
  };
}
const onlyPods = (ms: number) => (path: string) => (path.endsWith("/pods") ? ms : 0);
type Fault = "none" | "refused" | "answer lost";
const cut = () => new ApiError("ServiceUnavailable", "cannot reach the server: read ECONNRESET");
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbers between 0 and 1, the same for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

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

  it.each([1, 2, 3, 4])(
    "stay between the fences of a rollout that changes its mind (seed %i)",
    async (seed) => {
      const next = random(seed);
      let faults = false;
      const fault = (): Fault => {
        if (!faults || next() > 0.3) return "none";
        return next() < 0.7 ? "answer lost" : "refused";
      };
      const seen = await start({ between: (transport) => faulty(transport, () => next() * 30, fault) });
      await createWeb(5);
      await runsOnly("a:1", 5);
      await expect.poll(async () => (await alive()).filter(isReady).length).toBe(5);
      await sleep(100);
      seen.reset();
      faults = true;
      for (let round = 0; round < 12; round++) {
        await setImage(`a:${1 + Math.floor(next() * 3)}`);
        await sleep(next() * 300);
      }
      faults = false;
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
      let left = Number.POSITIVE_INFINITY;
      let killed = Promise.withResolvers<void>();
      const dying = (transport: Transport) => {
        let dead = false;
        return faulty(
          transport,
          () => 10,
          () => {
            if (dead) return "refused";
            if (--left > 0) return "none";
            dead = true;
            left = Number.POSITIVE_INFINITY;
            killed.resolve();
            return how;
          },
        );
      };
      const seen = await start({ between: dying });
      await createWeb(5);
      await runsOnly("a:1", 5);
      await expect.poll(async () => (await alive()).filter(isReady).length).toBe(5);
      await sleep(100);
      seen.reset();
      for (let write = 1; write <= 24; write++) {
        killed = Promise.withResolvers();
        left = write;
        await setImage(`b:${write}`);
        await killed.promise;
        await cluster.stop();
        await cluster.restart();
        await runsOnly(`b:${write}`, 5);
      }
      expect(seen.most).toBe(6);
      expect(seen.fewestReady).toBeGreaterThanOrEqual(5);
    },
    120_000,
  );
});
