/** Admission webhooks: who is asked about writes and connections, and what; through the whole pipeline. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startPipeline } from "../../e2e/harness/pipeline.ts";
import {
  configurations,
  deployment,
  MAPS,
  onMaps,
  startWebhooked,
  type Webhooked,
} from "../../e2e/harness/webhooked.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { createMemoryStore } from "../store/memory.ts";

let server: Webhooked;
beforeAll(async () => {
  server = await startWebhooked();
});
beforeEach(() => server.reset());
afterAll(() => server.close());

const send: Webhooked["send"] = (...request) => server.send(...request);
const create: Webhooked["create"] = (...what) => server.create(...what);
let next = 0;

describe("the question", () => {
  test("says what is asked, by whom, and how", async () => {
    await server.configure("validating", "v", {});
    const { status } = await create({ name: "asked" }, "?fieldManager=me&dryRun=All");
    expect(status).toBe(201);
    const [{ path, request } = { path: "", request: {} }] = server.hook.asked;
    expect(path).toBe("/v/0?timeout=5s");
    expect(request).toMatchObject({
      kind: { group: "", version: "v1", kind: "ConfigMap" },
      resource: { group: "", version: "v1", resource: "configmaps" },
      requestKind: { group: "", version: "v1", kind: "ConfigMap" },
      name: "asked",
      namespace: "default",
      operation: "CREATE",
      userInfo: { username: "admin", groups: ["system:masters", "system:authenticated"] },
      object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "asked" }, data: { a: "1" } },
      oldObject: null,
      dryRun: true,
      options: { apiVersion: "meta.k8s.io/v1", kind: "CreateOptions", dryRun: ["All"], fieldManager: "me" },
    });
  });

  test("has both objects of an update, and the old one of a delete", async () => {
    await create({ name: "both" });
    await server.configure("validating", "v", {});
    await send(
      "PATCH",
      `${MAPS}/both`,
      { data: { b: "2" } },
      { headers: { "content-type": "application/merge-patch+json" } },
    );
    await send("DELETE", `${MAPS}/both`, { gracePeriodSeconds: 0 });
    const [update, gone] = server.hook.asked.map(({ request }) => request);
    expect(update.operation).toBe("UPDATE");
    expect([update.object.data, update.oldObject.data]).toEqual([{ a: "1", b: "2" }, { a: "1" }]);
    expect(update.object.metadata.resourceVersion).toBe(update.oldObject.metadata.resourceVersion);
    expect(update.options.kind).toBe("PatchOptions");
    expect(gone).toMatchObject({ operation: "DELETE", object: null, oldObject: { data: { b: "2" } } });
    expect(gone.options).toMatchObject({ kind: "DeleteOptions", gracePeriodSeconds: 0 });
  });

  test("is asked at a Service's endpoint, under the Service's name", async () => {
    const spec = { type: "ExternalName", externalName: "localhost" };
    await send("POST", "/api/v1/namespaces/default/services", { metadata: { name: "hook" }, spec });
    const service = { namespace: "default", name: "hook", path: "/check", port: server.hook.port };
    await server.configure("validating", "v", { clientConfig: { service, caBundle: server.hook.caBundle } });
    const { status, value } = await create();
    expect(status, value.message).toBe(201);
    expect(server.hook.asked.map(({ path }) => path)).toEqual(["/check?timeout=5s"]);
  });
});

interface MatchCase {
  readonly webhook: object;
  readonly does: () => Promise<unknown>;
  readonly asks: readonly string[];
}

const rule = (resources: string[], operations = ["*"], more: object = {}) => ({
  rules: [{ apiGroups: ["*"], apiVersions: ["*"], operations, resources, ...more }],
});
const events = (name: string) => ({
  metadata: { name },
  regarding: { kind: "Pod", name: "x", namespace: "default" },
  eventTime: "2026-01-01T00:00:00.000000Z",
  reportingController: "example.com/c",
  reportingInstance: "c",
  action: "a",
  reason: "r",
  type: "Normal",
});

describe("who is asked", () => {
  test.each<[string, MatchCase]>([
    ["operations", { webhook: rule(["configmaps"], ["DELETE"]), does: () => create(), asks: [] }],
    ["resources", { webhook: rule(["secrets"]), does: () => create(), asks: [] }],
    ["every resource", { webhook: rule(["*"], ["CREATE"]), does: () => create(), asks: ["CREATE ConfigMap "] }],
    ["scope", { webhook: rule(["*"], ["*"], { scope: "Cluster" }), does: () => create(), asks: [] }],
    [
      "a subresource, with what is sent to it",
      {
        webhook: rule(["deployments/scale"]),
        does: async () => {
          await send("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("d"));
          await send("PUT", "/apis/apps/v1/namespaces/default/deployments/d/scale", {
            metadata: { name: "d", namespace: "default" },
            spec: { replicas: 3 },
          });
        },
        asks: ["UPDATE Scale scale"],
      },
    ],
    [
      "tokens, and questions about permissions",
      {
        webhook: rule(["*/token", "subjectaccessreviews"]),
        does: async () => {
          await send("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", { spec: {} });
          await send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
            spec: { user: "u", resourceAttributes: { verb: "get", resource: "pods" } },
          });
        },
        asks: ["CREATE TokenRequest token", "CREATE SubjectAccessReview "],
      },
    ],
    [
      "connections",
      {
        webhook: rule(["pods/exec", "services/proxy"], ["CONNECT"]),
        does: async () => {
          await send("POST", "/api/v1/namespaces/default/pods/none/exec?container=c&command=ls&command=-l&stdin=true");
          await send("GET", "/api/v1/namespaces/default/services/https:none:1/proxy/a/b");
        },
        asks: ["CONNECT PodExecOptions exec", "CONNECT ServiceProxyOptions proxy"],
      },
    ],
    [
      "labels of the object",
      { webhook: { objectSelector: { matchLabels: { x: "y" } } }, does: () => create(), asks: [] },
    ],
    [
      "labels of the object that are there",
      {
        webhook: { objectSelector: { matchLabels: { x: "y" } } },
        does: () => create({ labels: { x: "y" } }),
        asks: ["CREATE ConfigMap "],
      },
    ],
    [
      "labels of the namespace",
      {
        webhook: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "other" } } },
        does: () => create(),
        asks: [],
      },
    ],
    [
      "match conditions",
      {
        webhook: {
          matchConditions: [{ name: "big", expression: "object.data.size() > 5 || request.userInfo.username == 'x'" }],
        },
        does: () => create(),
        asks: [],
      },
    ],
    [
      "the same object under another group, if equivalents count",
      {
        webhook: { rules: [{ ...onMaps, resources: ["events"] }] },
        does: () => send("POST", "/apis/events.k8s.io/v1/namespaces/default/events", events("e1")),
        asks: ["CREATE Event "],
      },
    ],
    [
      "and not if they do not",
      {
        webhook: { rules: [{ ...onMaps, resources: ["events"] }], matchPolicy: "Exact" },
        does: () => send("POST", "/apis/events.k8s.io/v1/namespaces/default/events", events("e2")),
        asks: [],
      },
    ],
    [
      "never about configurations of admission itself",
      {
        webhook: rule(["*"], ["CREATE"]),
        does: () => send("POST", configurations("mutating"), { metadata: { name: `never${next++}` } }),
        asks: [],
      },
    ],
  ])("%s", async (_name, { webhook, does, asks }) => {
    await server.configure("validating", "v", webhook);
    server.hook.asked.length = 0;
    await does();
    expect(server.hook.asked.map(({ request: r }) => `${r.operation} ${r.kind.kind} ${r.subResource ?? ""}`)).toEqual(
      asks,
    );
  });

  test("an exec shows what is to be run; an event of another group is converted", async () => {
    await server.configure("validating", "v", rule(["pods/exec"]), { rules: [{ ...onMaps, resources: ["events"] }] });
    await send(
      "POST",
      "/api/v1/namespaces/default/pods/none/exec?container=c&command=ls&command=-l&stdin=true&tty=false",
    );
    const { status, value } = await send("POST", "/apis/events.k8s.io/v1/namespaces/default/events", events("e3"));
    expect(status, value.message).toBe(201);
    const [exec, event] = server.hook.asked.map(({ request }) => request);
    expect(exec.object).toEqual({
      kind: "PodExecOptions",
      apiVersion: "v1",
      container: "c",
      command: ["ls", "-l"],
      stdin: true,
    });
    expect(event.object).toMatchObject({ apiVersion: "v1", kind: "Event", involvedObject: { name: "x" } });
    expect(event.requestResource.group).toBe("events.k8s.io");
  });
});

test("a webhook about everything, which nobody answers, does not keep a server from starting again", async () => {
  const store = createMemoryStore({ clock: systemClock });
  const first = await startPipeline({ store });
  const webhook = {
    name: "all.example.com",
    clientConfig: { url: "https://127.0.0.1:1/" },
    rules: [{ apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"] }],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
  };
  const body = { metadata: { name: "all" }, webhooks: [webhook] };
  for (const kind of ["mutating", "validating"] as const)
    expect((await first.send({ method: "POST", path: configurations(kind), body })).status).toBe(201);
  await first.apiserver.close();
  const second = await startPipeline({ store, withoutDefaultAccount: true });
  const made = await second.send({ method: "POST", path: MAPS, body: { metadata: { name: "x" } } });
  expect(made.value.message).toContain('failed calling webhook "all.example.com"');
  expect((await second.send({ method: "DELETE", path: `${configurations("mutating")}/all` })).status).toBe(200);
  await second.close();
});
