/** Mirroring: Endpoints that people keep show as slices, as long as their Service has no selector. */
import { afterEach, beforeEach, expect, it, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { Endpoints } from "../machinery/objects/kinds.ts";
import { mirrored } from "./endpointslice-mirroring.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

type Subsets = NonNullable<Endpoints["subsets"]>;
const service = (selector?: Record<string, string>) => ({
  metadata: { namespace: "default", name: "db" },
  spec: { ports: [{ port: 5432 }], ...(selector && { selector }) },
});
const endpoints = (subsets: Subsets, metadata: object = {}) => ({
  metadata: { namespace: "default", name: "db", ...metadata },
  subsets,
});
const subset = (...ips: string[]): Subsets[number] => ({
  addresses: ips.map((ip) => ({ ip })),
  ports: [{ port: 5432 }],
});
const slices = async () =>
  (await cluster.list("endpointslices", "default"))
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === "db")
    .sort((a, b) => (a.addressType < b.addressType ? -1 : 1));
const addresses = async () =>
  (await slices()).map(({ endpoints }) => endpoints?.flatMap(({ addresses: all }) => all).sort());

it("shows each family in a slice of its own, marked as mirrored and owned by the Endpoints", async () => {
  await cluster.create("services", service());
  await cluster.create(
    "endpoints",
    endpoints(
      [
        {
          addresses: [{ ip: "10.1.0.1", hostname: "one", nodeName: "n1" }, { ip: "fd00::1" }],
          notReadyAddresses: [{ ip: "10.1.0.2" }],
          ports: [{ name: "pg", port: 5432, protocol: "TCP" }],
        },
      ],
      { labels: { team: "a" }, annotations: { note: "kept", "endpoints.kubernetes.io/last-change-trigger-time": "x" } },
    ),
  );
  await expect.poll(addresses).toEqual([["10.1.0.1", "10.1.0.2"], ["fd00::1"]]);
  const [four] = await slices();
  expect(four).toMatchObject({
    addressType: "IPv4",
    metadata: {
      labels: {
        team: "a",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
      },
      annotations: { note: "kept" },
      ownerReferences: [{ kind: "Endpoints", name: "db", controller: true }],
    },
    ports: [{ name: "pg", port: 5432, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.1.0.1"], conditions: { ready: true }, hostname: "one", nodeName: "n1" },
      { addresses: ["10.1.0.2"], conditions: { ready: false } },
    ],
  });
  expect(Object.keys(four?.metadata.annotations ?? {})).toEqual(["note"]);
});

it("follows changes in the slice that is there, and takes it over for other ports", async () => {
  await cluster.create("services", service());
  await cluster.create("endpoints", endpoints([subset("10.1.0.1")]));
  await expect.poll(addresses).toEqual([["10.1.0.1"]]);
  const name = (await slices())[0]?.metadata.name;
  await cluster.client.update("endpoints", endpoints([subset("10.1.0.2", "10.1.0.3")]));
  await expect.poll(addresses).toEqual([["10.1.0.2", "10.1.0.3"]]);
  await cluster.client.update(
    "endpoints",
    endpoints([{ ...subset("10.1.0.2"), ports: [{ port: 5433 }] }], { labels: { other: "yes" } }),
  );
  await expect.poll(addresses).toEqual([["10.1.0.2"]]);
  const [slice] = await slices();
  expect(slice).toMatchObject({ metadata: { name, labels: { other: "yes" } }, ports: [{ port: 5433 }] });
  await cluster.client.update("endpoints", endpoints([]));
  await expect.poll(slices).toEqual([]);
});

it("mirrors when the Service comes later, and stops when Endpoints, Service or its lack of a selector go", async () => {
  await cluster.create("endpoints", endpoints([subset("10.1.0.1")]));
  await cluster.settled();
  expect(await slices()).toEqual([]);
  await cluster.create("services", service());
  await expect.poll(addresses).toEqual([["10.1.0.1"]]);

  await cluster.client.patch("services", { namespace: "default", name: "db" }, { spec: { selector: { app: "db" } } });
  const managers = async () =>
    (await slices()).map(({ metadata }) => metadata.labels?.["endpointslice.kubernetes.io/managed-by"]);
  await expect.poll(managers).toEqual(["endpointslice-controller.k8s.io"]);
  await cluster.client.delete("services", { namespace: "default", name: "db" });
  await expect.poll(slices).toEqual([]);
});

it("leaves alone what says so, and what leaders were elected in", async () => {
  await cluster.create("services", service());
  await cluster.create(
    "endpoints",
    endpoints([subset("10.1.0.1")], { labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } }),
  );
  await cluster.settled();
  expect(await slices()).toEqual([]);
  await cluster.client.update("endpoints", endpoints([subset("10.1.0.1")]));
  await expect.poll(addresses).toEqual([["10.1.0.1"]]);
  await cluster.client.update(
    "endpoints",
    endpoints([subset("10.1.0.1")], { annotations: { "control-plane.alpha.kubernetes.io/leader": "{}" } }),
  );
  await expect.poll(slices).toEqual([]);
});

it("mirrors a thousand addresses of a subset, and says how many it left out", async () => {
  await cluster.create("services", service());
  const many = Array.from({ length: 1003 }, (_, i) => `10.2.${Math.floor(i / 250)}.${(i % 250) + 1}`);
  await cluster.create("endpoints", endpoints([subset(...many)]));
  await expect.poll(async () => (await addresses()).map((all) => all?.length)).toEqual([1000]);
  await expect
    .poll(() => cluster.events("db"))
    .toEqual([
      "Warning TooManyAddressesToMirror A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped",
    ]);
});

test("subsets with the same ports share a slice", () => {
  expect(mirrored([subset("10.0.0.1"), subset("10.0.0.2"), subset("nonsense")])).toMatchObject({
    groups: { size: 1 },
    invalid: 1,
    surplus: 0,
  });
});
