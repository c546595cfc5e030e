import { afterEach, beforeEach, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { serve } from "../../e2e/harness/served.ts";

let pipeline: Pipeline;
beforeEach(async () => {
  pipeline = await startPipeline();
});
afterEach(() => pipeline.close());

const maps = "/api/v1/namespaces/default/configmaps";
const configMap = { metadata: { name: "one" }, data: { key: "value" } };

async function metrics(): Promise<Map<string, number>> {
  const { status, headers, value } = await pipeline.send({ path: "/metrics" });
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = String(value)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

const labels = (verb: string, scope: string, more: Record<string, string> = {}) => {
  const all = {
    verb,
    dry_run: "",
    group: "",
    version: "v1",
    resource: "configmaps",
    subresource: "",
    scope,
    component: "apiserver",
    ...more,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",");
};

test("requests are counted by what they ask for and how they end", async () => {
  await pipeline.send({ method: "POST", path: maps, body: configMap });
  await pipeline.send({ method: "POST", path: maps, body: configMap });
  await pipeline.send({ method: "POST", path: `${maps}?dryRun=All`, body: { metadata: { name: "two" } } });
  await pipeline.send({ path: maps });
  await pipeline.send({ path: "/api/v1/configmaps" });
  await pipeline.send({ path: `${maps}/none` });
  await pipeline.send({ path: "/livez" });
  const found = await metrics();
  const total = (text: string, code: number) => found.get(`apiserver_request_total{${text},code="${code}"}`);
  expect(total(labels("POST", "resource"), 201)).toBe(1);
  expect(total(labels("POST", "resource"), 409)).toBe(1);
  expect(total(labels("POST", "resource", { dry_run: "All" }), 201)).toBe(1);
  expect(total(labels("LIST", "namespace"), 200)).toBe(1);
  expect(total(labels("LIST", "cluster"), 200)).toBeGreaterThanOrEqual(1);
  expect(total(labels("GET", "resource"), 404)).toBe(1);
  expect(total(labels("GET", "", { version: "", resource: "", subresource: "/livez" }), 200)).toBe(1);
  expect(found.get(`apiserver_request_duration_seconds_count{${labels("POST", "resource")}}`)).toBe(2);
  expect(found.get(`apiserver_request_duration_seconds_bucket{${labels("POST", "resource")},le="+Inf"}`)).toBe(2);
  expect(found.get('apiserver_current_inflight_requests{request_kind="readOnly"}')).toBe(1);
});

test("names that clients make up become no labels", async () => {
  for (let index = 0; index < 20; index++) {
    await pipeline.send({ path: `/apis/made.up/v${index}/things` });
    await pipeline.send({ path: `/made/up/${index}` });
  }
  expect([...(await metrics()).keys()].filter((name) => name.includes("made"))).toEqual([]);
});

test("stored objects, the store's calls, admission and identities are told", async () => {
  await pipeline.send({ method: "POST", path: maps, body: configMap });
  await pipeline.send({ path: maps, peer: { kind: "anonymous" }, headers: { authorization: "Bearer bad" } });
  await pipeline.send({ path: maps, user: "eve", groups: [] });
  const found = await metrics();
  expect(found.get('apiserver_resource_objects{group="",resource="configmaps"}')).toBeGreaterThan(0);
  expect(
    found.get('etcd_request_duration_seconds_count{operation="create",group="",resource="configmaps"}'),
  ).toBeGreaterThan(0);
  expect(
    found.get(
      'apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="false",type="admit"}',
    ),
  ).toBeGreaterThan(0);
  expect(found.get('authentication_attempts{result="error"}')).toBe(1);
  expect(found.get('authorization_attempts_total{result="no-opinion"}')).toBe(1);
  expect(found.get("process_resident_memory_bytes")).toBeGreaterThan(0);
});

test("an open watch is told until it ends", async () => {
  await pipeline.send({ method: "POST", path: maps, body: configMap });
  const open = 'apiserver_longrunning_requests{verb="WATCH",group="",resource="configmaps"}';
  const gone = new AbortController();
  const watch = pipeline
    .transport()
    .watch({ method: "GET", path: maps, query: { watch: "true" }, signal: gone.signal });
  for await (const _ of watch) {
    expect((await metrics()).get(open)).toBe(1);
    break;
  }
  gone.abort();
  await expect.poll(async () => (await metrics()).get(open)).toBe(0);
});

test("the watch cache and what is read from the store are told", async () => {
  await pipeline.send({ method: "POST", path: maps, body: { metadata: { name: "told" } } });
  const before = await metrics();
  await pipeline.send({ method: "PATCH", path: `${maps}/told`, headers: MERGE, body: { data: { a: "1" } } });
  const after = await metrics();
  const of = (name: string) => `apiserver_watch_cache_${name}{group="",resource="configmaps"}`;
  expect((after.get(of("events_received_total")) ?? 0) - (before.get(of("events_received_total")) ?? 0)).toBe(1);
  expect(after.get(of("events_dispatched_total"))).toBe(after.get(of("events_received_total")));
  expect(after.get(of("capacity"))).toBeGreaterThan(0);
  expect(after.get(of("initializations_total"))).toBe(1);
  expect(after.get('apiserver_storage_list_total{group="",resource="all"}')).toBeGreaterThan(0);
});

const MERGE = { "content-type": "application/merge-patch+json" };

test("over a socket, sizes of answers and of watch events are told", async () => {
  const served = await serve(pipeline);
  const made = await served.kubectl(["create", "configmap", "sized", "--from-literal=a=b"]);
  expect(made).toMatchObject({ code: 0 });
  await served.kubectl(["get", "--raw", `${maps}/sized`]);
  await served.kubectl(["get", "--raw", maps]);
  await served.kubectl(["get", "--raw", `${maps}?watch=true&timeoutSeconds=1`]);
  const found = await metrics();
  const size = (verb: string, scope: string) => {
    const text = `component="apiserver",group="",resource="configmaps",scope="${scope}",subresource="",verb="${verb}",version="v1"`;
    const key = [...found.keys()].find((name) => sorted(name) === `apiserver_response_sizes_sum{${text}}`);
    return found.get(key ?? "");
  };
  expect(size("GET", "resource")).toBeGreaterThan(100);
  expect(size("LIST", "namespace")).toBeGreaterThan(200);
  const events = 'apiserver_watch_events_total{group="",version="v1",kind="ConfigMap"}';
  expect(found.get(events)).toBeGreaterThan(0);
  expect(found.get(events.replace("total", "sizes_count"))).toBe(found.get(events));
  await served.close();
});

/** A series' name with its labels in order. */
const sorted = (name: string): string =>
  name.replace(
    /\{(.*)\}/,
    (_, labels: string) =>
      `{${labels
        .split(/,(?=\w+=)/)
        .sort()
        .join(",")}}`,
  );
