/** What the controllers do for kinds that are defined while they run: collect, empty namespaces, count. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFINITIONS_PATH, definition, versionOf, withSpec } from "../apiserver/custom/fixture.ts";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

const namespace = "default";
const eventually = (check: () => Promise<void>, timeout = 5_000) =>
  expect.poll(() => check().then(() => true), { timeout }).toBe(true);

const raw = (method: "GET" | "POST" | "DELETE", path: string, body?: unknown) =>
  cluster.client.raw({ method, path, ...(body === undefined ? {} : { body: body as object }) });

const things = (version = "v1", at = namespace, kind = "Thing") =>
  `/apis/example.com/${version}/namespaces/${at}/${kind.toLowerCase()}s`;

async function define(options: Parameters<typeof definition>[0] = {}, path = things()): Promise<void> {
  await raw("POST", DEFINITIONS_PATH, definition(options));
  await eventually(async () => void (await raw("GET", path)));
}

async function thing(name: string, owners: readonly object[] = [], path = things(), more: object = {}) {
  const [, , , version = "v1"] = path.split("/");
  const metadata = { name, ...(owners.length > 0 ? { ownerReferences: owners } : {}), ...more };
  const kind = path.endsWith("/olds") ? "Old" : "Thing";
  return (await raw("POST", path, { apiVersion: `example.com/${version}`, kind, metadata })) as StoredObject;
}

const owner = ({ apiVersion, kind, metadata: { name, uid } }: StoredObject) => ({ apiVersion, kind, name, uid });

const names = async (path: string) =>
  ((await raw("GET", path)) as { items: StoredObject[] }).items.map(({ metadata }) => metadata.name);

const isGone = (path: string) =>
  raw("GET", path).then(
    () => false,
    (error: unknown) => {
      if (isNotFound(error)) return true;
      throw error;
    },
  );

describe("the garbage collector", () => {
  it("collects dependents of a new kind, and objects of it, within seconds", async () => {
    await define();
    const first = await thing("first");
    await thing("second", [owner(first)]);
    const metadata = { namespace, name: "config", ownerReferences: [owner(first)] };
    await cluster.create("configmaps", { metadata });
    await raw("DELETE", `${things()}/first`);
    await eventually(async () => {
      expect(await names(things())).toEqual([]);
      expect(await cluster.list("configmaps", namespace)).toEqual([]);
    });
  });

  it("collects kinds that are not in the version that their group prefers", async () => {
    await define(
      { kind: "Other", versions: [versionOf("v2", withSpec({}), { storage: true })] },
      things("v2", namespace, "Other"),
    );
    const olds = things("v1beta1", namespace, "Old");
    await define({ kind: "Old", versions: [versionOf("v1beta1", withSpec({}), { storage: true })] }, olds);
    const first = await thing("first", [], olds);
    await thing("second", [owner(first)], olds);
    await raw("DELETE", `${olds}/first`);
    await eventually(async () => expect(await names(olds)).toEqual([]));
  });

  it("goes on when a kind went away, and collects what it left behind", async () => {
    await define();
    const first = await thing("first");
    await cluster.create("configmaps", { metadata: { namespace, name: "config", ownerReferences: [owner(first)] } });
    // the collector has seen it: what was never seen of a kind that is gone stays
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await raw("DELETE", `${DEFINITIONS_PATH}/things.example.com`);
    await eventually(async () => expect(await isGone(`${DEFINITIONS_PATH}/things.example.com`)).toBe(true));
    const secret = await cluster.create("secrets", { metadata: { namespace, name: "s" } });
    await cluster.create("configmaps", {
      metadata: { namespace, name: "other", ownerReferences: [owner({ ...secret, apiVersion: "v1", kind: "Secret" })] },
    });
    await cluster.client.delete("secrets", { namespace, name: "s" });
    await eventually(async () =>
      expect((await cluster.list("configmaps", namespace)).map(({ metadata }) => metadata.name)).toEqual([]),
    );
  });

  it("follows a kind that comes again", async () => {
    for (let round = 0; round < 2; round++) {
      await define();
      const first = await thing("first");
      await thing("second", [owner(first)]);
      await raw("DELETE", `${things()}/first`);
      await eventually(async () => expect(await names(things())).toEqual([]));
      await raw("DELETE", `${DEFINITIONS_PATH}/things.example.com`);
      await eventually(async () => expect(await isGone(`${DEFINITIONS_PATH}/things.example.com`)).toBe(true));
    }
  });
});

describe("a namespace", () => {
  it("goes with its custom objects, once their finalizers are gone", async () => {
    await define();
    await cluster.create("namespaces", { metadata: { name: "team" } });
    const path = things("v1", "team");
    await thing("free", [], path);
    await thing("held", [], path, { finalizers: ["example.com/hold"] });
    await cluster.client.delete("namespaces", { name: "team" });
    await eventually(async () => {
      expect(await names(path)).toEqual(["held"]);
      const { status } = await cluster.client.get("namespaces", { name: "team" });
      const messages = status?.conditions?.map(({ message }) => message);
      expect(messages).toContain("Some resources are remaining: things.example.com has 1 resource instances");
    });
    await cluster.client.raw({
      method: "PATCH",
      path: `${path}/held`,
      headers: { "content-type": "application/merge-patch+json" },
      body: { metadata: { finalizers: null } },
    });
    await eventually(async () => expect(await cluster.client.find("namespaces", { name: "team" })).toBeUndefined());
  });
});

describe("a quota", () => {
  it("counts and limits custom objects", async () => {
    await define();
    await thing("before");
    const hard = { "count/things.example.com": "2" };
    await cluster.create("resourcequotas", { metadata: { namespace, name: "q" }, spec: { hard } });
    const used = async () => (await cluster.client.get("resourcequotas", { namespace, name: "q" })).status?.used;
    await eventually(async () => expect(await used()).toEqual({ "count/things.example.com": "1" }));
    await thing("second");
    expect(await used()).toEqual({ "count/things.example.com": "2" });
    const full =
      'things.example.com "third" is forbidden: exceeded quota: q, requested: count/things.example.com=1, used: count/things.example.com=2, limited: count/things.example.com=2';
    await expect(thing("third")).rejects.toThrow(full);
  });
});
