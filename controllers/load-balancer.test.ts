/** Load balancer: which addresses of nodes a Service gets, and why not. */
import { afterEach, describe, expect, it, test } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import type { EndpointSlice, Node, Service } from "../machinery/objects/kinds.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { conflictOf, ingressOf, LOAD_BALANCER_CLASS } from "./load-balancer.ts";

const meta = (name: string, more: object = {}) => ({
  name,
  namespace: "default",
  uid: name,
  resourceVersion: "1",
  creationTimestamp: `2026-01-01T00:00:0${name.length % 10}Z`,
  ...more,
});
const service = (name: string, ports: readonly number[], spec: object = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(name),
  spec: { type: "LoadBalancer", ports: ports.map((port) => ({ port, protocol: "TCP" })), ...spec },
});
const node = (name: string, addresses: Record<string, string>, ready = "True", labels = {}): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { ...meta(name), labels },
  status: {
    addresses: Object.entries(addresses).map(([type, address]) => ({ type: type.replace(/\d/, ""), address })),
    conditions: [{ type: "Ready", status: ready }],
  },
});
const slice = (owner: string, nodeName: string, ready = true, port = 80): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: meta(`${owner}-1`, { labels: { "kubernetes.io/service-name": owner } }),
  addressType: "IPv4",
  ports: [{ port }],
  endpoints: [{ addresses: ["10.42.0.2"], nodeName, conditions: { ready } }],
});

describe("which addresses", () => {
  const a = node("a", { InternalIP: "192.0.2.1", InternalIP2: "fd00::1", Hostname: "a" });
  const b = node("b", { InternalIP: "192.0.2.2" });
  test.each<readonly [string, object, readonly Node[], readonly EndpointSlice[], readonly string[]]>([
    ["all nodes' inner ones", {}, [b, a], [], ["192.0.2.1", "192.0.2.2"]],
    ["outer ones where there are some", {}, [a, node("c", { ExternalIP: "203.0.113.9" })], [], ["203.0.113.9"]],
    ["none of a node that is not ready", {}, [a, node("b", { InternalIP: "192.0.2.2" }, "Unknown")], [], ["192.0.2.1"]],
    [
      "none of a node that is excluded",
      {},
      [
        a,
        node("b", { InternalIP: "192.0.2.2" }, "True", {
          "node.kubernetes.io/exclude-from-external-load-balancers": "",
        }),
      ],
      [],
      ["192.0.2.1"],
    ],
    ["of both families", { ipFamilies: ["IPv6", "IPv4"] }, [a], [], ["fd00::1", "192.0.2.1"]],
    ["only where endpoints are", { externalTrafficPolicy: "Local" }, [a, b], [slice("s", "b")], ["192.0.2.2"]],
    ["ready ones", { externalTrafficPolicy: "Local" }, [a, b], [slice("s", "b", false)], []],
  ])("%s", (_, spec, nodes, slices, ips) => {
    expect(ingressOf(service("s", [80], spec), nodes, slices).map(({ ip }) => ip)).toEqual(ips);
  });
});

describe("whose port it is", () => {
  test("the oldest Service's", () => {
    const [old, young] = [service("a", [80, 443]), service("bb", [8080, 443])];
    expect(conflictOf(old, [young, old], [])).toBeUndefined();
    expect(conflictOf(young, [young, old], [])).toBe("port 443/TCP of the nodes belongs to service default/a");
    expect(conflictOf(young, [service("a", [443], { loadBalancerClass: "other.example/lb" })], [])).toBeUndefined();
  });
  test("never that of the API server", () => {
    const slices = [slice("kubernetes", "", true, 6443)];
    expect(conflictOf(service("a", [6443]), [], slices)).toBe("port 6443/TCP of the nodes is the API server's");
  });
});

let cluster: Controlled;
afterEach(() => cluster?.close());

it("writes addresses, tells of a port that is taken, gives it to the next one, and leaves other classes alone", async () => {
  cluster = await startControlled();
  const status = {
    addresses: [{ type: "InternalIP", address: "192.0.2.7" }],
    conditions: [{ type: "Ready", status: "True" }],
  };
  await cluster.client.patch("nodes", { name: NODE }, { status }, { type: "merge", subresource: "status" });
  const draft = (name: string, spec: object = {}): Draft<Service> => ({
    metadata: { name, namespace: "default" },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }], ...spec },
  });
  const ips = async (name: string) =>
    ((await cluster.client.get("services", { namespace: "default", name })).status?.loadBalancer?.ingress ?? []).map(
      ({ ip }) => ip,
    );
  await cluster.create("services", draft("first", { loadBalancerClass: LOAD_BALANCER_CLASS }));
  await expect.poll(() => ips("first")).toEqual(["192.0.2.7"]);
  await cluster.create("services", draft("other", { loadBalancerClass: "example.com/lb" }));
  await cluster.create("services", draft("second"));
  await expect
    .poll(() => cluster.events("second"))
    .toContain(
      "Warning SyncLoadBalancerFailed Error syncing load balancer: port 80/TCP of the nodes belongs to service default/first",
    );
  expect(await cluster.events("first")).toContain("Normal EnsuredLoadBalancer Ensured load balancer");
  const first = { namespace: "default", name: "first" };
  await cluster.client.patch(
    "services",
    first,
    { spec: { type: "ClusterIP", loadBalancerClass: null } },
    { type: "merge" },
  );
  await expect.poll(() => ips("second")).toEqual(["192.0.2.7"]);
  await expect.poll(() => ips("first")).toEqual([]);
  await cluster.settled();
  expect(await ips("other")).toEqual([]);
});
