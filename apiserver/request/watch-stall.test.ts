/** Watchers on real connections that take nothing: how long their connections stand. */
import { mkdtemp, rm } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type Listening, listenUnix } from "./http.ts";
import { createInFlight } from "./in-flight.ts";

let directory: string;
let path: string;
let pipeline: Pipeline;
let listening: Listening;
let clock: FakeClock;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "stall-"));
  path = join(directory, "socket");
  clock = fakeClock();
  pipeline = await startPipeline();
  listening = await listenUnix({
    handler: pipeline.handler,
    clock,
    log: silent,
    path,
    peer: { kind: "direct", user: "admin", groups: ["system:masters"] },
    inFlight: createInFlight({ clock }),
  });
});

afterAll(async () => {
  await listening.close();
  await pipeline.close();
  await rm(directory, { recursive: true, force: true });
});

function watch(name: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const url = `/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3D${name}`;
    get({ socketPath: path, path: url, agent: false }, resolve).on("error", reject);
  });
}

/** More than a socket's buffers take. */
async function flood(name: string): Promise<void> {
  const client = pipeline.client();
  const text = "x".repeat(500_000);
  let last = await client.create("configmaps", { metadata: { name, namespace: "default" }, data: { text } });
  for (let n = 0; n < 12; n++) {
    last = await client.update("configmaps", { ...last, data: { text: `${n} ${text}` } } as never);
    await systemClock.sleep(5); // bytes travel
  }
}

async function until(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !done(); turn++) await systemClock.sleep(5);
  expect(done()).toBe(true);
}
describe("a watcher on a connection", () => {
  test("that takes nothing loses it, but not at once", async () => {
    const response = await watch("stuck");
    response.pause();
    const broken = new Promise<string>((resolve) => response.on("error", (error) => resolve(error.message)));
    await flood("stuck");
    await clock.advance(limits.watchStallMs - 1_000);
    expect(response.socket.destroyed).toBe(false);
    await clock.advance(1_000);
    response.resume(); // what the kernel has already still comes
    expect(await broken).toBe("aborted");
  });

  test("that takes what it is sent keeps it", async () => {
    const response = await watch("read");
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await flood("read");
    await until(() => bytes > 13 * 500_000);
    await clock.advance(2 * limits.watchStallMs);
    expect(response.socket.destroyed).toBe(false);
    response.destroy();
  });
});
