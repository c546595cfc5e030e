/** Integers beyond 2^53 on the whole way: written in every form, read in every form, digit by digit. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const PATH = "/apis/apps/v1/namespaces/default/controllerrevisions";
const WIDE = "9007199254740993";

async function send(method: string, path: string, body?: string, type = "application/json"): Promise<string> {
  const answer = await pipeline.send({ method, path, headers: { "content-type": type }, ...(body ? { body } : {}) });
  expect(answer.status).toBeLessThan(300);
  if (answer.body.kind !== "object") throw new Error(answer.body.kind);
  const { encoded, value } = answer.body;
  return encoded ? Buffer.concat([...encoded()]).toString() : JSON.stringify(value());
}

/** An object that has one of them where rules never look, and one that may be changed. */
const create = (name: string) =>
  send("POST", PATH, `{"metadata":{"name":"${name}"},"revision":1,"data":{"deep":[{"n":${WIDE}}]}}`);

test.each([
  ["PUT", "application/json", (n: string, object: string) => object.replace('"revision":1', `"revision":${n}`)],
  ["PATCH", "application/merge-patch+json", (n: string) => `{"revision":${n}}`],
  ["PATCH", "application/strategic-merge-patch+json", (n: string) => `{"revision":${n}}`],
  ["PATCH", "application/json-patch+json", (n: string) => `[{"op":"replace","path":"/revision","value":${n}}]`],
] as const)("survive %s %s", async (method, type, bodyOf) => {
  const name = `r-${type.replaceAll(/[^a-z]/g, "-")}`;
  const created = await create(name);
  expect(created).toContain(`"n":${WIDE}`);
  const next = "9223372036854775807";
  const changed = await send(method, `${PATH}/${name}`, bodyOf(next, created), type);
  for (const text of [changed, await send("GET", `${PATH}/${name}`), await send("GET", PATH)]) {
    expect(text).toContain(`"n":${WIDE}`);
    expect(text).toContain(`"revision":${next}`);
  }
  expect(await send("GET", `/k8ts/v1/history${PATH}/${name}`)).toContain(`"revision":${next}`);
});

test("are tested, copied and moved by a JSON patch, and have nothing inside", async () => {
  await create("ops");
  const patch = (...operations: string[]) =>
    pipeline.send({
      method: "PATCH",
      path: `${PATH}/ops`,
      headers: { "content-type": "application/json-patch+json" },
      body: `[${operations.join(",")}]`,
    });
  const ok = await patch(
    `{"op":"test","path":"/data/deep/0/n","value":${WIDE}}`,
    '{"op":"copy","from":"/data/deep/0/n","path":"/revision"}',
  );
  expect(ok.status).toBe(200);
  expect(await send("GET", `${PATH}/ops`)).toContain(`"revision":${WIDE}`);
  expect((await patch('{"op":"test","path":"/data/deep/0/n","value":9007199254740995}')).status).toBe(422);
  expect((await patch(`{"op":"test","path":"/data/deep/0/n/rawJSON","value":"${WIDE}"}`)).status).toBe(422);
});

test("survive watches", async () => {
  const stop = new AbortController();
  const { body } = await pipeline.send({ path: `${PATH}?watch=true`, signal: stop.signal });
  await create("watched");
  if (body.kind !== "watch") throw new Error(body.kind);
  for await (const batch of body.batches) {
    const lines = batch.map((item) => Buffer.from(item.encoded()).toString());
    const line = lines.find((one) => one.includes('"watched"'));
    if (!line) continue;
    expect(line).toContain(`"n":${WIDE}`);
    break;
  }
  stop.abort();
});

test("survive a client that reads, changes and writes", async () => {
  await create("client");
  const client = pipeline.client();
  const object = await client.get("controllerrevisions", { namespace: "default", name: "client" });
  await client.update("controllerrevisions", { ...object, revision: 5 });
  expect(await send("GET", `${PATH}/client`)).toContain(`"n":${WIDE}`);
});
