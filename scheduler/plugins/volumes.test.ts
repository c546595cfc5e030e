import { describe, expect, test } from "vitest";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "../../machinery/objects/kinds.ts";
import { failureMessage } from "../failure-message.ts";
import { cluster, node, type Placed, pod, schedule } from "../sample-cluster.ts";

type ClaimSpec = NonNullable<PersistentVolumeClaim["spec"]>;

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const using = (claimName: string) => ({ volumes: [{ name: "data", persistentVolumeClaim: { claimName } }] });

interface ClaimSample extends Partial<ClaimSpec> {
  readonly phase?: string;
  readonly deleting?: boolean;
  /** Bound on both sides. */
  readonly bound?: string;
  readonly owner?: string;
}
const claim = (name: string, { phase, deleting, bound, owner, ...spec }: ClaimSample = {}): PersistentVolumeClaim => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: {
    ...meta(name),
    namespace: "default",
    ...(bound ? { annotations: { "pv.kubernetes.io/bind-completed": "yes" } } : {}),
    ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    ...(owner
      ? { ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: owner, uid: owner, controller: true }] }
      : {}),
  },
  spec: { accessModes: ["ReadWriteOnce"], ...spec, ...(bound ? { volumeName: bound } : {}) },
  ...(phase ? { status: { phase } } : {}),
});

const volume = (name: string, labels: Record<string, string> = {}, disk?: string): PersistentVolume => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { ...meta(name), labels },
  spec: disk
    ? {
        nodeAffinity: {
          required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "In", values: [disk] }] }] },
        },
      }
    : {},
});

const waitForConsumer: StorageClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: meta("local"),
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "WaitForFirstConsumer",
};

const nodes = [node("a", { zone: "x", labels: { disk: "one" } }), node("b", { zone: "y", labels: { disk: "two" } })];
const decide = (
  claims: readonly PersistentVolumeClaim[],
  volumes: readonly PersistentVolume[] = [],
  placed: readonly Placed[] = [],
) =>
  schedule(
    pod("p", using("data")),
    cluster(nodes, placed, {
      persistentvolumeclaims: claims,
      persistentvolumes: volumes,
      storageclasses: [waitForConsumer],
    }),
  );

describe("a Pod runs nowhere", () => {
  test.each<readonly [string, readonly PersistentVolumeClaim[], string]>([
    ["without its claim", [], 'persistentvolumeclaim "data" not found'],
    ["while its claim is not bound", [claim("data")], "pod has unbound immediate PersistentVolumeClaims"],
    [
      "while its claim names a volume that is not bound to it yet",
      [claim("data", { volumeName: "disk", storageClassName: "local" })],
      "pod has unbound immediate PersistentVolumeClaims",
    ],
    [
      "while its claim's class is not there",
      [claim("data", { storageClassName: "fast" })],
      "pod has unbound immediate PersistentVolumeClaims",
    ],
    [
      "when its claim is on its way out",
      [claim("data", { deleting: true })],
      'persistentvolumeclaim "data" is being deleted',
    ],
    [
      "when its claim has lost its volume",
      [claim("data", { bound: "disk", phase: "Lost" })],
      'persistentvolumeclaim "data" bound to non-existent persistentvolume "disk"',
    ],
    [
      "when its claim waits for a consumer and nothing gives it a volume",
      [claim("data", { storageClassName: "local" })],
      "2 node(s) didn't find available persistent volumes to bind",
    ],
    [
      "when its volume is gone",
      [claim("data", { bound: "disk" })],
      "2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
    ],
  ])("%s", (_, claims, reason) => {
    const decision = decide(claims);
    expect(failureMessage(decision)).toBe(`0/2 nodes are available: ${reason}.`);
    expect(decision.helpedBy).toContain("persistentvolumeclaims");
  });

  test("where its volume cannot be reached", () => {
    const elsewhere = decide([claim("data", { bound: "disk" })], [volume("disk", {}, "three")]);
    expect(failureMessage(elsewhere)).toBe(
      "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
    );
    const zone = decide([claim("data", { bound: "disk" })], [volume("disk", { "topology.kubernetes.io/zone": "z" })]);
    expect(failureMessage(zone)).toBe("0/2 nodes are available: 2 node(s) had no available volume zone.");
  });

  test("while another uses a claim that serves one Pod at a time", () => {
    const exclusive = claim("data", { bound: "disk", accessModes: ["ReadWriteOncePod"] });
    expect(decide([exclusive], [volume("disk")]).node).toBeDefined();
    const decision = decide([exclusive], [volume("disk")], [[pod("q", using("data")), "a"]]);
    expect(failureMessage(decision)).toBe(
      "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.",
    );
  });
});

describe("a Pod with a bound claim", () => {
  test.each<readonly [string, PersistentVolume, readonly string[]]>([
    ["runs where any node reaches it", volume("disk"), ["a", "b"]],
    ["runs where its volume's node affinity says", volume("disk", {}, "two"), ["b"]],
    ["runs in its volume's zone", volume("disk", { "topology.kubernetes.io/zone": "y" }), ["b"]],
    [
      "runs in any zone of its volume",
      volume("disk", { "failure-domain.beta.kubernetes.io/zone": "x__y" }),
      ["a", "b"],
    ],
  ])("%s", (_, disk, expected) => {
    const { verdicts } = decide([claim("data", { bound: "disk" })], [disk]);
    expect(
      verdicts
        .filter(({ refused }) => !refused)
        .map((verdict) => verdict.node)
        .sort(),
    ).toEqual(expected);
  });
});

describe("a claim made for one Pod", () => {
  const ephemeral = { volumes: [{ name: "scratch", ephemeral: {} }] };
  test.each<readonly [string, readonly PersistentVolumeClaim[], string | undefined]>([
    ["is waited for", [], 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch"'],
    [
      "serves no other Pod",
      [claim("p-scratch", { bound: "disk" })],
      "PVC default/p-scratch was not created for pod default/p (pod is not owner)",
    ],
    ["serves its own", [claim("p-scratch", { bound: "disk", owner: "p" })], undefined],
  ])("%s", (_, persistentvolumeclaims, reason) => {
    const others = { persistentvolumeclaims, persistentvolumes: [volume("disk")] };
    const decision = schedule(pod("p", ephemeral), cluster(nodes, [], others));
    if (reason) expect(failureMessage(decision)).toBe(`0/2 nodes are available: ${reason}.`);
    else expect(decision.node).toBeDefined();
  });
});
