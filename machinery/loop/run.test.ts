/** The loop and the events recorder against the real API server. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../client/client.ts";
import { createClient } from "../client/create-client.ts";
import { createInformers, type Informers } from "../client/shared-informers.ts";
import type { Transport } from "../client/transport/contract.ts";
import { conflict } from "../objects/status.ts";
import { silent } from "../process/logging.ts";
import { again, type Controller, defineController, done, enqueueSelf } from "./controller.ts";
import { createEvents, type Events } from "./events-recorder.ts";
import { type Loop, runLoop } from "./run.ts";

let pipeline: Pipeline;
let stop: AbortController;
let informers: Informers;
let events: Events;
beforeEach(async () => {
  pipeline = await startPipeline({ advertiseAddress: "10.0.0.1" });
  stop = new AbortController();
  const context = { client: pipeline.client(), clock: pipeline.clock, log: silent, signal: stop.signal };
  informers = createInformers(context);
  events = createEvents(context);
});
afterEach(async () => {
  stop.abort(new Error("stopped"));
  await pipeline.close();
});

const run = (...controllers: Controller[]): Loop =>
  runLoop({
    controllers,
    client: pipeline.client(),
    informers,
    events,
    clock: pipeline.clock,
    log: silent,
    signal: stop.signal,
  });
const create = (name: string) => pipeline.client().create("configmaps", { metadata: { namespace: "default", name } });

describe("the loop", () => {
  it("reconciles what is there and what comes, and says when it has nothing to do", async () => {
    await create("before");
    const seen: string[] = [];
    const loop = run(
      defineController({
        name: "watcher",
        watches: { configmaps: enqueueSelf },
        async reconcile(key, { configmaps }) {
          if (configmaps.get(key)) seen.push(key);
          return done;
        },
      }),
    );
    await create("after");
    await expect.poll(() => [...seen].sort()).toEqual(["default/after", "default/before"]);
    expect(loop.idle()).toBe(true);
    expect(loop.stats()["watcher"]).toMatchObject({ reconciled: 2, failed: 0, waiting: 0, active: 0 });
  });

  it("never reconciles a key twice at a time", async () => {
    let active = 0;
    let most = 0;
    const loop = run(
      defineController({
        name: "slow",
        workers: 5,
        watches: { configmaps: () => ["one"] },
        async reconcile() {
          most = Math.max(most, ++active);
          await new Promise((resolve) => setTimeout(resolve, 5));
          active--;
          return done;
        },
      }),
    );
    for (let i = 0; i < 5; i++) await create(`c${i}`);
    await expect.poll(() => loop.idle()).toBe(true);
    expect(most).toBe(1);
  });

  it("tries again after a failure, and comes back when asked to", async () => {
    let calls = 0;
    const loop = run(
      defineController({
        name: "flaky",
        watches: { configmaps: enqueueSelf },
        async reconcile() {
          calls++;
          if (calls === 1) throw conflict("configmaps", "c", "newer");
          if (calls === 2) throw new Error("broken");
          return calls === 3 ? again(20) : done;
        },
      }),
    );
    await create("c");
    await expect.poll(() => calls).toBe(4);
    expect(loop.stats()["flaky"]).toMatchObject({ conflicts: 1, failed: 1, reconciled: 4 });
  });

  it("lets a paced key rest for the work it makes, not for the time that answers take", async () => {
    const calls = { waits: 0, works: 0 };
    const slow: Transport = {
      ...pipeline.transport(),
      async request(request) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        return pipeline.transport().request(request);
      },
    };
    const paced = (name: "waits" | "works", reconcile: (client: Client) => Promise<unknown>) =>
      defineController({
        name,
        paced: true,
        watches: { configmaps: ({ type }) => (type === "added" ? [name] : []) },
        async reconcile(_key, { client }) {
          await reconcile(client);
          return ++calls[name] < 5 ? again(0) : done;
        },
      });
    const work = async () => {
      const until = pipeline.clock.monotonic() + 40;
      while (pipeline.clock.monotonic() < until);
    };
    const controllers = [paced("waits", (client) => client.list("secrets")), paced("works", work)];
    const { clock } = pipeline;
    runLoop({ controllers, client: createClient(slow), informers, events, clock, log: silent, signal: stop.signal });
    const started = clock.monotonic();
    await create("c");
    await expect.poll(() => calls.waits, { interval: 5 }).toBe(5);
    expect(calls.works).toBeLessThan(5);
    await expect.poll(() => calls.works, { interval: 5, timeout: 5_000 }).toBe(5);
    expect(clock.monotonic() - started).toBeGreaterThan(4 * 160);
  });

  it("lets paced keys rest for the work of all of them", async () => {
    const { clock } = pipeline;
    const calls = new Map<string, number>();
    run(
      defineController({
        name: "worker",
        paced: true,
        watches: { configmaps: ({ type, key }) => (type === "added" && /\/k\d$/.test(key) ? [key] : []) },
        async reconcile(key) {
          const until = clock.monotonic() + 10;
          while (clock.monotonic() < until);
          calls.set(key, (calls.get(key) ?? 0) + 1);
          return again(0);
        },
      }),
    );
    const started = clock.monotonic();
    for (let n = 0; n < 8; n++) await create(`k${n}`);
    const sum = () => [...calls.values()].reduce((all, one) => all + one, 0);
    await expect.poll(sum, { interval: 5, timeout: 10_000 }).toBeGreaterThanOrEqual(24);
    expect(clock.monotonic() - started).toBeGreaterThan(16 * 50 * 0.8); // the first round waits for nothing
    expect(calls.size).toBe(8);
  });

  it("sends with each write what caused it", async () => {
    run(
      defineController({
        name: "copier",
        watches: { configmaps: ({ key, object }) => (object.metadata.name === "c" ? [key] : []) },
        async reconcile(_key, { client }) {
          await client.create("secrets", { metadata: { namespace: "default", name: "copy" } });
          return done;
        },
      }),
    );
    const { resourceVersion } = (await create("c")).metadata;
    await expect.poll(() => pipeline.client().find("secrets", { namespace: "default", name: "copy" })).toBeDefined();
    const { value } = await pipeline.send({ path: "/k8ts/v1/history/api/v1/namespaces/default/secrets/copy" });
    expect(JSON.stringify(value)).toContain('"copier"');
    expect(JSON.stringify(value)).toContain(`"${resourceVersion}"`);
  });

  it("ends every reconcile before it says that it has stopped", async () => {
    let ended = false;
    const started = Promise.withResolvers<void>();
    const loop = run(
      defineController({
        name: "slow",
        watches: { configmaps: enqueueSelf },
        async reconcile() {
          started.resolve();
          await new Promise((resolve) => setTimeout(resolve, 30));
          ended = true;
          return done;
        },
      }),
    );
    await create("c");
    await started.promise;
    expect(loop.stats()["slow"]?.active).toBe(1);
    stop.abort(new Error("stopped"));
    await loop.stopped;
    expect(ended).toBe(true);
  });
});

describe("the events recorder", () => {
  it("writes an Event, and counts repeats on it", async () => {
    const about = await create("c");
    const recorder = events.recorder("tester");
    for (let i = 0; i < 3; i++) recorder.warning(about, "Failed", "it failed", "spec.containers{web}");
    recorder.normal(about, "Started", "it started");
    await events.flushed();
    const { items } = await pipeline.client().list("events");
    const failed = items.find(({ reason }) => reason === "Failed");
    expect(items).toHaveLength(2);
    expect(failed).toMatchObject({
      type: "Warning",
      message: "it failed",
      count: 3,
      source: { component: "tester" },
      reportingComponent: "tester",
      involvedObject: {
        kind: "ConfigMap",
        name: "c",
        namespace: "default",
        uid: about.metadata.uid,
        fieldPath: "spec.containers{web}",
      },
    });
    expect(failed?.metadata.name).toMatch(/^c\.[0-9a-f]+$/);
  });

  it("writes about cluster-scoped objects in the namespace default", async () => {
    const node = await pipeline.client().create("nodes", { metadata: { name: "n" } });
    events.recorder("tester").normal(node, "Ready", "it is ready");
    await events.flushed();
    expect((await pipeline.client().list("events", { namespace: "default" })).items[0]?.involvedObject).toMatchObject({
      kind: "Node",
      name: "n",
    });
  });

  it("starts over where the Event has expired", async () => {
    const about = await create("c");
    const recorder = events.recorder("tester");
    recorder.normal(about, "Started", "it started");
    await events.flushed();
    const [event] = (await pipeline.client().list("events")).items;
    await pipeline.client().delete("events", { namespace: "default", name: event!.metadata.name });
    recorder.normal(about, "Started", "it started");
    await events.flushed();
    const { items } = await pipeline.client().list("events");
    expect(items.map(({ count }) => count)).toEqual([1]);
  });

  it("drops what cannot be written, without a word to the caller", async () => {
    const about = await create("c");
    const elsewhere = { ...about, metadata: { ...about.metadata, namespace: "nowhere" } };
    events.recorder("tester").normal(elsewhere, "Started", "it started");
    await events.flushed();
    expect((await pipeline.client().list("events")).items).toEqual([]);
  });
});
