import { afterEach, describe, expect, test } from "vitest";
import {
  addNode,
  type Fault,
  nodeDraft,
  podDraft,
  requesting,
  type Scheduled,
  startScheduled,
} from "../e2e/harness/scheduled.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import type { Kinds } from "../machinery/objects/kinds.ts";
import { ApiError } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";

const running: Scheduled[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

async function start(...nodes: readonly Draft<Kinds["nodes"]>[]) {
  const scheduled = await startScheduled(...nodes);
  running.push(scheduled);
  return scheduled;
}

const eventually = { timeout: 10_000, interval: 10 };
const inDefault = (name: string) => ({ namespace: "default", name });
const pause = (ms: number) => systemClock.sleep(ms);
const lost = async () => {
  throw new ApiError("Timeout", "no answer came");
};

const bindings =
  (name = ""): Fault["on"] =>
  ({ path }) =>
    path.endsWith(`${name}/binding`);
const conditions: Fault["on"] = ({ method, path }) => method === "PATCH" && path.endsWith("/p/status");
const once = (on: Fault["on"]): Fault["on"] => {
  let used = false;
  return (request) => {
    const hit = !used && on(request);
    used ||= hit;
    return hit;
  };
};

describe("a binding", () => {
  test("whose answer is lost is neither made twice nor forgotten", async () => {
    const started = await start(nodeDraft("a", "1"), nodeDraft("b", "1"));
    started.run({ on: bindings(), after: lost });
    for (const name of ["p", "q"]) await started.client.create("pods", podDraft(name, requesting("1")));
    const nodes = async () => [await started.nodeOf("p"), await started.nodeOf("q")].sort();
    await expect.poll(nodes, eventually).toEqual(["a", "b"]);
    for (const name of ["p", "q"]) {
      const message = `Normal Scheduled Successfully assigned default/${name} to ${await started.nodeOf(name)}`;
      await expect.poll(() => started.events(name), eventually).toEqual([message]);
    }
  });

  test("that never arrived is tried again, and its room is free for others meanwhile", async () => {
    const started = await start(nodeDraft("a", "1"));
    let failing = true;
    started.run({ on: (request) => failing && bindings("/p")(request), before: lost });
    await started.client.create("pods", podDraft("p", requesting("1")));
    const message = "Warning FailedScheduling binding rejected: no answer came";
    await expect.poll(() => started.events("p"), eventually).toEqual([message]);
    await started.client.create("pods", podDraft("q", requesting("1")));
    await expect.poll(() => started.nodeOf("q"), eventually).toBe("a");
    failing = false;
    await started.client.delete("pods", inDefault("q"), { gracePeriodSeconds: 0 });
    await expect.poll(() => started.nodeOf("p"), eventually).toBe("a");
  });

  test("holds its room while nobody knows whether it happened", async () => {
    const started = await start(nodeDraft("a", "1"));
    let unreachable = true;
    const reading: Fault["on"] = ({ method, path }) => method === "GET" && path.endsWith("/pods/p");
    started.run(
      { on: (request) => unreachable && bindings("/p")(request), before: lost },
      { on: (request) => unreachable && reading(request), before: lost },
    );
    await started.client.create("pods", podDraft("p", requesting("1")));
    await pause(100);
    await started.client.create("pods", podDraft("q", requesting("1")));
    await expect.poll(async () => (await started.condition("q"))?.reason, eventually).toBe("Unschedulable");
    unreachable = false;
    const nodes = async () => [await started.nodeOf("p"), await started.nodeOf("q")].filter(Boolean);
    await expect.poll(nodes, eventually).toEqual(["a"]);
  });

  test("that another made meanwhile is respected", async () => {
    const started = await start(nodeDraft("a", "1"), nodeDraft("b", "1"));
    const { client } = started;
    await client.patch("nodes", { name: "b" }, { spec: { unschedulable: true } });
    const target = { apiVersion: "v1", kind: "Node", name: "b" };
    const elsewhere = { apiVersion: "v1", kind: "Binding", metadata: inDefault("p"), target };
    started.run({
      on: once(bindings("/p")),
      before: async () => void (await client.createSub("pods", inDefault("p"), "binding", elsewhere)),
    });
    await client.create("pods", podDraft("p", requesting("1")));
    await expect.poll(() => started.nodeOf("p"), eventually).toBe("b");
    await client.create("pods", podDraft("q", requesting("1")));
    await expect.poll(() => started.nodeOf("q"), eventually).toBe("a");
    expect(await started.events("p")).toEqual([]);
  });

  test("of a Pod that is being deleted leaves the room to others", async () => {
    const started = await start(nodeDraft("a", "1"));
    const { client } = started;
    started.run({
      on: once(bindings("/p")),
      before: async () => client.delete("pods", inDefault("p")),
    });
    const p = podDraft("p", requesting("1"));
    await client.create("pods", { ...p, metadata: { ...p.metadata, finalizers: ["example.com/keep"] } });
    await expect.poll(async () => (await started.pod("p"))?.metadata.deletionTimestamp, eventually).toBeDefined();
    await client.create("pods", podDraft("q", requesting("1")));
    await expect.poll(() => started.nodeOf("q"), eventually).toBe("a");
  });
});

describe("a Pod of the same name as one before", () => {
  test("is placed although the first was deleted while it was being bound", async () => {
    const started = await start(nodeDraft("a"));
    const { client } = started;
    const settled = Promise.withResolvers<void>();
    started.run({
      on: once(bindings("/p")),
      async after() {
        await client.delete("pods", inDefault("p"), { gracePeriodSeconds: 0 });
        await client.create("pods", podDraft("p", { nodeSelector: { disk: "ssd" } }));
        await expect.poll(async () => (await started.condition("p"))?.reason, eventually).toBe("Unschedulable");
        settled.resolve();
      },
    });
    await client.create("pods", podDraft("p"));
    await settled.promise;
    await pause(50);
    await addNode(client, nodeDraft("b", "2", { disk: "ssd" }));
    await expect.poll(() => started.nodeOf("p"), eventually).toBe("b");
  });

  test("is not told what was meant for the first", async () => {
    const started = await start(nodeDraft("a", "1"));
    const { client } = started;
    const told = Promise.withResolvers<void>();
    started.run({
      on: once(conditions),
      async before() {
        await client.delete("pods", inDefault("p"), { gracePeriodSeconds: 0 });
        await client.create("pods", podDraft("p", { schedulerName: "another" }));
        told.resolve();
      },
    });
    await client.create("pods", podDraft("p", requesting("5")));
    await told.promise;
    await pause(200);
    expect(await started.condition("p")).toBeUndefined();
  });
});

test("an old word of no fit never arrives after a binding", async () => {
  const started = await start(nodeDraft("a", "1"));
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  started.run({
    on: once(conditions),
    before() {
      held.resolve();
      return released.promise;
    },
  });
  await started.client.create("pods", podDraft("p", requesting("3")));
  await held.promise;
  await addNode(started.client, nodeDraft("b", "4"));
  await pause(1_300);
  released.resolve();
  await expect.poll(() => started.nodeOf("p"), eventually).toBe("b");
  await pause(100);
  expect(await started.condition("p")).toMatchObject({ status: "True" });
});

test("killed in the middle of its work and started again, it binds no Pod twice and forgets none", async () => {
  const started = await start(...["a", "b", "c"].map((name) => nodeDraft(name, "20")));
  const bound = watchBindings(started);
  const names = Array.from({ length: 60 }, (_, n) => `p${n}`);
  for (let round = 0; round < 6; round++) {
    let left = 5;
    const enough = Promise.withResolvers<void>();
    const die = async () => {
      if (--left === 0) {
        started.kill();
        enough.resolve();
      }
      if (left <= 0) await new Promise<never>(() => {});
    };
    started.run({ on: bindings(), [round % 2 ? "before" : "after"]: die });
    for (const name of names.slice(round * 10, round * 10 + 10))
      await started.client.create("pods", podDraft(name, requesting("1")));
    await enough.promise;
  }
  started.run();
  await expect.poll(() => bound.size, eventually).toBe(names.length);
  const perNode = new Map<string, number>();
  for (const nodes of bound.values()) {
    expect(nodes.size).toBe(1);
    for (const name of nodes) perNode.set(name, (perNode.get(name) ?? 0) + 1);
  }
  expect([...perNode.values()]).toEqual([20, 20, 20]);
});

/** uid of each Pod that is bound ► every node it was seen on. */
function watchBindings({ client }: Scheduled): ReadonlyMap<string, ReadonlySet<string>> {
  const bound = new Map<string, Set<string>>();
  const { signal } = new AbortController();
  createInformers({ client, clock: systemClock, log: silent, signal })
    .of("pods")
    .subscribe(({ object }) => {
      const { nodeName } = object.spec ?? {};
      const { uid } = object.metadata;
      if (nodeName) bound.set(uid, (bound.get(uid) ?? new Set()).add(nodeName));
    });
  return bound;
}
