import { describe, expect, test } from "vitest";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { FieldErrors } from "./field-errors.ts";
import { deployment, job, type Loose, podSpec, rowOf, service, tryCreate, tryUpdate } from "./sample-objects.ts";

type Body = Record<string, never>;
const spec = (object: Loose): Record<string, unknown> => object["spec"] as Body;
const stored = (plural: string, body: Loose): StoredObject & Loose => tryCreate(plural, body).object;

describe("a Pod's update", () => {
  const pod = stored("pods", {
    spec: podSpec({ tolerations: [{ key: "a", operator: "Exists" }], activeDeadlineSeconds: 50 }),
  });
  const container = (object: Loose): Loose => (spec(object)["containers"] as Loose[])[0]!;

  test.each<[string, (object: Loose) => void]>([
    ["another image", (one) => Object.assign(container(one), { image: "nginx:1.28" })],
    ["a shorter deadline", (one) => Object.assign(spec(one), { activeDeadlineSeconds: 10 })],
    ["one more toleration", (one) => (spec(one)["tolerations"] as Loose[]).push({ key: "b", operator: "Exists" })],
    ["labels", (one) => Object.assign(one["metadata"] as Loose, { labels: { a: "b" } })],
  ])("may bring %s", (_what, change) => {
    expect(tryUpdate("pods", pod, change).errors).toEqual([]);
  });

  test.each<[string, (object: Loose) => void, string]>([
    [
      "other variables",
      (one) => Object.assign(container(one), { env: [{ name: "A" }] }),
      "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n",
    ],
    ["another node", (one) => Object.assign(spec(one), { nodeName: "n" }), '+ spec.nodeName: "n"'],
    [
      "a container",
      (one) => (spec(one)["containers"] as Loose[]).push({ name: "d", image: "x" }),
      "spec.containers: Forbidden: pod updates may not add or remove containers",
    ],
    [
      "fewer tolerations",
      (one) => Object.assign(spec(one), { tolerations: [] }),
      "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
    ],
    [
      "a longer deadline",
      (one) => Object.assign(spec(one), { activeDeadlineSeconds: 99 }),
      "spec.activeDeadlineSeconds: Invalid value: 99: must be less than or equal to previous value",
    ],
    [
      "new gates",
      (one) => Object.assign(spec(one), { schedulingGates: [{ name: "a.b/c" }] }),
      "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a.b/c'",
    ],
    [
      "another UID",
      (one) => Object.assign(one["metadata"] as Loose, { uid: "x" }),
      'metadata.uid: Invalid value: "x": field is immutable',
    ],
  ])("may not bring %s", (_what, change, message) => {
    const { errors } = tryUpdate("pods", pod, change);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(message);
  });
});

test("an object that is being deleted gets no new finalizers", () => {
  const map = stored("configmaps", { metadata: { finalizers: ["a.b/c"] } });
  map.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  const { errors } = tryUpdate("configmaps", map, (one) =>
    Object.assign(one["metadata"] as Loose, { finalizers: ["a.b/c", "d.e/f"] }),
  );
  expect(errors).toEqual([
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"d.e/f"}',
  ]);
});

describe("what may not change", () => {
  test.each<[string, Loose, (object: Loose) => void, string]>([
    [
      "deployments",
      deployment(),
      (one) =>
        Object.assign(spec(one), {
          selector: { matchLabels: { app: "web", x: "y" } },
          template: { metadata: { labels: { app: "web", x: "y" } }, spec: podSpec() },
        }),
      "field is immutable",
    ],
    [
      "jobs",
      job(),
      (one) => Object.assign(spec(one), { completions: 9 }),
      "spec.completions: Invalid value: 9: field is immutable",
    ],
    [
      "jobs",
      job(),
      (one) => Object.assign((spec(one)["template"] as { spec: Loose }).spec, { hostNetwork: true }),
      "field is immutable",
    ],
    [
      "statefulsets",
      { spec: { ...(deployment()["spec"] as Loose), serviceName: "a" } },
      (one) => Object.assign(spec(one), { serviceName: "b" }),
      "updates to statefulset spec for fields other than 'replicas'",
    ],
    [
      "configmaps",
      { immutable: true, data: { a: "b" } },
      (one) => Object.assign(one, { data: { a: "c" } }),
      "data: Forbidden: field is immutable when `immutable` is set",
    ],
    [
      "secrets",
      { type: "a" },
      (one) => Object.assign(one, { type: "b" }),
      'type: Invalid value: "b": field is immutable',
    ],
    [
      "rolebindings",
      { roleRef: { kind: "Role", name: "a" } },
      (one) => Object.assign(one, { roleRef: { kind: "Role", name: "b" } }),
      "cannot change roleRef",
    ],
    [
      "nodes",
      { spec: { podCIDR: "10.42.0.0/24" } },
      (one) => Object.assign(spec(one), { podCIDR: "10.42.1.0/24", podCIDRs: ["10.42.1.0/24"] }),
      "spec.podCIDRs: Forbidden: node updates may not change podCIDR",
    ],
    [
      "endpointslices",
      { addressType: "IPv4", endpoints: [] },
      (one) => Object.assign(one, { addressType: "FQDN" }),
      'addressType: Invalid value: "FQDN": field is immutable',
    ],
  ])("of %s", (plural, body, change, message) => {
    const { errors } = tryUpdate(plural, stored(plural, body), change);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(message);
  });
});

describe("a Service's update", () => {
  const given = stored("services", service({ type: "NodePort" }));
  Object.assign(spec(given), { clusterIP: "10.43.0.5", clusterIPs: ["10.43.0.5"] });
  Object.assign((spec(given)["ports"] as Loose[])[0]!, { nodePort: 30080 });

  test("keeps the address and node port that it does not name", () => {
    const { object, errors } = tryUpdate("services", given, (one) => {
      one["spec"] = service({ type: "NodePort" })["spec"];
    });
    expect(errors).toEqual([]);
    expect(object["spec"]).toMatchObject({
      clusterIP: "10.43.0.5",
      clusterIPs: ["10.43.0.5"],
      ports: [{ nodePort: 30080 }],
    });
  });

  test("keeps the families that it does not name", () => {
    const dual = {
      clusterIP: "None",
      clusterIPs: ["None"],
      ipFamilies: ["IPv4", "IPv6"],
      ipFamilyPolicy: "PreferDualStack",
    };
    const headless = stored("services", service(dual));
    const { object, errors } = tryUpdate("services", headless, (one) => {
      one["spec"] = service({ clusterIP: "None" })["spec"];
    });
    expect(errors).toEqual([]);
    expect(object["spec"]).toMatchObject(dual);
  });

  test("keeps a port's node port by the port's name, whatever else changes", () => {
    const { object, errors } = tryUpdate("services", given, (one) => {
      one["spec"] = service({ type: "NodePort", ports: [{ port: 8080, protocol: "UDP" }] })["spec"];
    });
    expect(errors).toEqual([]);
    expect(object["spec"]).toMatchObject({ ports: [{ port: 8080, nodePort: 30080 }] });
  });

  test("gives the node port back with the type", () => {
    const { object, errors } = tryUpdate("services", given, (one) => Object.assign(spec(one), { type: "ClusterIP" }));
    expect(errors).toEqual([]);
    expect(object["spec"]).not.toHaveProperty("externalTrafficPolicy");
    expect((spec(object)["ports"] as Loose[])[0]).not.toHaveProperty("nodePort");
  });

  test("gives everything back when it becomes a name only", () => {
    const { object, errors } = tryUpdate("services", given, (one) =>
      Object.assign(spec(one), { type: "ExternalName", externalName: "example.com" }),
    );
    expect(errors).toEqual([]);
    expect(object["spec"]).not.toHaveProperty("clusterIP");
    expect(object["spec"]).not.toHaveProperty("ipFamilies");
  });

  test("may not ask for another address", () => {
    const { errors } = tryUpdate("services", given, (one) =>
      Object.assign(spec(one), { clusterIP: "10.43.0.6", clusterIPs: ["10.43.0.6"] }),
    );
    expect(errors).toEqual(['spec.clusterIPs[0]: Invalid value: ["10.43.0.6"]: may not change once set']);
  });
});

describe("what only some kinds say", () => {
  const strategyOf = (plural: string) => rowOf(plural).strategy;

  test("a Pod goes at once unless it runs on a node", () => {
    const grace = strategyOf("pods").gracePeriodSeconds!;
    const pod = stored("pods", { spec: podSpec({ nodeName: "n" }) });
    expect(grace(pod, undefined)).toBe(30);
    expect(grace(pod, 5)).toBe(5);
    expect(grace(pod, -1)).toBe(1);
    expect(grace({ ...pod, status: { phase: "Failed" } }, 5)).toBe(0);
    expect(grace(stored("pods", { spec: podSpec() }), 5)).toBe(0);
  });

  test("a Namespace is held by its spec's finalizers and turns Terminating", () => {
    const namespace = stored("namespaces", {});
    expect(strategyOf("namespaces").holds?.(namespace)).toBe(true);
    strategyOf("namespaces").markDeleted?.(namespace);
    expect(namespace["status"]).toEqual({ phase: "Terminating" });
    expect(strategyOf("namespaces").holds?.({ ...namespace, spec: {} })).toBe(false);
  });

  test("a Lease's renewal alone may reach the disk late", () => {
    const lease = stored("leases", { spec: { holderIdentity: "a", leaseDurationSeconds: 15, renewTime: "t0" } });
    const { deferrable } = strategyOf("leases");
    const changed = (more: Loose) => ({ ...lease, spec: { ...(lease["spec"] as Loose), ...more } });
    expect(deferrable?.(changed({ renewTime: "t1" }), lease)).toBe(true);
    expect(deferrable?.(changed({ renewTime: "t1", holderIdentity: "b" }), lease)).toBe(false);
  });

  test("generations are counted where Kubernetes counts them", () => {
    const counted = ["pods", "deployments", "replicasets", "jobs", "endpointslices", "ingresses"];
    const not = ["configmaps", "services", "nodes", "namespaces", "leases", "roles", "persistentvolumeclaims"];
    for (const plural of counted) expect(strategyOf(plural).noGeneration, plural).toBeUndefined();
    for (const plural of not) expect(strategyOf(plural).noGeneration, plural).toBe(true);
  });

  test("a container that ended stays ended where the Pod is not to restart it", () => {
    const pod = stored("pods", { spec: podSpec({ restartPolicy: "Never" }) });
    const ended = { ...pod, status: { containerStatuses: [{ name: "c", state: { terminated: { exitCode: 1 } } }] } };
    const running = { ...pod, status: { containerStatuses: [{ name: "c", state: { running: {} } }] } };
    const errors = new FieldErrors();
    strategyOf("pods").validateStatusUpdate?.(running, ended, errors);
    expect(errors.causes.map(({ field }) => field)).toEqual(["status.containerStatuses[0].state"]);
  });
});
