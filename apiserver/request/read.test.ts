/** Reads: get, list and watch with selectors, pages and representations, through the whole pipeline. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { WatchEvent, WatchItem } from "../../machinery/client/transport/contract.ts";

let pipeline: Pipeline;
const PODS = "/api/v1/namespaces/default/pods";
const TABLE = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };
const METADATA = { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" };

beforeAll(async () => {
  pipeline = await startPipeline();
  const client = pipeline.client();
  for (const [name, app, node] of [
    ["a", "web", "n1"],
    ["b", "web", ""],
    ["c", "db", "n2"],
  ] as const)
    await client.create("pods", {
      metadata: { name, namespace: "default", labels: { app } },
      spec: { containers: [{ name: "c", image: "i:1" }], ...(node ? { nodeName: node } : {}) },
    });
});
afterAll(() => pipeline.close());

const get = (path: string, headers: Record<string, string> = {}) => pipeline.send({ path, headers });
const namesOf = (list: { items: { metadata: { name: string } }[] }) => list.items.map(({ metadata }) => metadata.name);

describe("get", () => {
  test("answers the object", async () => {
    const { status, value } = await get(`${PODS}/a`);
    expect(status).toBe(200);
    expect(value).toMatchObject({ kind: "Pod", apiVersion: "v1", metadata: { name: "a" } });
  });
  test("of what is not there says so", async () => {
    const { value } = await get(`${PODS}/nothing`);
    expect(value).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'pods "nothing" not found',
      reason: "NotFound",
      details: { name: "nothing", kind: "pods" },
      code: 404,
    });
  });
  test("answers as YAML when asked", async () => {
    const { value, headers } = await get(`${PODS}/a`, { accept: "application/yaml" });
    expect(headers["content-type"]).toBe("application/yaml");
    expect(value).toContain("kind: Pod\n");
  });
  test("cannot be had in a form that there is not", async () => {
    expect((await get(`${PODS}/a`, { accept: "image/png" })).status).toBe(406);
    expect((await get(`${PODS}/a`, { accept: "application/cbor" })).status).toBe(406);
    expect((await get(`${PODS}/a`, { accept: "application/cbor,application/json" })).status).toBe(200);
  });
});

describe("list", () => {
  test.each([
    ["", ["a", "b", "c"]],
    ["?labelSelector=app%3Dweb", ["a", "b"]],
    ["?labelSelector=app%20in%20(db)", ["c"]],
    ["?labelSelector=!app", []],
    ["?fieldSelector=metadata.name%3Da", ["a"]],
    ["?fieldSelector=spec.nodeName%3Dn2", ["c"]],
    ["?fieldSelector=spec.nodeName%3D", ["b"]],
    ["?fieldSelector=spec.nodeName!%3Dn1", ["b", "c"]],
    ["?fieldSelector=status.phase%3DPending,metadata.namespace%3Ddefault", ["a", "b", "c"]],
    ["?fieldSelector=status.phase%3DRunning", []],
    ["?resourceVersion=0", ["a", "b", "c"]],
  ])("%s", async (query, expected) => {
    const { status, value } = await get(PODS + query);
    expect(status).toBe(200);
    expect(value.kind).toBe("PodList");
    expect(namesOf(value)).toEqual(expected);
  });

  test("goes on where it stopped, at the same version", async () => {
    const first = await get(`${PODS}?limit=2`);
    expect(namesOf(first.value)).toEqual(["a", "b"]);
    expect(first.value.metadata.remainingItemCount).toBe(1);
    const second = await get(`${PODS}?limit=2&continue=${encodeURIComponent(first.value.metadata.continue)}`);
    expect(namesOf(second.value)).toEqual(["c"]);
    expect(second.value.metadata.continue).toBeUndefined();
    expect(second.value.metadata.resourceVersion).toBe(first.value.metadata.resourceVersion);
  });

  test("as JSON bytes is the same as the value", async () => {
    const { body, value } = await get(PODS);
    if (body.kind !== "object") throw new Error(body.kind);
    const bytes = Buffer.concat([...(body.encoded?.() ?? [])]);
    expect(JSON.parse(bytes.toString())).toEqual(value);
  });

  test("over all namespaces", async () => {
    expect((await get("/api/v1/pods")).value.items).toHaveLength(3);
  });

  test("as a Table with columns and metadata", async () => {
    const { value } = await get(PODS, TABLE);
    expect(value).toMatchObject({ kind: "Table", apiVersion: "meta.k8s.io/v1" });
    expect(value.columnDefinitions[0]).toMatchObject({ name: "Name", type: "string", format: "name", priority: 0 });
    expect(value.rows).toHaveLength(3);
    expect(value.rows[0].cells[0]).toBe("a");
    expect(value.rows[0].object).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "a" } });
    const whole = await get(`${PODS}?includeObject=Object`, TABLE);
    expect(whole.value.rows[0].object.kind).toBe("Pod");
    const bare = await get(`${PODS}?includeObject=None`, TABLE);
    expect(bare.value.rows[0].object).toBeUndefined();
  });

  test("as metadata alone", async () => {
    const { value } = await get(PODS, METADATA);
    expect(value.kind).toBe("PartialObjectMetadataList");
    expect(value.items[0]).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "a" } });
    expect(value.items[0].spec).toBeUndefined();
  });

  test.each([
    ["?labelSelector=a%20in%20(b", 400],
    ["?labelSelector=-%3Db", 400],
    ["?fieldSelector=spec.nothing%3Db", 400],
    ["?fieldSelector=metadata.name", 400],
    ["?limit=many", 400],
    ["?continue=nonsense", 400],
    ["?resourceVersion=-1", 400],
    ["?resourceVersionMatch=Exact", 422],
    ["?includeObject=Some", 200],
  ])("%s is answered %i", async (query, expected) => {
    expect((await get(PODS + query)).status).toBe(expected);
  });
});

describe("watch", () => {
  /** The first events of a watch, in the form that is sent. */
  async function events(
    query: string,
    count: number,
    headers: Record<string, string> = {},
    act?: () => Promise<unknown>,
  ) {
    const stop = new AbortController();
    const { body, status } = await pipeline.send({ path: `${PODS}?watch=true&${query}`, headers, signal: stop.signal });
    expect(status).toBe(200);
    if (body.kind !== "watch") throw new Error(body.kind);
    const seen: WatchEvent[] = [];
    const acted = act?.();
    for await (const batch of body.batches as AsyncIterable<readonly WatchItem[]>) {
      for (const item of batch) {
        expect(JSON.parse(Buffer.from(item.encoded()).toString())).toEqual(JSON.parse(JSON.stringify(item.event())));
        seen.push(item.event());
      }
      if (seen.length >= count) break;
    }
    await acted;
    stop.abort();
    return seen;
  }
  // biome-ignore lint/suspicious/noExplicitAny: events of several forms
  const shown = (seen: WatchEvent<any>[]) => seen.map(({ type, object }) => `${type} ${object.metadata?.name ?? ""}`);
  const touch = (name: string) =>
    pipeline
      .client()
      .patch("pods", { namespace: "default", name }, { metadata: { annotations: { at: `${pipeline.clock.uuid()}` } } });

  test("without a version begins with what is there", async () => {
    expect(shown(await events("", 3))).toEqual(["ADDED a", "ADDED b", "ADDED c"]);
  });

  test("from a version brings what happened since", async () => {
    const { value } = await get(PODS);
    const seen = await events(`resourceVersion=${value.metadata.resourceVersion}`, 2, {}, async () => {
      await touch("a");
      await touch("b");
    });
    expect(shown(seen)).toEqual(["MODIFIED a", "MODIFIED b"]);
  });

  test("with a selector tells of what comes and goes from it", async () => {
    const { value } = await get(PODS);
    const client = pipeline.client();
    const relabel = (app: string) =>
      client.patch("pods", { namespace: "default", name: "c" }, { metadata: { labels: { app } } });
    const seen = await events(
      `resourceVersion=${value.metadata.resourceVersion}&labelSelector=app%3Dweb`,
      2,
      {},
      async () => {
        await relabel("web");
        await relabel("db");
      },
    );
    expect(shown(seen)).toEqual(["ADDED c", "DELETED c"]);
  });

  test("as a Table", async () => {
    const [first] = await events("", 3, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
    expect(first).toMatchObject({ type: "ADDED", object: { kind: "Table", rows: [{ cells: expect.any(Array) }] } });
  });

  test("with sendInitialEvents marks where the beginning ends", async () => {
    const query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const seen = await events(query, 4);
    expect(shown(seen)).toEqual(["ADDED a", "ADDED b", "ADDED c", "BOOKMARK "]);
    expect(seen[3]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
  });

  test("of one name sees that one only", async () => {
    expect(shown(await events("fieldSelector=metadata.name%3Db", 1))).toEqual(["ADDED b"]);
  });

  test("from a version before history is an ERROR with 410", async () => {
    await pipeline.store.compact(await pipeline.store.revision());
    const fresh = await startPipeline({ store: pipeline.store, withoutDefaultAccount: true });
    const stop = new AbortController();
    const { body, value, status } = await fresh.send({
      path: `${PODS}?watch=true&resourceVersion=1`,
      signal: stop.signal,
    });
    if (body.kind === "watch") {
      for await (const [item] of body.batches) {
        expect(item?.event()).toMatchObject({
          type: "ERROR",
          object: { kind: "Status", code: 410, reason: "Expired" },
        });
        break;
      }
    } else expect([status, value.reason]).toEqual([410, "Expired"]);
    stop.abort();
    await fresh.apiserver.close();
  });

  test("ends when its time is over", async () => {
    const { body } = await pipeline.send({ path: `${PODS}?watch=true&timeoutSeconds=1&resourceVersion=0` });
    if (body.kind !== "watch") throw new Error(body.kind);
    let count = 0;
    for await (const batch of body.batches) count += batch.length;
    expect(count).toBe(3);
  });
});

test("what is read over the direct transport is shared and frozen", async () => {
  const client = pipeline.client();
  const ref = { namespace: "default", name: "a" };
  const [one, two] = [await client.get("pods", ref), await client.get("pods", ref)];
  expect(one).toBe(two);
  expect(Object.isFrozen(one.metadata)).toBe(true);
});
