/** Lists and watches as clients meet them, through the whole pipeline over every store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { WatchEvent } from "../../machinery/client/transport/contract.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Store } from "../store/contract.ts";
import { type EtcdServer, hasEtcd, startEtcd } from "../store/etcd/etcd-server.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";
import { openLmdbStore } from "../store/lmdb/lmdb-store.ts";
import { createMemoryStore } from "../store/memory.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const OURS = "labelSelector=of%3Dlists";
const TABLE = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
const METADATA = { accept: "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io" };
const METADATA_LIST = { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" };

describe.each(hasEtcd() ? ["memory", "lmdb", "etcd"] : ["memory", "lmdb"])("lists and watches over %s", (kind) => {
  let etcd: EtcdServer | undefined;
  let directory = "";
  let pipeline: Pipeline;
  beforeAll(async () => {
    let store: Store;
    if (kind === "etcd") {
      etcd = await startEtcd();
      store = openEtcdStore({ endpoints: [etcd.endpoint], clock, log: silent });
    } else if (kind === "lmdb") {
      directory = mkdtempSync(join(tmpdir(), "k8ts-lists-"));
      store = await openLmdbStore({ directory, clock, log: silent });
    } else store = createMemoryStore({ clock });
    pipeline = await startPipeline({ store });
    for (const name of ["a", "b", "c", "d", "e"]) await make(name);
  });
  afterAll(async () => {
    await pipeline.close();
    await etcd?.stop();
    if (directory) rmSync(directory, { recursive: true });
  });

  const make = (name: string, labels: Record<string, string> = { of: "lists" }) =>
    pipeline.client().create("configmaps", { metadata: { name, namespace: "default", labels }, data: { name } });
  const relabel = (name: string, labels: Record<string, string | null>) =>
    pipeline.client().patch("configmaps", { namespace: "default", name }, { metadata: { labels } });
  const get = (query: string, headers: Record<string, string> = {}) =>
    pipeline.send({ path: `${MAPS}${query}`, headers });
  const namesOf = ({ items }: { items: { metadata: { name: string } }[] }) =>
    items.map(({ metadata }) => metadata.name);
  const versionNow = async (): Promise<string> => (await get("?limit=1")).value.metadata.resourceVersion;

  /** The first events of a watch as values of JSON. */
  async function events(
    path: string,
    count: number,
    { headers = {}, act }: { headers?: Record<string, string>; act?: () => Promise<unknown> } = {},
    // biome-ignore lint/suspicious/noExplicitAny: events of every form
  ): Promise<WatchEvent<any>[]> {
    const stop = new AbortController();
    const { body, value } = await pipeline.send({ path, headers, signal: stop.signal });
    if (body.kind !== "watch") throw new Error(JSON.stringify(value));
    // biome-ignore lint/suspicious/noExplicitAny: events of every form
    const seen: WatchEvent<any>[] = [];
    const acted = act?.();
    for await (const batch of body.batches) {
      for (const item of batch) seen.push(JSON.parse(Buffer.from(item.encoded()).toString()));
      if (seen.length >= count) break;
    }
    await acted;
    stop.abort();
    return seen;
  }

  test("a list shows at once what was written before it", async () => {
    for (const name of ["now-1", "now-2", "now-3"]) {
      await make(name, { of: "now" });
      expect(namesOf((await get("?labelSelector=of%3Dnow")).value)).toContain(name);
    }
  });

  test("pages of what has changed since are those of the first page's version", async () => {
    const first = (await get("?limit=2")).value;
    expect(first.metadata.remainingItemCount).toBeGreaterThanOrEqual(3);
    await make("aa", { of: "meanwhile" });
    const token = encodeURIComponent(first.metadata.continue);
    const second = (await get(`?limit=2&continue=${token}`)).value;
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(namesOf(second)).not.toContain("aa");
    expect((await get(`?${OURS}&limit=2`)).value.metadata.remainingItemCount).toBeUndefined();
  });

  test("a token of what is compacted is 410 with one that goes on in what there is", async () => {
    const first = (await get(`?limit=1&${OURS}`)).value;
    const at = first.metadata.resourceVersion;
    await relabel("e", { changed: "yes" });
    await versionNow(); // a cache that has not heard of it yet has the first page's state still, and may show it
    await pipeline.store.compact(await pipeline.store.revision());
    const token = encodeURIComponent(first.metadata.continue);
    const expired = await get(`?limit=2&${OURS}&continue=${token}`);
    expect(expired.value).toMatchObject({ kind: "Status", code: 410, reason: "Expired", status: "Failure" });
    expect(expired.value.message).toMatch(/^The provided continue parameter is too old to display a consistent list/);
    const next = encodeURIComponent(expired.value.metadata.continue);
    const rest = (await get(`?limit=2&${OURS}&continue=${next}`)).value;
    expect(namesOf(rest)).toEqual(["b", "c"]);
    expect(Number(rest.metadata.resourceVersion)).toBeGreaterThan(Number(at));
    const last = (await get(`?${OURS}&continue=${encodeURIComponent(rest.metadata.continue)}`)).value;
    expect(namesOf(last)).toEqual(["d", "e"]);
    const exact = await get(`?resourceVersion=${at}&resourceVersionMatch=Exact`);
    expect(exact.value).toMatchObject({
      code: 410,
      reason: "Expired",
      message: "The resourceVersion for the provided list is too old.",
    });
  });

  test("a version that is not there yet is 504 after 3 s, which tells to come back", async () => {
    const future = String(Number(await versionNow()) + 1_000);
    for (const path of [`?resourceVersion=${future}`, `/a?resourceVersion=${future}`]) {
      const { value } = await get(path);
      expect(value).toMatchObject({
        code: 504,
        reason: "Timeout",
        details: { retryAfterSeconds: 1, causes: [{ reason: "ResourceVersionTooLarge" }] },
      });
      expect(value.message).toMatch(new RegExp(`^Timeout: Too large resource version: ${future}, current: \\d+$`));
    }
  });

  test("resourceVersion=0 takes no notice of the limit", async () => {
    const { metadata, items } = (await get("?resourceVersion=0&limit=1")).value;
    expect(items.length).toBeGreaterThan(1);
    expect(metadata.continue).toBeUndefined();
  });

  test.each([
    ["GET", "?resourceVersionMatch=Exact", 422],
    ["GET", "?sendInitialEvents=true", 422],
    ["GET", "?watch=1&sendInitialEvents=true", 422],
    ["GET", "?watch=1&resourceVersionMatch=NotOlderThan", 422],
    ["GET", "?watch=1&resourceVersion=x", 400],
    ["GET", "?continue=x&resourceVersion=5", 400],
    ["DELETE", "?resourceVersionMatch=Exact", 422],
    ["DELETE", "?resourceVersion=0&resourceVersionMatch=Exact", 422],
    ["DELETE", "?continue=x", 400],
  ])("%s %s is %i", async (method, query, code) => {
    const { value } = await pipeline.send({ method, path: `${MAPS}${query}` });
    expect(value).toMatchObject({ kind: "Status", code });
  });

  test("updates that leave or enter a selector are DELETED and ADDED, with what was and the version that it ended at", async () => {
    const from = await versionNow();
    await make("moving", { of: "lists", at: "x" });
    const path = `${MAPS}?watch=1&resourceVersion=${from}&labelSelector=at%3Dx`;
    const seen = await events(path, 4, {
      async act() {
        await relabel("moving", { at: "y" });
        await relabel("moving", { at: "x" });
        await pipeline.client().delete("configmaps", { namespace: "default", name: "moving" });
      },
    });
    expect(seen.map(({ type, object }) => [type, object.metadata.labels.at])).toEqual([
      ["ADDED", "x"],
      ["DELETED", "x"],
      ["ADDED", "x"],
      ["DELETED", "x"],
    ]);
    const versions = seen.map(({ object }) => Number(object.metadata.resourceVersion));
    expect([...versions].sort((a, b) => a - b)).toEqual(versions);
    expect(new Set(versions).size).toBe(4);
  });

  test("watches begin with what there is, marked where bookmarks are allowed", async () => {
    const plain = await events(`${MAPS}?watch=1&${OURS}`, 5);
    expect(plain.every(({ type }) => type === "ADDED")).toBe(true);
    for (const query of ["", "&resourceVersion=0", "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"]) {
      const seen = await events(`${MAPS}?watch=1&${OURS}&allowWatchBookmarks=true${query}`, 6);
      expect(seen.map(({ type }) => type)).toEqual([...Array(5).fill("ADDED"), "BOOKMARK"]);
      expect(seen[5]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
    }
    const stop = "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    expect((await events(`${MAPS}?watch=1&${OURS}${stop}`, 1)).map(({ type }) => type)).toEqual(["BOOKMARK"]);
  });

  test("the old paths watch all, a namespace and one name", async () => {
    expect(await events("/api/v1/watch/configmaps?labelSelector=of%3Dlists", 5)).toHaveLength(5);
    expect(await events("/api/v1/watch/namespaces/default/configmaps?labelSelector=of%3Dlists", 5)).toHaveLength(5);
    const [one] = await events("/api/v1/watch/namespaces/default/configmaps/b", 1);
    expect(one?.object.metadata.name).toBe("b");
    const other = await pipeline.send({
      path: "/api/v1/watch/namespaces/default/configmaps/b?fieldSelector=metadata.name%3Dc",
    });
    expect(other.value).toMatchObject({
      code: 400,
      message: "fieldSelector metadata.name doesn't match requested name",
    });
  });

  test("Tables and metadata alone are given of gets, lists and watches, in slices the same as whole", async () => {
    expect((await get("/a", TABLE)).value).toMatchObject({
      kind: "Table",
      rows: [{ cells: ["a", 1, expect.any(String)] }],
    });
    const metadata = (await get("/a", METADATA)).value;
    expect(metadata).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "a" } });
    expect(metadata.data).toBeUndefined();
    for (const [headers, count] of [
      [TABLE, "rows"],
      [METADATA_LIST, "items"],
    ] as const) {
      const { body, value } = await get(`?${OURS}`, headers);
      if (body.kind !== "object") throw new Error(body.kind);
      expect(value[count]).toHaveLength(5);
      expect(JSON.parse(Buffer.concat([...(body.encoded?.() ?? [])]).toString())).toEqual(value);
    }
    const [row, ...later] = await events(`${MAPS}?watch=1&${OURS}`, 5, { headers: TABLE });
    expect(row).toMatchObject({
      type: "ADDED",
      object: {
        kind: "Table",
        columnDefinitions: [{ name: "Name" }, { name: "Data" }, { name: "Age" }],
        rows: [{ cells: ["a", 1, expect.any(String)] }],
      },
    });
    for (const { object } of later)
      expect(object).toMatchObject({ kind: "Table", columnDefinitions: null, rows: [{ cells: { length: 3 } }] });
    const [partial] = await events(`${MAPS}?watch=1&${OURS}`, 5, { headers: METADATA });
    expect(partial).toMatchObject({ object: { kind: "PartialObjectMetadata", metadata: { name: "a" } } });
    expect(partial?.object.data).toBeUndefined();
  });
});
