/** Mutating webhooks: what becomes of objects, and who sees them again. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { patchOf } from "../../e2e/harness/webhook-server.ts";
import { deployment, MAPS, onMaps, startWebhooked, type Webhooked } from "../../e2e/harness/webhooked.ts";

let server: Webhooked;
beforeAll(async () => {
  server = await startWebhooked();
});
beforeEach(() => server.reset());
afterAll(() => server.close());

const send: Webhooked["send"] = (...request) => server.send(...request);
const create: Webhooked["create"] = (...what) => server.create(...what);

describe("mutating webhooks", () => {
  const add = (path: string, value: unknown) => patchOf({ op: "add", path, value });

  test("change what is stored; those after them see it, in the order of names", async () => {
    await server.configure("mutating", "b", {});
    await server.configure("mutating", "a", {}, {});
    server.hook.respond(({ object }, path) =>
      add(`/data/${path.slice(1, 4).replace("/", "-")}`, String(Object.keys(object.data).length)),
    );
    const { status, value } = await create();
    expect(status, value.message).toBe(201);
    expect(value.data).toEqual({ a: "1", "a-0": "1", "a-1": "2", "b-0": "3" });
    expect((await send("GET", `${MAPS}/${value.metadata.name}`)).value.data).toEqual(value.data);
  });

  test("give an object the shape of its kind: unknown fields go, defaults come, rules hold", async () => {
    const pods = { rules: [{ ...onMaps, resources: ["pods"], operations: ["CREATE"] }] };
    await server.configure("mutating", "m", pods);
    const container = { name: "added", image: "i", ports: [{ containerPort: 80 }], unheard: 1 };
    server.hook.respond(() => add("/spec/containers/-", container));
    const pod = (name: string) =>
      send("POST", "/api/v1/namespaces/default/pods", {
        metadata: { name },
        spec: { containers: [{ name: "c", image: "i" }] },
      });
    const { value } = await pod("shaped");
    const [, second] = value.spec.containers;
    expect(second).toMatchObject({ name: "added", imagePullPolicy: "Always", ports: [{ protocol: "TCP" }] });
    expect(second).not.toHaveProperty("unheard");
    expect(value.spec.volumes).toHaveLength(1);
    // plugins see the object again: the new container has its token too
    expect(second.volumeMounts).toMatchObject([{ mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }]);
    server.hook.respond(() => add("/spec/containers/-", { ...container, name: "Bad_Name" }));
    expect((await pod("ruled")).value.message).toContain('spec.containers[1].name: Invalid value: "Bad_Name"');
    server.hook.respond(() => add("/spec/containers", "none"));
    expect((await pod("typed")).value.message).toContain("cannot unmarshal string into Go struct field");
  });

  test("are asked again where they ask for it and the object changed after them, and no third time", async () => {
    await server.configure("mutating", "m", { reinvocationPolicy: "IfNeeded" }, { reinvocationPolicy: "IfNeeded" }, {});
    server.hook.respond((_request, path) => (path.startsWith("/m/1") ? add("/data/more", "x") : { allowed: true }));
    await create();
    expect(server.hook.asked.map(({ path }) => path.slice(0, 4))).toEqual(["/m/0", "/m/1", "/m/2", "/m/0"]);
  });

  test("see deletes, which they cannot change", async () => {
    await create({ name: "stays" });
    await server.configure("mutating", "m", {});
    server.hook.respond(() => add("/data/x", "y"));
    const { status, value } = await send("DELETE", `${MAPS}/stays`);
    const why = "attempted to modify the object, which is not supported for this operation";
    expect([status, value.message]).toEqual([
      500,
      `Internal error occurred: admission webhook "h0.m.example.com" ${why}`,
    ]);
  });

  test("change the size that a scale asks for", async () => {
    const rules = [{ ...onMaps, apiGroups: ["apps"], resources: ["deployments/scale"] }];
    await send("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("s"));
    await server.configure("mutating", "m", { rules });
    server.hook.respond(({ object }) =>
      patchOf({ op: "replace", path: "/spec/replicas", value: Math.min(object.spec.replicas, 2) }),
    );
    const path = "/apis/apps/v1/namespaces/default/deployments/s";
    const { value } = await send("PUT", `${path}/scale`, {
      metadata: { name: "s", namespace: "default" },
      spec: { replicas: 9 },
    });
    expect(value.spec.replicas).toBe(2);
    expect((await send("GET", path)).value.spec.replicas).toBe(2);
  });

  test.each<[string, object, number, RegExp]>([
    [
      "elsewhere",
      { path: "/metadata/namespace", value: "kube-system" },
      400,
      /^the namespace of the provided object does not match/,
    ],
    [
      "to what is not there",
      { path: "/nowhere/x", value: 1 },
      500,
      /^Internal error occurred: add operation does not apply/,
    ],
  ])("may not change an object %s", async (_name, operation, code, message) => {
    await server.configure("mutating", "m", {});
    server.hook.respond(() => patchOf({ op: "add", ...operation }));
    const { status, value } = await create();
    expect([status, value.message]).toEqual([code, expect.stringMatching(message)]);
  });

  test.each<[string, object, RegExp]>([
    ["a patch without its type", { patch: "W10=" }, /webhook returned response.patch but not response.patchType$/],
    [
      "a type without its patch",
      { patchType: "JSONPatch" },
      /webhook returned response.patchType but not response.patch$/,
    ],
    [
      "another type of patch",
      { patch: "W10=", patchType: "Merge" },
      /webhook returned invalid response.patchType of "Merge"$/,
    ],
    [
      "no patch at all",
      { patch: "e30=", patchType: "JSONPatch" },
      /received undecodable patch in webhook response: json: cannot/,
    ],
  ])("may not answer %s", async (_name, answer, message) => {
    await server.configure("mutating", "m", {});
    server.hook.respond(() => ({ allowed: true, ...answer }));
    expect((await create()).value.message).toMatch(message);
  });

  test("of the older version of the review are believed without a uid", async () => {
    await server.configure("mutating", "m", { admissionReviewVersions: ["v1beta1"] });
    server.hook.respond(() => ({ ...add("/data/old", "x"), uid: "", patchType: undefined }));
    expect((await create()).value.data).toEqual({ a: "1", old: "x" });
  });
});
