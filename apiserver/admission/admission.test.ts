/** Admission: what plugins make of Pods, and which addresses Services get, through the whole pipeline. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { nthAddress } from "./service-ranges.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ serviceCidr: "10.99.0.0/28", nodePorts: [31000, 31003] });
});
afterAll(() => pipeline.close());

const send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) });
const CORE = "/api/v1/namespaces/default";

describe("a Pod", () => {
  const pod = (metadata: object, spec: object = {}) =>
    send("POST", `${CORE}/pods`, { metadata, spec: { containers: [{ name: "c", image: "i:1" }], ...spec } });

  test("gets an account and its token, tolerations and a priority", async () => {
    const { value } = await pod({ name: "plain" });
    const { spec } = value;
    expect(spec).toMatchObject({
      serviceAccountName: "default",
      priority: 0,
      preemptionPolicy: "PreemptLowerPriority",
    });
    const [mount] = spec.containers[0].volumeMounts;
    expect(mount).toMatchObject({ readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" });
    const volume = spec.volumes.find((one: { name: string }) => one.name === mount.name);
    expect(volume.projected.sources[0].serviceAccountToken).toEqual({ expirationSeconds: 3607, path: "token" });
    expect(spec.tolerations.map((one: { key: string }) => one.key)).toEqual([
      "node.kubernetes.io/not-ready",
      "node.kubernetes.io/unreachable",
    ]);
  });

  test("may do without a token", async () => {
    const { value } = await pod({ name: "tokenless" }, { automountServiceAccountToken: false });
    expect(value.spec.volumes).toBeUndefined();
    await send("POST", `${CORE}/serviceaccounts`, { metadata: { name: "quiet" }, automountServiceAccountToken: false });
    const quiet = await pod({ name: "quiet" }, { serviceAccountName: "quiet" });
    expect(quiet.value.spec.volumes).toBeUndefined();
  });

  test("keeps the mount and tolerations that it brings", async () => {
    const { value } = await pod(
      { name: "own" },
      {
        tolerations: [{ operator: "Exists" }],
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          {
            name: "c",
            image: "i:1",
            volumeMounts: [{ name: "v", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }],
          },
        ],
      },
    );
    expect(value.spec.volumes).toHaveLength(1);
    expect(value.spec.tolerations).toHaveLength(1);
  });

  test("has the number of its priority class", async () => {
    const { value } = await pod({ name: "critical" }, { priorityClassName: "system-node-critical" });
    expect(value.spec.priority).toBe(2_000_001_000);
  });

  test.each([
    ["an account that is not there", { serviceAccountName: "nobody" }, 'serviceaccount "nobody" not found'],
    ["a class that is not there", { priorityClassName: "x" }, "no PriorityClass with name x was found"],
    ["a priority of its own", { priority: 5 }, "must not be provided in pod spec"],
  ])("is refused with %s", async (_what, spec, message) => {
    const { status, value } = await pod({ name: "refused" }, spec);
    expect(status).toBe(403);
    expect(value.message).toContain(message);
  });

  test("made by generateName is refused under that name", async () => {
    const { value } = await pod({ generateName: "gen-" }, { priorityClassName: "x" });
    expect(value.message).toMatch(/^pods "gen-/);
  });
});

test("only one priority class is the default", async () => {
  const path = "/apis/scheduling.k8s.io/v1/priorityclasses";
  const make = (name: string) => send("POST", path, { metadata: { name }, value: 5, globalDefault: true });
  expect((await make("first")).status).toBe(201);
  expect((await make("second")).value.message).toContain("PriorityClass first is already marked as default");
  expect((await send("DELETE", `${path}/first`)).status).toBe(200);
});

describe("a Service", () => {
  const service = (name: string, spec: object = {}) =>
    send("POST", `${CORE}/services`, { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
  const remove = (name: string) => send("DELETE", `${CORE}/services/${name}`);
  const held = async () =>
    (await pipeline.store.list({ prefix: "/k8ts/service-addresses/" })).entries.map(({ key }) => key);

  test("gets an address that no other has, and gives it back", async () => {
    const before = await held();
    const { value } = await service("one");
    expect(value.spec).toMatchObject({ type: "ClusterIP", ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" });
    expect(value.spec.clusterIP).toMatch(/^10\.99\.0\.\d+$/);
    expect(value.spec.clusterIPs).toEqual([value.spec.clusterIP]);
    expect(await held()).toEqual([...before, `/k8ts/service-addresses/ip/${value.spec.clusterIP}`].sort());
    await remove("one");
    expect(await held()).toEqual(before);
  });

  test("may ask for an address, once", async () => {
    expect((await service("fixed", { clusterIP: "10.99.0.5" })).value.spec.clusterIP).toBe("10.99.0.5");
    const again = await service("again", { clusterIP: "10.99.0.5" });
    expect(again.status).toBe(422);
    expect(again.value.message).toContain(
      'spec.clusterIPs: Invalid value: ["10.99.0.5"]: failed to allocate IP 10.99.0.5: provided IP is already allocated',
    );
    const outside = await service("outside", { clusterIP: "10.98.0.5" });
    expect(outside.value.message).toContain("is not in the valid range. The range of valid IPs is 10.99.0.0/28");
    await remove("fixed");
  });

  test("without an address has none", async () => {
    const { value } = await service("headless", { clusterIP: "None" });
    expect(value.spec).toMatchObject({ clusterIP: "None", clusterIPs: ["None"] });
    const external = await send("POST", `${CORE}/services`, {
      metadata: { name: "external" },
      spec: { type: "ExternalName", externalName: "example.com" },
    });
    expect(external.value.spec.clusterIP).toBeUndefined();
  });

  test("gets node ports, keeps them in updates that leave them out, and loses them with its type", async () => {
    const { value } = await service("ports", { type: "NodePort" });
    const [{ nodePort }] = value.spec.ports;
    expect(nodePort).toBeGreaterThanOrEqual(31000);
    const { value: updated } = await send("PUT", `${CORE}/services/ports`, {
      metadata: { name: "ports", labels: { a: "b" } },
      spec: { type: "NodePort", ports: [{ port: 80 }] },
    });
    expect(updated.spec.ports[0].nodePort).toBe(nodePort);
    expect(updated.spec.clusterIP).toBe(value.spec.clusterIP);
    const patch = { spec: { type: "ClusterIP" } };
    const { value: plain } = await send("PATCH", `${CORE}/services/ports`, patch, {
      "content-type": "application/merge-patch+json",
    });
    expect(plain.spec.ports[0].nodePort).toBeUndefined();
    expect((await held()).filter((key) => key.includes("/port/"))).toEqual([]);
  });

  test("may ask for a node port, once and in range", async () => {
    const ask = (name: string, nodePort: number) =>
      service(name, { type: "NodePort", ports: [{ port: 80, nodePort }] });
    expect((await ask("p1", 31001)).status).toBe(201);
    expect((await ask("p2", 31001)).value.message).toContain(
      "spec.ports[0].nodePort: Invalid value: 31001: provided port is already allocated",
    );
    expect((await ask("p3", 80)).value.message).toContain("The range of valid ports is 31000-31003");
    await remove("p1");
  });

  test("gets its own address however many come at once, until there are none", async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, (_, index) => service(`many-${index}`)));
    const made = answers.filter(({ status }) => status === 201).map(({ value }) => value.spec.clusterIP);
    expect(new Set(made).size).toBe(made.length);
    const { value: list } = await send("GET", "/api/v1/services");
    const inUse = list.items.filter((one: { spec: { clusterIP?: string } }) => /^10\./.test(one.spec.clusterIP ?? ""));
    expect(inUse).toHaveLength(14);
    expect(answers.find(({ status }) => status !== 201)?.value.message).toContain("range is full");
  });

  test("has its address again after keys were lost or left behind", async () => {
    const [lost = ""] = (await held()).filter((key) => key.includes("/ip/"));
    const entry = await pipeline.store.get(lost);
    const left = "/k8ts/service-addresses/ip/10.99.0.15";
    await pipeline.store.commit([], [{ type: "delete", key: lost }]);
    await pipeline.store.commit([], [{ type: "put", key: left, value: Buffer.from("x") }]);
    const again = await startPipeline({
      store: pipeline.store,
      serviceCidr: "10.99.0.0/28",
      nodePorts: [31000, 31003],
    });
    const keys = await held();
    expect(keys).toContain(lost);
    expect(keys).not.toContain(left);
    expect(Buffer.from((await pipeline.store.get(lost))?.value ?? []).toString()).toBe(
      Buffer.from(entry?.value ?? []).toString(),
    );
    await again.apiserver.close();
  });
});

test.each([
  ["10.43.0.0/16", 1, "10.43.0.1"],
  ["10.43.0.0/16", 10, "10.43.0.10"],
  ["192.168.255.0/24", 255, "192.168.255.255"],
  ["250.0.0.0/8", 256, "250.0.1.0"],
])("address %s + %i is %s", (cidr, n, expected) => {
  expect(nthAddress(cidr, n)).toBe(expected);
});
