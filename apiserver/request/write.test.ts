/** Writes: create, update, patch and delete through the whole pipeline. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, type RawResponse, startPipeline } from "../../e2e/harness/pipeline.ts";
import { storagePrefix } from "../cache/keys.ts";
import { storedJson } from "../cache/object-json.ts";
import { decodeEnvelope, encodeObject } from "../store/envelope.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const CONFIGMAPS = "/api/v1/namespaces/default/configmaps";
const PODS = "/api/v1/namespaces/default/pods";
const send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) });
const create = (name: string, more: object = {}) => send("POST", CONFIGMAPS, { metadata: { name }, ...more });
const patch = (path: string, type: string, body: unknown) =>
  send("PATCH", path, body, { "content-type": `application/${type}` });
const pod = (name: string, more: object = {}, spec: object = {}) => ({
  metadata: { name, ...more },
  spec: { containers: [{ name: "c", image: "i:1" }], ...spec },
});
const failed = ({ value }: RawResponse) => `${value.code} ${value.reason}: ${value.message}`;

describe("create", () => {
  test("fills in what only the server knows", async () => {
    const { status, value } = await create("filled", { data: { a: "1" } });
    expect(status).toBe(201);
    expect(value).toMatchObject({ kind: "ConfigMap", apiVersion: "v1", data: { a: "1" } });
    expect(value.metadata).toMatchObject({ name: "filled", namespace: "default" });
    expect(value.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(value.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(Number(value.metadata.resourceVersion)).toBeGreaterThan(0);
  });

  test("drops what a client may not choose", async () => {
    const metadata = { name: "chosen", uid: "mine", creationTimestamp: "2001-01-01T00:00:00Z", selfLink: "/x" };
    const { value } = await send("POST", CONFIGMAPS, { metadata });
    expect(value.metadata.uid).not.toBe("mine");
    expect(value.metadata.creationTimestamp).not.toBe("2001-01-01T00:00:00Z");
    expect(value.metadata.selfLink).toBeUndefined();
  });

  test("generates names", async () => {
    const names = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const { value } = await send("POST", CONFIGMAPS, { metadata: { generateName: "gen-" } });
      expect(value.metadata.name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      names.add(value.metadata.name);
    }
    expect(names.size).toBe(3);
  });

  test("with dryRun answers as if, and stores nothing", async () => {
    const { status, value } = await send("POST", `${CONFIGMAPS}?dryRun=All`, { metadata: { name: "dry" } });
    expect(status).toBe(201);
    expect(value.metadata.uid).toBeDefined();
    expect((await send("GET", `${CONFIGMAPS}/dry`)).status).toBe(404);
  });

  test("stores nothing for a client that has gone away", async () => {
    const signal = AbortSignal.abort(new Error("the client went away"));
    const { status } = await pipeline.send({
      method: "POST",
      path: CONFIGMAPS,
      body: { metadata: { name: "late" } },
      signal,
    });
    expect(status).toBe(504);
    expect((await send("GET", `${CONFIGMAPS}/late`)).status).toBe(404);
  });

  test("answers as a Table when asked", async () => {
    const headers = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
    const { value } = await send("POST", CONFIGMAPS, { metadata: { name: "tabled" } }, headers);
    expect(value).toMatchObject({ kind: "Table", rows: [{ object: { kind: "PartialObjectMetadata" } }] });
  });

  test.each([
    ["a name that exists", { metadata: { name: "filled" } }, '409 AlreadyExists: configmaps "filled" already exists'],
    [
      "another namespace than the path's",
      { metadata: { name: "x", namespace: "kube-system" } },
      "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request",
    ],
    [
      "a resourceVersion",
      { metadata: { name: "x", resourceVersion: "7" } },
      "400 BadRequest: resourceVersion should not be set on objects to be created",
    ],
    [
      "no name",
      {},
      '422 Invalid: ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    ],
    [
      "another kind",
      { apiVersion: "v1", kind: "Secret", metadata: { name: "x" } },
      '400 BadRequest: Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion',
    ],
    [
      "another version",
      { apiVersion: "v2", kind: "ConfigMap", metadata: { name: "x" } },
      '400 BadRequest: ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
    ],
  ])("refuses %s", async (_what, body, expected) => {
    expect(failed(await send("POST", CONFIGMAPS, body))).toBe(expected);
  });

  test("refuses a namespace that is not there", async () => {
    const response = await send("POST", "/api/v1/namespaces/nowhere/configmaps", { metadata: { name: "x" } });
    expect(failed(response)).toBe('404 NotFound: namespaces "nowhere" not found');
  });

  test("is not possible over all namespaces", async () => {
    expect((await send("POST", "/api/v1/configmaps", { metadata: { name: "x" } })).status).toBe(405);
  });
});

describe("fieldValidation", () => {
  const body = { metadata: { name: "fields" }, dataa: { a: "1" } };
  test("warns unless told otherwise", async () => {
    const { status, headers } = await send("POST", `${CONFIGMAPS}?dryRun=All`, body);
    expect(status).toBe(201);
    expect(headers["warning"]).toEqual([`299 - "unknown field \\"dataa\\""`]);
  });
  test("Strict refuses", async () => {
    expect(failed(await send("POST", `${CONFIGMAPS}?fieldValidation=Strict`, body))).toBe(
      '400 BadRequest: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dataa"',
    );
  });
  test("Ignore says nothing", async () => {
    const { headers, value } = await send("POST", `${CONFIGMAPS}?dryRun=All&fieldValidation=Ignore`, body);
    expect(headers["warning"]).toBeUndefined();
    expect(value.dataa).toBeUndefined();
  });
  test("names keys given twice", async () => {
    const text = '{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}';
    const { value } = await send("POST", `${CONFIGMAPS}?fieldValidation=Strict`, text);
    expect(value.message).toContain('duplicate field "data.a"');
  });
  test("anything else is invalid", async () => {
    expect((await send("POST", `${CONFIGMAPS}?fieldValidation=Loose`, body)).status).toBe(422);
  });
});

describe("update", () => {
  test("replaces, and keeps identity", async () => {
    const { value: made } = await create("replaced", { data: { a: "1" } });
    const { status, value } = await send("PUT", `${CONFIGMAPS}/replaced`, {
      metadata: { name: "replaced" },
      data: { b: "2" },
    });
    expect(status).toBe(200);
    expect(value.data).toEqual({ b: "2" });
    expect(value.metadata.uid).toBe(made.metadata.uid);
    expect(value.metadata.creationTimestamp).toBe(made.metadata.creationTimestamp);
    expect(value.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
  });

  test("that changes nothing writes nothing", async () => {
    const { value: made } = await create("same", { data: { a: "1" } });
    const { value } = await send("PUT", `${CONFIGMAPS}/same`, { metadata: { name: "same" }, data: { a: "1" } });
    expect(value).toEqual(made);
  });

  test("conflicts on an old version in the words that clients look for", async () => {
    const { value: made } = await create("old");
    await send("PUT", `${CONFIGMAPS}/old`, { ...made, data: { a: "1" } });
    expect(failed(await send("PUT", `${CONFIGMAPS}/old`, { ...made, data: { a: "2" } }))).toBe(
      '409 Conflict: Operation cannot be fulfilled on configmaps "old": the object has been modified; please apply your changes to the latest version and try again',
    );
  });

  test("conflicts on another uid", async () => {
    const { value: made } = await create("uid");
    const response = await send("PUT", `${CONFIGMAPS}/uid`, {
      ...made,
      metadata: { ...made.metadata, uid: "0-0-0" },
    });
    expect(response.status).toBe(409);
    expect(response.value.message).toContain("Precondition failed: UID in precondition: 0-0-0, UID in object meta:");
  });

  test("refuses another name than the path's", async () => {
    await create("named");
    expect(failed(await send("PUT", `${CONFIGMAPS}/named`, { metadata: { name: "other" } }))).toBe(
      "400 BadRequest: the name of the object (other) does not match the name on the URL (named)",
    );
  });

  test("of what is not there is 404", async () => {
    expect(failed(await send("PUT", `${CONFIGMAPS}/absent`, { metadata: { name: "absent" } }))).toBe(
      '404 NotFound: configmaps "absent" not found',
    );
  });

  test("of the status completes what was stored before a default was known", async () => {
    await send("POST", PODS, pod("early"));
    const key = `${storagePrefix("", "pods")}default/early`;
    const stored = decodeEnvelope((await pipeline.store.get(key))?.value as Uint8Array);
    const object = JSON.parse(Buffer.from(stored.json).toString());
    delete object.spec.enableServiceLinks;
    const { json, versionAt } = storedJson(object);
    await pipeline.store.commit([], [{ type: "put", key, value: encodeObject(json, versionAt, stored.cause) }]);
    const told = { status: { message: "told" } };
    const { status, value } = await patch(`${PODS}/early/status`, "merge-patch+json", told);
    expect([status, value.spec.enableServiceLinks, value.status.message]).toEqual([200, true, "told"]);
  });

  test("counts a generation for the spec, not for the status", async () => {
    const path = "/apis/apps/v1/namespaces/default/deployments";
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i:1" }] } };
    const spec = { selector: { matchLabels: { a: "b" } }, template };
    const { value: made } = await send("POST", path, { metadata: { name: "gen" }, spec });
    expect(made.metadata.generation).toBe(1);
    const { value: scaled } = await send("PUT", `${path}/gen`, { ...made, spec: { ...made.spec, replicas: 3 } });
    expect(scaled.metadata.generation).toBe(2);
    const status = { observedGeneration: 2, replicas: 3 };
    const { value: told } = await send("PUT", `${path}/gen/status`, { ...scaled, spec: {}, status });
    expect(told.metadata.generation).toBe(2);
    expect(told.spec.replicas).toBe(3);
    expect(told.status).toMatchObject(status);
    const { value: kept } = await send("PUT", `${path}/gen`, { ...told, status: { replicas: 9 } });
    expect(kept.status.replicas).toBe(3);
    expect(kept.metadata.resourceVersion).toBe(told.metadata.resourceVersion);
  });

  test("concurrent updates without a version all happen, one after the other", async () => {
    await create("busy", { data: {} });
    const one = (index: number) => patch(`${CONFIGMAPS}/busy`, "merge-patch+json", { data: { [`k${index}`]: "x" } });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => one(index)));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    const { value } = await send("GET", `${CONFIGMAPS}/busy`);
    expect(Object.keys(value.data)).toHaveLength(12);
  });
});

describe("patch", () => {
  test.each([
    ["json-patch+json", [{ op: "add", path: "/data/b", value: "2" }], { a: "1", b: "2" }],
    ["merge-patch+json", { data: { a: null, b: "2" } }, { b: "2" }],
    ["strategic-merge-patch+json", { data: { b: "2" } }, { a: "1", b: "2" }],
  ])("%s", async (type, body, expected) => {
    const { value: made } = await send("POST", CONFIGMAPS, { metadata: { generateName: "p-" }, data: { a: "1" } });
    const { status, value } = await patch(`${CONFIGMAPS}/${made.metadata.name}`, type, body);
    expect(status).toBe(200);
    expect(value.data).toEqual(expected);
  });

  test("strategic merges containers by name", async () => {
    await send("POST", PODS, pod("strategic"));
    const { value } = await patch(`${PODS}/strategic`, "strategic-merge-patch+json", {
      spec: { containers: [{ name: "c", image: "i:2" }] },
    });
    expect(value.spec.containers).toHaveLength(1);
    expect(value.spec.containers[0]).toMatchObject({ name: "c", image: "i:2" });
  });

  test("with an old resourceVersion conflicts", async () => {
    const { value: made } = await create("patched-old");
    await patch(`${CONFIGMAPS}/patched-old`, "merge-patch+json", { data: { a: "1" } });
    const { resourceVersion } = made.metadata;
    const late = await patch(`${CONFIGMAPS}/patched-old`, "merge-patch+json", { metadata: { resourceVersion } });
    expect(late.status).toBe(409);
  });

  test.each([
    ["apply-patch+yaml", "{}", 422],
    ["apply-patch+cbor", "{}", 415],
    ["json", {}, 415],
    ["json-patch+json", {}, 400],
    ["json-patch+json", [{ op: "remove", path: "/data/nothing" }], 422],
    ["merge-patch+json", "[]", 400],
    ["merge-patch+json", "{nonsense", 400],
    ["merge-patch+json", { metadata: { name: "other" } }, 400],
    ["merge-patch+json", { data: { a: 1 } }, 422],
  ])("%s with %j is answered %i", async (type, body, expected) => {
    await create("bad-patch");
    expect((await patch(`${CONFIGMAPS}/bad-patch`, type, body)).status).toBe(expected);
  });

  test("an unknown patch type is told which ones there are", async () => {
    const { value } = await patch(`${CONFIGMAPS}/bad-patch`, "apply-patch+cbor", "{}");
    expect(value.message).toBe(
      "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
    );
  });
});

describe("delete", () => {
  test("answers a Status with what went", async () => {
    const { value: made } = await create("gone");
    const { status, value } = await send("DELETE", `${CONFIGMAPS}/gone`);
    expect(status).toBe(200);
    expect(value).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name: "gone", kind: "configmaps", uid: made.metadata.uid },
    });
    expect(failed(await send("DELETE", `${CONFIGMAPS}/gone`))).toBe('404 NotFound: configmaps "gone" not found');
  });

  test("keeps to its preconditions", async () => {
    const { value: made } = await create("sure");
    const wrong = await send("DELETE", `${CONFIGMAPS}/sure`, { preconditions: { uid: "another" } });
    expect(failed(wrong)).toContain("409 Conflict: Operation cannot be fulfilled on configmaps");
    const { uid, resourceVersion } = made.metadata;
    expect((await send("DELETE", `${CONFIGMAPS}/sure`, { preconditions: { uid, resourceVersion } })).status).toBe(200);
  });

  test("waits for finalizers, and the last one's removal deletes", async () => {
    const metadata = { name: "held", finalizers: ["example.com/a", "example.com/b"] };
    await send("POST", CONFIGMAPS, { metadata });
    const { status, value } = await send("DELETE", `${CONFIGMAPS}/held`);
    expect(status).toBe(200);
    expect(value.metadata.deletionTimestamp).toBeDefined();
    expect(value.metadata.deletionGracePeriodSeconds).toBe(0);
    const added = await patch(`${CONFIGMAPS}/held`, "merge-patch+json", {
      metadata: { finalizers: ["example.com/a", "example.com/b", "example.com/c"] },
    });
    expect(added.status).toBe(422);
    const finalizers = (list: string[]) =>
      patch(`${CONFIGMAPS}/held`, "merge-patch+json", { metadata: { finalizers: list } });
    expect((await finalizers(["example.com/b"])).status).toBe(200);
    expect((await send("GET", `${CONFIGMAPS}/held`)).status).toBe(200);
    expect((await finalizers([])).status).toBe(200);
    expect((await send("GET", `${CONFIGMAPS}/held`)).status).toBe(404);
  });

  test.each([
    ["Foreground", ["foregroundDeletion"]],
    ["Orphan", ["orphan"]],
  ])("with propagationPolicy %s leaves the rest to the garbage collector", async (propagationPolicy, expected) => {
    await create(`p-${propagationPolicy.toLowerCase()}`);
    const { value } = await send("DELETE", `${CONFIGMAPS}/p-${propagationPolicy.toLowerCase()}`, { propagationPolicy });
    expect(value.metadata.finalizers).toEqual(expected);
    expect(value.metadata.deletionTimestamp).toBeDefined();
  });

  test("refuses a propagation policy that is none", async () => {
    await create("policy");
    expect((await send("DELETE", `${CONFIGMAPS}/policy?propagationPolicy=Later`)).status).toBe(422);
  });

  test("with dryRun deletes nothing", async () => {
    await create("stays");
    expect((await send("DELETE", `${CONFIGMAPS}/stays?dryRun=All`)).status).toBe(200);
    expect((await send("GET", `${CONFIGMAPS}/stays`)).status).toBe(200);
  });

  test("of a Pod that runs nowhere is immediate; on a node it waits for the kubelet", async () => {
    await send("POST", PODS, pod("nowhere"));
    expect((await send("DELETE", `${PODS}/nowhere`)).value).toMatchObject({ kind: "Status" });

    await send("POST", PODS, pod("somewhere", {}, { nodeName: "n1" }));
    const { value } = await send("DELETE", `${PODS}/somewhere`);
    expect(value.metadata.deletionGracePeriodSeconds).toBe(30);
    const shorter = await send("DELETE", `${PODS}/somewhere`, { gracePeriodSeconds: 5 });
    expect(shorter.value.metadata.deletionGracePeriodSeconds).toBe(5);
    const longer = await send("DELETE", `${PODS}/somewhere`, { gracePeriodSeconds: 60 });
    expect(longer.value.metadata.deletionGracePeriodSeconds).toBe(5);
    expect((await send("DELETE", `${PODS}/somewhere`, { gracePeriodSeconds: 0 })).value).toMatchObject({
      kind: "Status",
    });
    expect((await send("GET", `${PODS}/somewhere`)).status).toBe(404);
  });

  test("of a collection takes what the selector matches", async () => {
    for (const [name, app] of [
      ["c1", "x"],
      ["c2", "x"],
      ["c3", "y"],
    ] as const)
      await send("POST", CONFIGMAPS, { metadata: { name, labels: { app } } });
    const { value } = await send("DELETE", `${CONFIGMAPS}?labelSelector=app%3Dx`);
    expect(value.kind).toBe("ConfigMapList");
    expect(value.items.map((one: { metadata: { name: string } }) => one.metadata.name)).toEqual(["c1", "c2"]);
    expect((await send("GET", `${CONFIGMAPS}/c3`)).status).toBe(200);
  });
});

describe("a namespace that is deleted", () => {
  test("takes nothing new, and goes when it is finalized", async () => {
    await send("POST", "/api/v1/namespaces", { metadata: { name: "leaving" } });
    const { value } = await send("DELETE", "/api/v1/namespaces/leaving");
    expect(value.status.phase).toBe("Terminating");
    const refused = await send("POST", "/api/v1/namespaces/leaving/configmaps", { metadata: { name: "x" } });
    expect(failed(refused)).toBe(
      '403 Forbidden: configmaps "x" is forbidden: unable to create new content in namespace leaving because it is being terminated',
    );
    expect(refused.value.details.causes[0].reason).toBe("NamespaceTerminating");
    const finalized = await send("PUT", "/api/v1/namespaces/leaving/finalize", {
      metadata: { name: "leaving" },
      spec: { finalizers: [] },
    });
    expect(finalized.status).toBe(200);
    expect((await send("GET", "/api/v1/namespaces/leaving")).status).toBe(404);
  });

  test("may not be one that the cluster needs", async () => {
    expect(failed(await send("DELETE", "/api/v1/namespaces/kube-system"))).toBe(
      '403 Forbidden: namespaces "kube-system" is forbidden: this namespace may not be deleted',
    );
  });
});
