import { describe, expect, test } from "vitest";
import { service, slice } from "./dns.fixture.ts";
import { createZone } from "./zone.ts";

const svc = "default.svc.cluster.local";
const six = "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";

function sample() {
  const zone = createZone("cluster.local");
  const ports = [{ name: "http", port: 80 }];
  zone.setService("default/web", service("web", { clusterIP: "10.43.0.5", clusterIPs: ["10.43.0.5"], ports }));
  zone.setService(
    "default/dual",
    service("dual", { clusterIP: "10.43.0.6", clusterIPs: ["10.43.0.6", "fd00::a"], ports }),
  );
  zone.setService("kube-system/kube-dns", service("kube-dns", { clusterIP: "10.43.0.10" }, "kube-system"));
  zone.setService("default/db", service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }));
  zone.setService("default/none", service("none", { clusterIP: "None" }));
  zone.setService("default/out", service("out", { type: "ExternalName", externalName: "Example.com." }));
  zone.setService("default/fixed", service("fixed", { type: "ExternalName", externalName: "192.0.2.1" }));
  const endpoints = [
    { addresses: ["10.42.0.7"], hostname: "db-0", conditions: { ready: true } },
    { addresses: ["10.42.0.8"], conditions: {} },
    { addresses: ["10.42.0.9"], hostname: "db-2", conditions: { ready: false } },
  ];
  zone.setSlice("default/db-x", slice("db-x", "db", endpoints, [{ name: "sql", protocol: "TCP", port: 5432 }]));
  const of6 = [{ addresses: ["fd00::7"], hostname: "db-0" }, { addresses: ["fd00::8"] }];
  zone.setSlice("default/db-6", slice("db-6", "db", of6, [{ name: "sql", protocol: "TCP", port: 5432 }], "IPv6"));
  zone.setSlice("default/web-x", slice("web-x", "web", [{ addresses: ["10.42.0.3"], hostname: "web-0" }]));
  return zone;
}

describe("zone", () => {
  test.each([
    [`web.${svc}`, "A", ["10.43.0.5"]],
    ["WEB.Default.svc.cluster.local", "A", ["10.43.0.5"]],
    [`web.${svc}`, "AAAA", []],
    [`web.${svc}`, "MX", []],
    [`dual.${svc}`, "A", ["10.43.0.6"]],
    [`dual.${svc}`, "AAAA", ["fd00::a"]],
    [`db.${svc}`, "A", ["10.42.0.7", "10.42.0.8"]],
    [`db.${svc}`, "AAAA", ["fd00::7", "fd00::8"]],
    [`db-0.db.${svc}`, "A", ["10.42.0.7"]],
    [`db-0.db.${svc}`, "AAAA", ["fd00::7"]],
    [`10-42-0-8.db.${svc}`, "A", ["10.42.0.8"]],
    [`fd00--8.db.${svc}`, "AAAA", ["fd00::8"]],
    [`fd00--8.db.${svc}`, "A", []],
    [`web-0.web.${svc}`, "A", ["10.42.0.3"]],
    [`out.${svc}`, "A", ["example.com"]],
    [`out.${svc}`, "CNAME", ["example.com"]],
    [`out.${svc}`, "SRV", []],
    ["10-42-0-7.default.pod.cluster.local", "A", ["10.42.0.7"]],
    ["10-42-0-7.default.pod.cluster.local", "AAAA", []],
    ["fd00--7.default.pod.cluster.local", "AAAA", ["fd00::7"]],
    ["5.0.43.10.in-addr.arpa", "PTR", [`web.${svc}`]],
    ["7.0.42.10.in-addr.arpa", "PTR", [`db-0.db.${svc}`]],
    ["8.0.42.10.in-addr.arpa", "PTR", [`10-42-0-8.db.${svc}`]],
    [six, "PTR", [`dual.${svc}`]],
    ["dns-version.cluster.local", "TXT", ["1.1.0"]],
    ["cluster.local", "NS", ["ns.dns.cluster.local"]],
    ["cluster.local", "A", []],
    ["ns.dns.cluster.local", "A", ["10.43.0.10"]],
    ["svc.cluster.local", "A", []],
    [svc, "A", []],
  ])("%s %s is answered", (name, type, data) => {
    const answer = sample().answer(name, type);
    expect(answer.result).toBe("found");
    expect(answer.answers.map((one) => one.data)).toEqual(data);
  });

  test.each([
    [`nothing.${svc}`, "missing"],
    [`none.${svc}`, "missing"],
    [`fixed.${svc}`, "missing"],
    [`db-2.db.${svc}`, "missing"],
    [`x.web.${svc}`, "missing"],
    [`_http._tcp.x.web.${svc}`, "missing"],
    ["nonsense.cluster.local", "missing"],
    ["10-42-0.default.pod.cluster.local", "missing"],
    ["10-42-0-700.default.pod.cluster.local", "missing"],
    ["a.10-42-0-7.default.pod.cluster.local", "missing"],
    ["example.com", "outside"],
    ["notcluster.local", "outside"],
    ["9.9.9.9.in-addr.arpa", "outside"],
    ["9.0.42.10.in-addr.arpa", "outside"],
    [".", "outside"],
  ])("%s is %s", (name, result) => {
    expect(sample().answer(name, "A").result).toBe(result);
  });

  test("SRV of a Service points at the Service, of a headless one at its endpoints", () => {
    const zone = sample();
    expect(zone.answer(`_http._tcp.dual.${svc}`, "SRV")).toMatchObject({
      answers: [{ data: { port: 80, target: `dual.${svc}`, weight: 100 } }],
      additionals: [{ data: "10.43.0.6" }, { data: "fd00::a", type: "AAAA" }],
    });
    const { answers, additionals } = zone.answer(`_sql._tcp.db.${svc}`, "SRV");
    expect(answers.map((one) => one.data)).toEqual([
      { priority: 0, weight: 33, port: 5432, target: `db-0.db.${svc}` },
      { priority: 0, weight: 33, port: 5432, target: `10-42-0-8.db.${svc}` },
      { priority: 0, weight: 33, port: 5432, target: `fd00--8.db.${svc}` },
    ]);
    expect(additionals).toHaveLength(4);
    expect(zone.answer(`db-0.db.${svc}`, "SRV").answers).toHaveLength(1);
    expect(zone.answer(`_http._udp.web.${svc}`, "SRV").result).toBe("missing");
    expect(zone.answer(`_http._tcp.web.${svc}`, "A")).toMatchObject({ result: "found", answers: [] });
  });

  test("an endpoint of two slices has one address and the ports of both", () => {
    const zone = sample();
    const again = [{ addresses: ["10.42.0.7"], hostname: "db-0" }];
    zone.setSlice("default/db-y", slice("db-y", "db", again, [{ name: "metrics", port: 9187 }]));
    expect(zone.answer(`db-0.db.${svc}`, "A").answers).toHaveLength(1);
    expect(zone.answer(`_metrics._tcp.db.${svc}`, "SRV").answers).toHaveLength(1);
  });

  test("a Service that goes takes its names along", () => {
    const zone = sample();
    zone.setService("default/web", undefined);
    zone.setSlice("default/db-x", undefined);
    zone.setSlice("default/db-6", undefined);
    expect(zone.answer(`web.${svc}`, "A").result).toBe("missing");
    expect(zone.answer(`db.${svc}`, "A").result).toBe("missing");
    expect(zone.answer("5.0.43.10.in-addr.arpa", "PTR").result).toBe("outside");
    expect(zone.answer("7.0.42.10.in-addr.arpa", "PTR").result).toBe("outside");
  });

  test("a slice that is given to another Service leaves the first", () => {
    const zone = sample();
    zone.setSlice("default/db-x", slice("db-x", "none", [{ addresses: ["10.42.0.7"] }]));
    expect(zone.answer(`db.${svc}`, "A").answers).toEqual([]);
    expect(zone.answer(`none.${svc}`, "A").answers).toHaveLength(1);
    expect(zone.answer("7.0.42.10.in-addr.arpa", "PTR").answers.map(({ data }) => data)).toEqual([
      `10-42-0-7.none.${svc}`,
    ]);
  });
});
