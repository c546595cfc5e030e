import { describe, expect, test } from "vitest";
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";
import { createZone } from "./zone.ts";

const meta = (name: string, namespace = "default") => ({
  name,
  namespace,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

const service = (name: string, spec: Service["spec"]): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(name),
  spec: spec as NonNullable<Service["spec"]>,
});

const slice = (
  name: string,
  owner: string,
  endpoints: EndpointSlice["endpoints"],
  ports: EndpointSlice["ports"],
): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { ...meta(name), labels: { "kubernetes.io/service-name": owner } },
  addressType: "IPv4",
  endpoints: endpoints ?? [],
  ports: ports ?? [],
});

function sample() {
  const zone = createZone("cluster.local");
  zone.setService(
    "default/web",
    service("web", { clusterIP: "10.43.0.5", clusterIPs: ["10.43.0.5"], ports: [{ name: "http", port: 80 }] }),
  );
  zone.setService("default/db", service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }));
  zone.setService("default/out", service("out", { type: "ExternalName", externalName: "example.com" }));
  const endpoints = [
    { addresses: ["10.42.0.7"], hostname: "db-0", conditions: { ready: true } },
    { addresses: ["10.42.0.8"], conditions: { ready: true } },
    { addresses: ["10.42.0.9"], hostname: "db-2", conditions: { ready: false } },
  ];
  zone.setSlice("default/db-x", slice("db-x", "db", endpoints, [{ name: "sql", protocol: "TCP", port: 5432 }]));
  return zone;
}

const svc = "default.svc.cluster.local";

describe("zone", () => {
  test.each([
    ["web.default.svc.cluster.local", "A", ["10.43.0.5"]],
    ["WEB.Default.svc.cluster.local", "A", ["10.43.0.5"]],
    ["web.default.svc.cluster.local", "AAAA", []],
    [`db.${svc}`, "A", ["10.42.0.7", "10.42.0.8"]],
    [`db-0.db.${svc}`, "A", ["10.42.0.7"]],
    [`10-42-0-8.db.${svc}`, "A", ["10.42.0.8"]],
    [`out.${svc}`, "A", ["example.com"]],
    ["10-42-0-7.default.pod.cluster.local", "A", ["10.42.0.7"]],
    ["5.0.43.10.in-addr.arpa", "PTR", [`web.${svc}`]],
    ["7.0.42.10.in-addr.arpa", "PTR", [`db-0.db.${svc}`]],
    ["dns-version.cluster.local", "TXT", ["1.1.0"]],
  ])("%s %s is answered", (name, type, data) => {
    const answer = sample().answer(name, type);
    expect(answer.result).toBe("found");
    expect(answer.answers.map((one) => one.data)).toEqual(data);
  });

  test.each([
    [`nothing.${svc}`, "missing"],
    [`db-2.db.${svc}`, "missing"],
    [`x.web.${svc}`, "missing"],
    ["nonsense.cluster.local", "missing"],
    ["example.com", "outside"],
    ["9.9.9.9.in-addr.arpa", "outside"],
  ])("%s is %s", (name, result) => {
    expect(sample().answer(name, "A").result).toBe(result);
  });

  test("SRV of a Service points at the Service, of a headless one at its endpoints", () => {
    const zone = sample();
    expect(zone.answer(`_http._tcp.web.${svc}`, "SRV")).toMatchObject({
      answers: [{ data: { port: 80, target: `web.${svc}` } }],
      additionals: [{ data: "10.43.0.5" }],
    });
    const { answers } = zone.answer(`_sql._tcp.db.${svc}`, "SRV");
    expect(answers.map((one) => one.data)).toMatchObject([
      { port: 5432, target: `db-0.db.${svc}` },
      { port: 5432, target: `10-42-0-8.db.${svc}` },
    ]);
    expect(zone.answer(`_http._udp.web.${svc}`, "SRV").result).toBe("missing");
  });

  test("a Service that goes takes its names along", () => {
    const zone = sample();
    zone.setService("default/web", undefined);
    zone.setSlice("default/db-x", undefined);
    expect(zone.answer(`web.${svc}`, "A").result).toBe("missing");
    expect(zone.answer("5.0.43.10.in-addr.arpa", "PTR").result).toBe("outside");
    expect(zone.answer("7.0.42.10.in-addr.arpa", "PTR").result).toBe("outside");
  });
});
