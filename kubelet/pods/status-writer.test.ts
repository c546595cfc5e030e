/** Status writer against the real API server: what it writes again, and what it leaves to others. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { createStatusWriter, type StatusWriter } from "./status-writer.ts";

const ref = { namespace: "default", name: "web" };
let pipeline: Pipeline;
let client: Client;
let writer: StatusWriter;
let pod: Pod;

beforeEach(async () => {
  pipeline = await startPipeline();
  client = pipeline.client();
  writer = createStatusWriter({ client, clock: systemClock, log: silent, signal: new AbortController().signal });
  const spec = { nodeName: "n1", containers: [{ name: "c", image: "a:1" }] };
  pod = await client.create("pods", { metadata: ref, spec });
});
afterEach(() => pipeline.close());

const set = async (status: PodStatus) => {
  writer.set(pod, { ...pod.status, ...status });
  await writer.written(pod.metadata.uid);
};
/** Somebody else writes, and the kubelet sees it. */
const overwrite = async (status: PodStatus) => {
  writer.seen(await client.patch("pods", ref, { status }, { subresource: "status" }));
  await writer.written(pod.metadata.uid);
};
const phase = async () => (await client.get("pods", ref)).status?.phase;

describe("a status", () => {
  it("is written again where somebody overwrote it", async () => {
    await set({ phase: "Running" });
    await overwrite({ phase: "Pending" });
    expect(await phase()).toBe("Running");
  });

  it.each(["Failed", "Succeeded"])("is not written over %s by one that has not ended", async (end) => {
    await set({ phase: "Running" });
    await overwrite({ phase: end });
    expect(await phase()).toBe(end);
    await set({ phase: end, message: "told" });
    expect((await client.get("pods", ref)).status).toMatchObject({ phase: end, message: "told" });
  });
});
