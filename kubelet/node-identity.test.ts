/** A node is who its key says, and a machine whose address changes begins anew. */
import { afterEach, beforeEach, expect, it, test } from "vitest";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import { NODE_KEY } from "../machinery/join/cluster-facts.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { untilMoved } from "./moved-address.ts";
import { createNodeKeeper } from "./node.ts";
import { machineFacts } from "./node-facts.ts";

let clock: FakeClock;
let pipeline: Pipeline;
let stopping: AbortController;
beforeEach(async () => {
  stopping = new AbortController();
  clock = fakeClock();
  pipeline = await startPipeline({ clock });
});
afterEach(() => pipeline.close());

const keeperWith = async (key: string) => {
  const { signal } = stopping;
  const client = pipeline.client("system:node:n1", ["system:nodes", "system:authenticated"]);
  const events = createEvents({ client, clock, log: silent, signal }).recorder("kubelet");
  const health = async () => ({ pressure: new Set<never>(), notReady: [], networkReady: true });
  const settings = {
    name: "n1",
    hostname: "n1",
    addresses: ["192.0.2.10"],
    key,
    maxPods: 110,
    labels: {},
    taints: [],
    facts: await machineFacts("/"),
    runtimeVersion: "containerd://1.6.20",
    volumes: "/home/volumes",
    reserved: { milliCpu: 0, memoryBytes: 0, diskBytes: 0 },
  };
  return createNodeKeeper({ client, clock, log: silent, signal, events, settings, health });
};
const [OWN, OTHER] = ["a".repeat(64), "b".repeat(64)];
const annotate = (key: string) =>
  pipeline.client().patch("nodes", { name: "n1" }, { metadata: { annotations: { [NODE_KEY]: key } } });

it("tells its key, also of a node that was there without one", async () => {
  await pipeline.client().create("nodes", { metadata: { name: "n1", labels: { theirs: "1" } } });
  const { metadata } = await (await keeperWith(OWN)).register();
  expect(metadata.annotations?.[NODE_KEY]).toBe(OWN);
  expect(metadata.labels?.["theirs"]).toBe("1");
});

it("does not become a node that is another machine, and says what to do", async () => {
  await (await keeperWith(OTHER)).register();
  const keeper = await keeperWith(OWN);
  await expect(keeper.register()).rejects.toThrow('node "n1" is another machine: it has the key bbbbbbbbbbbb…');
  await pipeline.client().delete("nodes", { name: "n1" });
  await expect(keeper.register()).resolves.toMatchObject({ metadata: { name: "n1" } });
});

it("gives up when its name was given to another machine while it ran", async () => {
  const keeper = await keeperWith(OWN);
  await keeper.register();
  const running = keeper.run();
  const ended = expect(running).rejects.toThrow("is another machine");
  await clock.advance(1_000);
  await annotate(OTHER);
  await clock.advance(400_000);
  await ended;
});

it("that was deleted comes back as a new node, when its Pods have been given up", async () => {
  const admin = pipeline.client();
  await admin.create("namespaces", { metadata: { name: "kube-node-lease" } }).catch(() => undefined); // it may be there
  const keeper = await keeperWith(OWN);
  const { metadata } = await keeper.register();
  const running = keeper.run();
  await clock.advance(20_000);
  await admin.delete("nodes", { name: "n1" });
  await admin.delete("leases", { namespace: "kube-node-lease", name: "n1" }); // by garbage collection
  await clock.advance(55_000);
  expect(await admin.find("nodes", { name: "n1" })).toBeUndefined();
  await clock.advance(30_000);
  expect((await admin.get("nodes", { name: "n1" })).metadata.uid).not.toBe(metadata.uid);
  stopping.abort();
  await running;
});

test.each<[string, (string | undefined)[], boolean]>([
  ["stays", ["10.0.0.1", "10.0.0.1", "10.0.0.1"], false],
  ["has no default route for a while", [undefined, undefined, "10.0.0.1"], false],
  ["is another one for a moment", ["10.0.0.2", "10.0.0.1", "10.0.0.2"], false],
  ["is another one", ["10.0.0.2", "10.0.0.2"], true],
])("an address that %s", async (_what, seen, moved) => {
  const stop = new AbortController();
  let at = 0;
  const look = () => (at < seen.length ? seen[at++] : "10.0.0.1");
  const watching = untilMoved({ address: "10.0.0.1", clock, signal: stop.signal, look });
  const ended = moved ? expect(watching).rejects.toThrow("was 10.0.0.1 and is 10.0.0.2 now") : watching;
  await clock.advance(60_000);
  stop.abort();
  await ended;
});
