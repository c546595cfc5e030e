/** What classes give: to claims, Ingresses and Pods; and what new Nodes begin with. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const send = (method: string, path: string, body?: unknown) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });
const CORE = "/api/v1/namespaces/default";
const STORAGE = "/apis/storage.k8s.io/v1/storageclasses";
const claim = (name: string, more: object = {}) => ({
  metadata: { name },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...more },
});
const storageClass = (name: string, isDefault: boolean, more: object = {}) => ({
  metadata: { name, annotations: { "storageclass.kubernetes.io/is-default-class": String(isDefault) } },
  provisioner: "example.com/disk",
  ...more,
});

describe("a claim", () => {
  test("that names no class gets the default, and one that wants none gets none", async () => {
    await send("DELETE", `${STORAGE}/local-path`);
    const none = await send("POST", `${CORE}/persistentvolumeclaims`, claim("before"));
    expect(none.value.spec.storageClassName).toBeUndefined();
    await send("POST", STORAGE, storageClass("slow", false));
    await send("POST", STORAGE, storageClass("fast", true));
    const given = await send("POST", `${CORE}/persistentvolumeclaims`, claim("given"));
    expect(given.value.spec.storageClassName).toBe("fast");
    const empty = await send("POST", `${CORE}/persistentvolumeclaims`, claim("empty", { storageClassName: "" }));
    expect(empty.value.spec.storageClassName).toBe("");
  });

  test("grows only when it is bound and its class lets it", async () => {
    await send("POST", STORAGE, storageClass("growing", false, { allowVolumeExpansion: true }));
    const grow = async (name: string, storageClassName: string, phase: string) => {
      await send("POST", `${CORE}/persistentvolumeclaims`, claim(name, { storageClassName }));
      const { value } = await send("GET", `${CORE}/persistentvolumeclaims/${name}`);
      await send("PUT", `${CORE}/persistentvolumeclaims/${name}/status`, { ...value, status: { phase } });
      const now = (await send("GET", `${CORE}/persistentvolumeclaims/${name}`)).value;
      now.spec.resources.requests.storage = "2Gi";
      return send("PUT", `${CORE}/persistentvolumeclaims/${name}`, now);
    };
    expect((await grow("g", "growing", "Bound")).status).toBe(200);
    expect((await grow("f", "slow", "Bound")).value.message).toBe(
      'persistentvolumeclaims "f" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    );
    expect((await grow("p", "growing", "Pending")).status).not.toBe(200);
  });
});

test("an Ingress that names no class gets the default", async () => {
  const marked = { "ingressclass.kubernetes.io/is-default-class": "true" };
  await send("POST", "/apis/networking.k8s.io/v1/ingressclasses", {
    metadata: { name: "edge", annotations: marked },
    spec: { controller: "example.com/edge" },
  });
  const spec = { defaultBackend: { service: { name: "web", port: { number: 80 } } } };
  const path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
  expect((await send("POST", path, { metadata: { name: "a" }, spec })).value.spec.ingressClassName).toBe("edge");
  const old = { "kubernetes.io/ingress.class": "other" };
  const { value, headers } = await send("POST", path, { metadata: { name: "b", annotations: old }, spec });
  expect(value.spec.ingressClassName).toBeUndefined();
  expect(String(headers["warning"])).toContain("is deprecated, please use 'spec.ingressClassName' instead");
});

describe("a Pod with a runtime class", () => {
  const pod = (name: string, spec: object) => ({
    metadata: { name },
    spec: { containers: [{ name: "c", image: "i" }], ...spec },
  });
  beforeAll(async () => {
    await send("POST", "/apis/node.k8s.io/v1/runtimeclasses", {
      metadata: { name: "vm" },
      handler: "kata",
      overhead: { podFixed: { cpu: "250m" } },
      scheduling: { nodeSelector: { vm: "yes" }, tolerations: [{ key: "vm", operator: "Exists" }] },
    });
  });

  test("has its overhead and goes where it can run", async () => {
    const { value } = await send("POST", `${CORE}/pods`, pod("ok", { runtimeClassName: "vm" }));
    expect(value.spec).toMatchObject({ overhead: { cpu: "250m" }, nodeSelector: { vm: "yes" } });
    expect(value.spec.tolerations).toContainEqual({ key: "vm", operator: "Exists" });
  });

  test.each<[string, object, string]>([
    ["an unknown class", { runtimeClassName: "x" }, 'pod rejected: RuntimeClass "x" not found'],
    [
      "another overhead",
      { runtimeClassName: "vm", overhead: { cpu: "1" } },
      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    ],
    [
      "an overhead of its own",
      { overhead: { cpu: "1" } },
      "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
    ],
    [
      "another place",
      { runtimeClassName: "vm", nodeSelector: { vm: "no" } },
      "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no",
    ],
  ])("is refused with %s", async (_what, spec, message) => {
    const { status, value } = await send("POST", `${CORE}/pods`, pod("bad", spec));
    expect([status, value.message]).toEqual([403, `pods "bad" is forbidden: ${message}`]);
  });
});

test("a new Node takes no Pods before it is seen to be ready", async () => {
  const { value } = await send("POST", "/api/v1/nodes", { metadata: { name: "fresh" } });
  expect(value.spec.taints).toEqual([{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }]);
});
