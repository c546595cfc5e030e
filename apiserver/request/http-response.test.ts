/** Long answers: whole and unchanged for readers of every speed, packed or not. */
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type Listening, listenUnix } from "./http.ts";
import { createInFlight } from "./in-flight.ts";

const COUNT = 300;

let directory: string;
let path: string;
let pipeline: Pipeline;
let listening: Listening;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "answers-"));
  path = join(directory, "socket");
  pipeline = await startPipeline();
  const client = pipeline.client();
  for (let index = 0; index < COUNT; index++)
    await client.create("configmaps", {
      metadata: { name: `c${index}`, namespace: "default", labels: { of: "answers" } },
      data: { text: `${index} ✓ `.repeat(500) },
    });
  const peer = { kind: "direct", user: "admin", groups: ["system:masters"] } as const;
  const { handler } = pipeline;
  listening = await listenUnix({
    handler,
    clock: systemClock,
    log: silent,
    path,
    peer,
    inFlight: createInFlight({ clock: systemClock }),
  });
});

afterAll(async () => {
  await listening.close();
  await pipeline.close();
  await rm(directory, { recursive: true, force: true });
});

function list(headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const url = "/api/v1/namespaces/default/configmaps?labelSelector=of%3Danswers";
    httpRequest({ socketPath: path, path: url, headers, agent: false }, resolve).on("error", reject).end();
  });
}

async function bytesOf(response: IncomingMessage, pauseMs: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    if (pauseMs > 0) await systemClock.sleep(pauseMs);
  }
  return Buffer.concat(chunks);
}

describe("a long list", () => {
  const expected = async () =>
    (await pipeline.client().list("configmaps", { namespace: "default", labelSelector: "of=answers" })).items;

  test("reaches fast and slow readers alike, at the same time", async () => {
    const answers = await Promise.all([0, 2, 0, 5].map(async (pauseMs) => bytesOf(await list(), pauseMs)));
    for (const answer of answers) expect(JSON.parse(answer.toString()).items).toEqual(await expected());
  });

  test("is the same when it is packed", async () => {
    const response = await list({ "accept-encoding": "gzip" });
    expect(response.headers["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(await bytesOf(response, 1)).toString()).items).toEqual(await expected());
  });

  test("does not keep the server busy for a reader that goes away", async () => {
    const response = await list();
    response.destroy();
    expect(JSON.parse((await bytesOf(await list(), 0)).toString()).items).toHaveLength(COUNT);
  });
});
