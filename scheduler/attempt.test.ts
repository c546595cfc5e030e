import { afterEach, describe, expect, test } from "vitest";
import { nodeDraft, podDraft, requesting, type Scheduled, startScheduled } from "../e2e/harness/scheduled.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { type Handle, type Plugin, refused } from "./framework.ts";
import { PLUGINS } from "./plugins/plugins.ts";
import { createProfile } from "./profile.ts";
import { runScheduling } from "./scheduling-loop.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const eventually = { timeout: 10_000, interval: 10 };
const SCHEDULER = "system:kube-scheduler";

/** The default plugins and one more, on a node with room for one Pod that asks for a CPU. */
async function withPlugin(make: (handle: Handle, log: string[]) => Omit<Plugin, "name">) {
  const scheduled: Scheduled = await startScheduled(nodeDraft("a", "1"));
  ends.push(() => scheduled.close());
  const stop = new AbortController();
  const context = {
    client: scheduled.pipeline.client(SCHEDULER, []),
    clock: systemClock,
    log: silent,
    signal: stop.signal,
  };
  const log: string[] = [];
  const ended = runScheduling({
    ...context,
    informers: createInformers(context),
    events: createEvents(context),
    profiles(handle) {
      const all = Object.values(PLUGINS).map((row) => ({ plugin: row.make({}, handle) }));
      const own: Plugin = { name: "Own", ...make(handle, log) };
      return [createProfile("default-scheduler", [...all.slice(0, -1), { plugin: own }, ...all.slice(-1)])];
    },
  });
  ends.push(async () => {
    stop.abort(new Error("stopped"));
    await ended;
  });
  return { scheduled, log };
}

const message = async ({ scheduled }: { readonly scheduled: Scheduled }, name: string) =>
  (await scheduled.condition(name))?.message;

describe("a plugin", () => {
  test("reserves, makes ready and hears of the binding", async () => {
    const { scheduled, log } = await withPlugin((_, said) => ({
      reserve: () => ({
        preBind: async () => void said.push("preBind"),
        postBind: () => void said.push("postBind"),
        release: () => void said.push("release"),
      }),
    }));
    await scheduled.client.create("pods", podDraft("p"));
    await expect.poll(() => log, eventually).toEqual(["preBind", "postBind"]);
    expect(await scheduled.nodeOf("p")).toBe("a");
  });

  test("that cannot reserve sends the Pod away, and its room is another's", async () => {
    const started = await withPlugin(() => ({
      reserve: ({ pod }) => (pod.metadata.name === "no" ? refused("nothing left") : undefined),
    }));
    await started.scheduled.client.create("pods", podDraft("no", requesting("1")));
    await expect.poll(() => message(started, "no"), eventually).toBe("0/1 nodes are available: 1 nothing left.");
    await started.scheduled.client.create("pods", podDraft("yes", requesting("1")));
    await expect.poll(() => started.scheduled.nodeOf("yes"), eventually).toBe("a");
  });

  test("holds a Pod back until it is allowed, while its room counts as taken", async () => {
    let allow = () => {};
    const started = await withPlugin((handle) => ({
      permit: ({ pod }) => {
        if (pod.metadata.name !== "held") return undefined;
        allow = () => handle.waiting.allow(pod.metadata.uid, "Own");
        return { waitMs: 60_000 };
      },
    }));
    await started.scheduled.client.create("pods", podDraft("held", requesting("1")));
    await started.scheduled.client.create("pods", podDraft("late", requesting("1")));
    await expect
      .poll(() => message(started, "late"), eventually)
      .toMatch(/^0\/1 nodes are available: 1 Insufficient cpu\./);
    expect(await started.scheduled.nodeOf("held")).toBeUndefined();
    allow();
    await expect.poll(() => started.scheduled.nodeOf("held"), eventually).toBe("a");
  });

  test("that allows nobody in time gives the room back, and undoes what others reserved", async () => {
    const started = await withPlugin((_, said) => ({
      reserve: () => ({ release: () => void said.push("release") }),
      permit: ({ pod }) => (pod.metadata.name === "held" ? { waitMs: 50 } : undefined),
    }));
    await started.scheduled.client.create("pods", podDraft("held", requesting("1")));
    await expect
      .poll(() => message(started, "held"), eventually)
      .toBe("0/1 nodes are available: 1 rejected due to timeout after waiting 0.05s at plugin Own.");
    expect(started.log).toEqual(["release"]);
    await started.scheduled.client.create("pods", podDraft("next", requesting("1")));
    await expect.poll(() => started.scheduled.nodeOf("next"), eventually).toBe("a");
  });

  test("that fails to make ready is told of on the Pod, which comes again by itself", async () => {
    let tries = 0;
    const started = await withPlugin((_, said) => ({
      reserve: () => ({
        preBind: async () => {
          if (tries++ === 0) throw new Error("no disk");
          return undefined;
        },
        release: () => void said.push("release"),
      }),
    }));
    await started.scheduled.client.create("pods", podDraft("p"));
    await expect.poll(() => started.scheduled.events("p"), eventually).toContain("Warning FailedScheduling no disk");
    await expect.poll(() => started.scheduled.nodeOf("p"), eventually).toBe("a");
    expect(started.log).toEqual(["release"]);
  });

  test("that refuses to make ready has the Pod wait for what it says may help", async () => {
    let ready = false;
    const { scheduled, ...started } = await withPlugin(() => ({
      hints: ["services"],
      reserve: () => ({
        preBind: async () => (ready ? undefined : refused("not ready")),
        release: () => {},
      }),
    }));
    await scheduled.client.create("pods", podDraft("p"));
    await expect
      .poll(() => message({ scheduled, ...started }, "p"), eventually)
      .toBe("0/1 nodes are available: 1 not ready.");
    ready = true;
    const ports = [{ port: 80 }];
    await scheduled.client.create("services", { metadata: { name: "s", namespace: "default" }, spec: { ports } });
    await expect.poll(() => scheduled.nodeOf("p"), eventually).toBe("a");
  });

  test("that binds instead of the default one is the only one that does", async () => {
    const { scheduled, log } = await withPlugin((handle, said) => ({
      bind({ pod }, node, cause) {
        said.push(`${pod.metadata.name} ${node}`);
        const { name, namespace } = pod.metadata;
        const target = { apiVersion: "v1", kind: "Node", name: node };
        const body = { apiVersion: "v1", kind: "Binding", metadata: { name, namespace }, target };
        const because = handle.client.because({ revision: cause, controller: "own" });
        return because.createSub("pods", { name, namespace }, "binding", body).then(() => undefined);
      },
    }));
    await scheduled.client.create("pods", podDraft("p"));
    await expect.poll(() => scheduled.nodeOf("p"), eventually).toBe("a");
    expect(log).toEqual(["p a"]);
  });
});
