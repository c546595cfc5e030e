/** Endpoints of Services, in both forms, against the real API server. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { EndpointSlice, Service } from "../machinery/objects/kinds.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

const namespace = "default";
const labels = { app: "web" };

const createService = (spec: Partial<NonNullable<Service["spec"]>> = {}) =>
  cluster.create("services", {
    metadata: { namespace, name: "web", labels: { tier: "front" } },
    spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: "http" as never }], ...spec },
  });
const createPod = (name: string, port = 8080) =>
  cluster.create("pods", {
    metadata: { namespace, name, labels },
    spec: { containers: [{ name: "c", image: "a:1", ports: [{ name: "http", containerPort: port }] }] },
  });
const slices = async (): Promise<EndpointSlice[]> =>
  (await cluster.list("endpointslices")).filter(
    ({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === "web",
  );
const endpoints = async () => (await slices()).flatMap((slice) => slice.endpoints ?? []);

describe("a Service's endpoints", () => {
  it("name the Pods that it selects, with their state, node and ports", async () => {
    const service = await createService();
    cluster.nodes.ready = ({ metadata }) => metadata.name === "a";
    const pod = await createPod("a");
    await createPod("b");
    await cluster.settled();
    const [slice, ...others] = await slices();
    expect(others).toEqual([]);
    expect(slice).toMatchObject({
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      metadata: {
        generateName: "web-",
        labels: {
          tier: "front",
          "kubernetes.io/service-name": "web",
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        ownerReferences: [{ kind: "Service", uid: service.metadata.uid, controller: true }],
      },
    });
    const byName = Object.fromEntries((slice?.endpoints ?? []).map((one) => [one.targetRef?.name, one]));
    expect(byName["a"]).toMatchObject({
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: "n1",
      targetRef: { kind: "Pod", namespace, uid: pod.metadata.uid },
    });
    expect(byName["b"]?.conditions).toEqual({ ready: false, serving: false, terminating: false });

    const mirror = await cluster.client.get("endpoints", { namespace, name: "web" });
    expect(mirror.subsets).toMatchObject([
      {
        addresses: [{ targetRef: { name: "a" } }],
        notReadyAddresses: [{ targetRef: { name: "b" } }],
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      },
    ]);
  });

  it("show a Pod that is on its way out as serving and terminating", async () => {
    await createService();
    await createPod("a");
    await cluster.settled();
    cluster.nodes.terminates = () => false;
    await cluster.client.delete("pods", { namespace, name: "a" });
    await cluster.settled();
    expect((await endpoints())[0]?.conditions).toEqual({ ready: false, serving: true, terminating: true });
    await cluster.client.delete("pods", { namespace, name: "a" }, { gracePeriodSeconds: 0 });
    await cluster.settled();
    expect(await endpoints()).toEqual([]);
    expect(await slices()).toHaveLength(1);
  });

  it("include Pods that are not ready where the Service asks for them", async () => {
    cluster.nodes.ready = () => false;
    await createService({ publishNotReadyAddresses: true, clusterIP: "None" });
    await createPod("a");
    await cluster.settled();
    expect((await endpoints())[0]?.conditions).toEqual({ ready: true, serving: false, terminating: false });
    expect((await slices())[0]?.metadata.labels).toHaveProperty(["service.kubernetes.io/headless"], "");
  });

  it("have slices of their own for Pods that map the port elsewhere", async () => {
    await createService();
    await createPod("a", 8080);
    await createPod("b", 9090);
    await cluster.settled();
    const ports = (await slices()).map((slice) => slice.ports?.[0]?.port).sort();
    expect(ports).toEqual([8080, 9090]);
  });

  it("fill slices of a hundred, and a change rewrites only its own", async () => {
    await Promise.all(Array.from({ length: 230 }, (_, i) => createPod(`p${i}`)));
    await cluster.settled();
    await createService();
    await cluster.settled();
    const before = await slices();
    expect(before.map((slice) => slice.endpoints?.length).sort()).toEqual([100, 100, 30]);
    await cluster.client.delete("pods", { namespace, name: "p7" }, { gracePeriodSeconds: 0 });
    await cluster.settled();
    const versions = new Map(before.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
    const changed = (await slices()).filter(({ metadata }) => versions.get(metadata.name) !== metadata.resourceVersion);
    expect(changed).toHaveLength(1);
    expect(await endpoints()).toHaveLength(229);
  });

  it("are repaired when someone changes or deletes them", async () => {
    await createService();
    await createPod("a");
    await cluster.settled();
    const [slice] = await slices();
    await cluster.client.update("endpointslices", { ...slice!, endpoints: [] });
    await cluster.settled();
    expect(await endpoints()).toHaveLength(1);
    await cluster.client.delete("endpointslices", { namespace, name: slice!.metadata.name });
    await cluster.settled();
    expect(await endpoints()).toHaveLength(1);
  });

  it("that cannot be written are told of", async () => {
    const hard = { "count/endpointslices.discovery.k8s.io": "0", "count/endpoints": "0" };
    await cluster.create("resourcequotas", { metadata: { namespace, name: "q" }, spec: { hard } });
    await expect
      .poll(async () => (await cluster.client.get("resourcequotas", { namespace, name: "q" })).status?.hard)
      .toEqual(hard);
    await createService();
    await createPod("a");
    await expect
      .poll(() => cluster.events("web"), { timeout: 5_000 })
      .toEqual(
        expect.arrayContaining([
          expect.stringContaining(
            "Warning FailedToUpdateEndpointSlices Error updating Endpoint Slices for Service default/web: ",
          ),
          expect.stringContaining("Warning FailedToCreateEndpoint Failed to create endpoint for service default/web: "),
        ]),
      );
  });

  it("go with the Service", async () => {
    await createService();
    await createPod("a");
    await cluster.settled();
    await cluster.client.delete("services", { namespace, name: "web" });
    await cluster.settled();
    expect(await slices()).toEqual([]);
    expect(await cluster.client.find("endpoints", { namespace, name: "web" })).toBeUndefined();
  });

  it("are left alone where the Service has no selector", async () => {
    await createService({ selector: undefined as never });
    await cluster.settled();
    expect(await slices()).toEqual([]);
    expect(await cluster.client.find("endpoints", { namespace, name: "web" })).toBeUndefined();
  });
});
