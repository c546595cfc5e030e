/** Dual stack: which families and addresses a Service gets, in a cluster of one family and in one of both. */
import { afterEach, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
afterEach(() => pipeline?.close());

const PATH = "/api/v1/namespaces/default/services";
const begin = async (serviceCidr: string) => {
  pipeline = await startPipeline({ serviceCidr });
};
const send = (method: string, path: string, body?: object) =>
  pipeline.send({
    method,
    path,
    ...(body ? { body } : {}),
    ...(method === "PATCH" ? { headers: { "content-type": "application/merge-patch+json" } } : {}),
  });
const make = (name: string, spec: object) =>
  send("POST", PATH, { metadata: { name }, spec: { ports: [{ port: 80 }], selector: { a: "b" }, ...spec } });
const held = async () =>
  (await pipeline.store.list({ prefix: "/k8ts/service-addresses/ip/" })).entries.map(({ key }) =>
    key.split("/").at(-1),
  );

describe("in a cluster of both families", () => {
  const both = "10.99.0.0/24,fd00:99::/112";

  test.each<readonly [string, object, readonly string[], readonly RegExp[]]>([
    ["who asks for nothing has one", {}, ["IPv4"], [/^10\.99\.0\.\d+$/]],
    ["who prefers both has both", { ipFamilyPolicy: "PreferDualStack" }, ["IPv4", "IPv6"], [/^10\.99/, /^fd00:99::/]],
    ["who needs both has both", { ipFamilyPolicy: "RequireDualStack" }, ["IPv4", "IPv6"], [/^10\.99/, /^fd00:99::/]],
    ["the second family alone", { ipFamilies: ["IPv6"] }, ["IPv6"], [/^fd00:99::/]],
    [
      "in the order that is asked for",
      { ipFamilies: ["IPv6", "IPv4"], ipFamilyPolicy: "PreferDualStack" },
      ["IPv6", "IPv4"],
      [/^fd00:99::/, /^10\.99/],
    ],
    [
      "addresses that are asked for",
      { ipFamilyPolicy: "RequireDualStack", clusterIP: "10.99.0.77", clusterIPs: ["10.99.0.77", "fd00:99::77"] },
      ["IPv4", "IPv6"],
      [/^10\.99\.0\.77$/, /^fd00:99::77$/],
    ],
    [
      "headless ones with a selector",
      { ipFamilyPolicy: "PreferDualStack", clusterIP: "None" },
      ["IPv4", "IPv6"],
      [/None/],
    ],
  ])("%s", async (_, spec, families, ips) => {
    await begin(both);
    const { status, value } = await make("s", spec);
    expect(status, JSON.stringify(value)).toBe(201);
    expect(value.spec.ipFamilies).toEqual(families);
    expect(value.spec.clusterIPs).toHaveLength(ips.length);
    for (const [index, ip] of ips.entries()) expect(value.spec.clusterIPs[index]).toMatch(ip);
    expect(value.spec.clusterIP).toBe(value.spec.clusterIPs[0]);
  });

  test("a Service gets the second family later, and gives it back", async () => {
    await begin(both);
    const { value: one } = await make("s", {});
    const patch = (spec: object) => send("PATCH", `${PATH}/s`, { spec });
    const { value: two } = await patch({ ipFamilyPolicy: "PreferDualStack" });
    expect(two.spec.clusterIPs[0]).toBe(one.spec.clusterIP);
    expect(two.spec.clusterIPs[1]).toMatch(/^fd00:99::/);
    expect(await held()).toContain(two.spec.clusterIPs[1]);
    const { value: again } = await patch({ ipFamilyPolicy: "SingleStack" });
    expect(again.spec).toMatchObject({ clusterIPs: [one.spec.clusterIP], ipFamilies: ["IPv4"] });
    expect(await held()).not.toContain(two.spec.clusterIPs[1]);
  });

  test("its own block is shown whole", async () => {
    await begin(both);
    const { value } = await send("GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes");
    expect(value.spec.cidrs).toEqual(["10.99.0.0/24", "fd00:99::/112"]);
  });
});

describe("in a cluster of one family", () => {
  test("who prefers both has one; who needs what is not there is refused", async () => {
    await begin("10.99.0.0/24");
    const { value } = await make("s", { ipFamilyPolicy: "PreferDualStack" });
    expect(value.spec).toMatchObject({ ipFamilies: ["IPv4"], ipFamilyPolicy: "PreferDualStack" });
    const needs = await make("t", { ipFamilyPolicy: "RequireDualStack" });
    expect([needs.status, needs.value.message]).toEqual([
      422,
      'Service "t" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ]);
    const other = await make("u", { ipFamilies: ["IPv6"] });
    expect([other.status, other.value.message]).toEqual([
      422,
      'Service "u" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ]);
  });
});

test("blocks that cannot be are refused at the start", async () => {
  for (const text of ["fd00:99::/112", "10.0.0.0/24,10.1.0.0/24", "10.0.0.0/99", "x"])
    await expect(begin(text), text).rejects.toThrow("--service-cidr");
});
