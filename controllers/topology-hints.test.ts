/** Topology hints: near where that is asked for, by share where zones differ, none where it cannot be right. */
import { afterEach, describe, expect, it, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { Endpoint, Node, Pod, Service } from "../machinery/objects/kinds.ts";
import { backendsOf, familiesOf } from "./endpoints-of-service.ts";
import { changes } from "./endpointslice.ts";
import { hintMode, withHints, zoneShares } from "./topology-hints.ts";

const node = (name: string, zone: string | undefined, cpu = "4", ready = "True", labels = {}): Node =>
  ({
    metadata: { name, labels: { ...labels, ...(zone && { "topology.kubernetes.io/zone": zone }) } },
    status: { allocatable: { cpu }, conditions: [{ type: "Ready", status: ready }] },
  }) as unknown as Node;
const endpoint = (uid: string, zone: string | undefined, ready = true): Endpoint => ({
  addresses: ["10.0.0.1"],
  conditions: { ready },
  targetRef: { uid },
  nodeName: `node-${uid}`,
  ...(zone && { zone }),
});
const many = (zone: string, count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => endpoint(`${zone}${first + i}`, zone));
const served = (endpoints: readonly Endpoint[]) => {
  const counts: Record<string, number> = {};
  for (const { hints } of endpoints) {
    const zone = hints?.forZones?.[0]?.name ?? "none";
    counts[zone] = (counts[zone] ?? 0) + 1;
  }
  return counts;
};
const none = new Map<string, string>();
const halves = new Map([
  ["x", 0.5],
  ["y", 0.5],
]);

describe("shares of zones", () => {
  test.each<[string, Node[], Record<string, number> | undefined]>([
    ["by allocatable CPU", [node("a", "x", "3"), node("b", "y", "1000m")], { x: 0.75, y: 0.25 }],
    ["of ready nodes", [node("a", "x"), node("b", "y"), node("c", "z", "4", "False")], { x: 0.5, y: 0.5 }],
    [
      "without the control plane's nodes",
      [
        node("a", "x"),
        node("b", "y"),
        node("c", undefined, "4", "True", { "node-role.kubernetes.io/control-plane": "" }),
      ],
      { x: 0.5, y: 0.5 },
    ],
    ["unless a node is in no zone", [node("a", "x"), node("b", "y"), node("c", undefined)], undefined],
    ["unless a node tells no CPU", [node("a", "x"), node("b", "y", "0")], undefined],
    ["unless there is one zone", [node("a", "x"), node("b", "x")], undefined],
  ])("%s", (_what, nodes, expected) => {
    const shares = zoneShares(nodes);
    expect(shares && Object.fromEntries(shares)).toEqual(expected);
  });
});

describe("hints by share", () => {
  it("name the own zone where that is even enough", () => {
    const all = [...many("x", 5), ...many("y", 6)];
    expect(served(withHints("share", all, none, halves).endpoints)).toEqual({ x: 5, y: 6 });
  });

  it("move endpoints to zones that lack them, and leave those that are not ready out", () => {
    const all = [...many("x", 9), ...many("y", 1), endpoint("late", "y", false)];
    expect(served(withHints("share", all, none, halves).endpoints)).toEqual({ x: 5, y: 5, none: 1 });
  });

  it("stay as they are as long as they do", () => {
    const all = [...many("x", 9), ...many("y", 1)];
    const first = withHints("share", all, none, halves).endpoints;
    const before = new Map(
      first.map(({ targetRef, hints }) => [targetRef?.uid ?? "", hints?.forZones?.[0]?.name ?? ""]),
    );
    const next = withHints("share", [...all, endpoint("new", "x")], before, halves).endpoints;
    expect(next.slice(0, 10)).toEqual(first);
    expect(served(next)).toEqual({ x: 6, y: 5 });
  });

  test.each<[string, Endpoint[], ReadonlyMap<string, number> | undefined, string]>([
    ["no shares", many("x", 9), undefined, "Insufficient Node information"],
    ["fewer endpoints than zones", many("x", 1), halves, "Insufficient number of endpoints (1 endpoints, 2 zones)"],
    [
      "an overloaded zone",
      many("x", 3),
      new Map([
        ["x", 0.45],
        ["y", 0.55],
      ]),
      "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 2 zones)",
    ],
    ["no zone of an endpoint", [...many("x", 3), endpoint("far", undefined)], halves, "One or more endpoints do not"],
  ])("are not given with %s", (_what, all, shares, problem) => {
    const hinted = withHints("share", all, none, shares);
    expect(hinted.problem).toContain(problem);
    expect(hinted.endpoints).toEqual(all);
  });
});

test("trafficDistribution names the own zone, and the own node where that is asked for", () => {
  const all = [endpoint("a", "x"), endpoint("b", undefined), endpoint("c", "x", false)];
  const hints = (mode: "zone" | "node") => withHints(mode, all, none, undefined).endpoints.map(({ hints: one }) => one);
  expect(hints("zone")).toEqual([{ forZones: [{ name: "x" }] }, undefined, undefined]);
  expect(hints("node")).toEqual([
    { forZones: [{ name: "x" }], forNodes: [{ name: "node-a" }] },
    { forNodes: [{ name: "node-b" }] },
    undefined,
  ]);
});

test.each([
  [{}, {}, "none"],
  [{ "service.kubernetes.io/topology-mode": "Auto" }, { trafficDistribution: "PreferClose" }, "share"],
  [{ "service.kubernetes.io/topology-mode": "Disabled" }, { trafficDistribution: "PreferSameNode" }, "node"],
  [{ "service.kubernetes.io/topology-aware-hints": "auto" }, {}, "share"],
  [{}, { trafficDistribution: "PreferSameZone" }, "zone"],
])("%j with %j asks for hints by %s", (annotations, spec, mode) => {
  expect(hintMode({ metadata: { annotations }, spec } as unknown as Service)).toBe(mode);
});

test("a Service of two families has slices of each", () => {
  const service = {
    metadata: { namespace: "default", name: "web", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }], ipFamilies: ["IPv6", "IPv4"] },
  } as unknown as Service;
  const pod = (name: string, ...ips: string[]) =>
    ({
      metadata: { namespace: "default", name, uid: name, labels: { app: "web" } },
      spec: {},
      status: { phase: "Running", podIPs: ips.map((ip) => ({ ip })) },
    }) as unknown as Pod;
  const pods = [pod("a", "10.0.0.1", "fd00::1"), pod("b", "10.0.0.2")];
  const made = familiesOf(service).flatMap(
    (family) => changes(service, family, backendsOf(service, pods, family), []).create,
  );
  expect(
    made.map(({ addressType, endpoints }) => [addressType, endpoints?.flatMap(({ addresses }) => addresses)]),
  ).toEqual([
    ["IPv6", ["fd00::1"]],
    ["IPv4", ["10.0.0.1", "10.0.0.2"]],
  ]);
});

describe("in a cluster", () => {
  let cluster: Controlled;
  afterEach(() => cluster.close());
  const endpoints = async () =>
    (await cluster.list("endpointslices", "default"))
      .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === "web")
      .flatMap((slice) => slice.endpoints ?? []);
  const join = async (name: string, zone: string) => {
    await cluster.create("nodes", { metadata: { name, labels: { "topology.kubernetes.io/zone": zone } } });
    const status = { allocatable: { cpu: "4" }, conditions: [{ type: "Ready", status: "True" }] };
    await cluster.client.patch("nodes", { name }, { status }, { subresource: "status" });
  };
  const pod = (name: string, nodeName: string) =>
    cluster.create("pods", {
      metadata: { namespace: "default", name, labels: { app: "web" } },
      spec: { nodeName, containers: [{ name: "c", image: "a:1" }] },
    });
  const service = (annotations = {}) =>
    cluster.create("services", {
      metadata: { namespace: "default", name: "web", annotations },
      spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
    });

  it("endpoints tell their zones, those of nodes that are not there yet wait, and hints come and go", async () => {
    cluster = await startControlled();
    await cluster.client.delete("nodes", { name: "n1" });
    await join("a", "x");
    await service({ "service.kubernetes.io/topology-mode": "Auto" });
    await pod("one", "a");
    await pod("two", "b");
    await expect.poll(async () => (await endpoints()).map(({ zone }) => zone)).toEqual(["x"]);
    await expect
      .poll(() => cluster.events("web"))
      .toEqual([
        "Warning TopologyAwareHintsDisabled Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4",
      ]);
    await join("b", "y");
    await expect
      .poll(async () => (await endpoints()).map(({ hints }) => hints?.forZones?.[0]?.name).sort())
      .toEqual(["x", "y"]);
    await expect
      .poll(() => cluster.events("web"))
      .toContain("Normal TopologyAwareHintsEnabled Topology Aware Hints has been enabled, addressType: IPv4");

    await cluster.client.patch(
      "nodes",
      { name: "b" },
      { metadata: { labels: { "topology.kubernetes.io/zone": "x" } } },
    );
    await expect
      .poll(async () => (await endpoints()).map(({ zone, hints }) => [zone, hints]))
      .toEqual([
        ["x", undefined],
        ["x", undefined],
      ]);
    await cluster.client.patch(
      "services",
      { namespace: "default", name: "web" },
      {
        metadata: { annotations: { "service.kubernetes.io/topology-mode": null } },
        spec: { trafficDistribution: "PreferClose" },
      },
    );
    await expect
      .poll(async () => (await endpoints()).map(({ hints }) => hints?.forZones?.[0]?.name))
      .toEqual(["x", "x"]);
  });
});
