import { describe, expect, test } from "vitest";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "../../machinery/objects/kinds.ts";
import { failureMessage } from "../failure-message.ts";
import { cluster, node, type Others, type Placed, pod, schedule } from "../sample-cluster.ts";

type ClaimSpec = NonNullable<PersistentVolumeClaim["spec"]>;
type VolumeSpec = NonNullable<PersistentVolume["spec"]>;

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const claim = (
  name: string,
  { annotations = {}, ...spec }: Partial<ClaimSpec> & { annotations?: Record<string, string> } = {},
): PersistentVolumeClaim => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { ...meta(name), namespace: "default", annotations },
  spec: {
    accessModes: ["ReadWriteOnce"],
    storageClassName: "late",
    resources: { requests: { storage: "1Gi" } },
    ...spec,
  },
});
const bound = (name: string, volumeName: string) =>
  claim(name, { volumeName, annotations: { "pv.kubernetes.io/bind-completed": "yes" } });

const onHost = (host: string): Partial<VolumeSpec> => ({
  nodeAffinity: {
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [host] }] }],
    },
  },
});
const volume = (name: string, spec: Partial<VolumeSpec> = {}): PersistentVolume => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: meta(name),
  spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, storageClassName: "late", ...spec },
  status: { phase: "Available" },
});
const late = (more: Partial<StorageClass> = {}): StorageClass => ({
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: meta("late"),
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "WaitForFirstConsumer",
  ...more,
});
const made = late({ provisioner: "example.com/disks" });

const using = (...names: string[]) => ({
  volumes: names.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
});
const nodes = [node("a", { zone: "x" }), node("b", { zone: "y" })];

function decide(names: readonly string[], others: Others, placed: readonly Placed[] = []) {
  const decision = schedule(pod("p", using(...names)), cluster(nodes, placed, others));
  const fitting = decision.verdicts.filter(({ refused }) => !refused).map(({ node: name }) => name);
  return fitting.length > 0 ? fitting.sort() : failureMessage(decision).replace("0/2 nodes are available: ", "");
}

const NONE = "2 node(s) didn't find available persistent volumes to bind.";

describe("claims that wait for their Pod", () => {
  const cases: readonly [
    string,
    readonly PersistentVolumeClaim[],
    readonly PersistentVolume[],
    StorageClass,
    unknown,
  ][] = [
    ["take a volume that the node reaches", [claim("d")], [volume("v", onHost("b"))], late(), ["b"]],
    ["take one that is anywhere", [claim("d")], [volume("v")], late(), ["a", "b"]],
    ["take none that is too small", [claim("d")], [volume("v", { capacity: { storage: "1Mi" } })], late(), NONE],
    [
      "take none that is another's",
      [claim("d")],
      [volume("v", { claimRef: { namespace: "default", name: "o" } })],
      late(),
      NONE,
    ],
    [
      "take what is kept for them",
      [claim("d")],
      [volume("v", { ...onHost("a"), claimRef: { namespace: "default", name: "d" } })],
      late(),
      ["a"],
    ],
    [
      "take nothing else where what is kept for them cannot be reached",
      [claim("d")],
      [volume("v", { ...onHost("c"), claimRef: { namespace: "default", name: "d" } }), volume("w", onHost("a"))],
      late(),
      NONE,
    ],
    [
      "need a volume each",
      [claim("d"), claim("e")],
      [volume("v", onHost("a")), volume("w", onHost("b"))],
      late(),
      NONE,
    ],
    [
      "leave the large one to the one that needs it",
      [claim("d", { resources: { requests: { storage: "5Gi" } } }), claim("e")],
      [volume("v", { capacity: { storage: "9Gi" } }), volume("w", onHost("a"))],
      late(),
      ["a"],
    ],
    ["have one made anywhere", [claim("d")], [], made, ["a", "b"]],
    [
      "have one made where the class allows it",
      [claim("d")],
      [],
      late({
        provisioner: "example.com/disks",
        allowedTopologies: [{ matchLabelExpressions: [{ key: "topology.kubernetes.io/zone", values: ["y"] }] }],
      }),
      ["b"],
    ],
    [
      "have one made where another Pod has called for it",
      [claim("d", { annotations: { "volume.kubernetes.io/selected-node": "b" } })],
      [volume("v")],
      made,
      ["b"],
    ],
  ];
  test.each(cases)("%s", (_, claims, volumes, storageClass, expected) => {
    const others = { persistentvolumeclaims: claims, persistentvolumes: volumes, storageclasses: [storageClass] };
    expect(
      decide(
        claims.map(({ metadata }) => metadata.name),
        others,
      ),
    ).toEqual(expected);
  });

  test("have one made only where there is room, if their driver tells", () => {
    const capacity = (name: string, zone: string, size: string) => ({
      metadata: { name },
      storageClassName: "late",
      capacity: size,
      nodeTopology: { matchLabels: { "topology.kubernetes.io/zone": zone } },
    });
    const others = {
      persistentvolumeclaims: [claim("d")],
      storageclasses: [made],
      csidrivers: [{ metadata: { name: "example.com/disks" }, spec: { storageCapacity: true } }],
    };
    const none = decide(["d"], { ...others, csistoragecapacities: [capacity("x", "x", "1Mi")] });
    expect(none).toBe("2 node(s) did not have enough free storage.");
    expect(
      decide(["d"], { ...others, csistoragecapacities: [capacity("x", "x", "1Mi"), capacity("y", "y", "2Gi")] }),
    ).toEqual(["b"]);
  });

  test("say all that is wrong with a node", () => {
    const others = {
      persistentvolumeclaims: [claim("d"), bound("e", "v")],
      persistentvolumes: [volume("v", onHost("c"))],
      storageclasses: [late()],
    };
    expect(decide(["d", "e"], others)).toBe(
      "2 node(s) didn't find available persistent volumes to bind, 2 node(s) didn't match PersistentVolume's node affinity.",
    );
  });
});

describe("a node takes", () => {
  const disk = (handle: string) => ({ csi: { driver: "disks.example.com", volumeHandle: handle } });
  const limited = (name: string, count: number) => ({
    metadata: { name },
    spec: { drivers: [{ name: "disks.example.com", nodeID: name, allocatable: { count } }] },
  });
  const others = {
    persistentvolumeclaims: [bound("one", "v1"), bound("two", "v2"), bound("same", "v1")],
    persistentvolumes: [volume("v1", disk("1")), volume("v2", disk("2"))],
    csinodes: [limited("a", 1), limited("b", 0)],
  };

  test("only as many volumes of a driver as it says", () => {
    expect(decide(["one"], others)).toEqual(["a"]);
    expect(decide(["one", "two"], others)).toBe("2 node(s) exceed max volume count.");
    expect(decide(["two"], others, [[pod("q", using("one")), "a"]])).toBe("2 node(s) exceed max volume count.");
    expect(decide(["two"], { ...others, csinodes: [limited("a", 2)] }, [[pod("q", using("one")), "a"]])).toEqual([
      "a",
      "b",
    ]);
  });

  test("a volume once, whoever uses it", () => {
    expect(decide(["same"], others, [[pod("q", using("one")), "a"]])).toEqual(["a"]);
  });

  test("nothing more while volumes are attached that nobody uses", () => {
    const attached = {
      metadata: { name: "x" },
      spec: { attacher: "disks.example.com", nodeName: "a", source: { persistentVolumeName: "v2" } },
    };
    expect(decide(["one"], { ...others, volumeattachments: [attached] })).toBe("2 node(s) exceed max volume count.");
  });

  test.each<readonly [string, object, object, unknown]>([
    ["a disk once", { pdName: "d" }, { pdName: "d" }, ["b"]],
    ["a disk that all only read", { pdName: "d", readOnly: true }, { pdName: "d", readOnly: true }, ["a", "b"]],
    ["a disk beside others", { pdName: "d" }, { pdName: "e" }, ["a", "b"]],
  ])("%s", (_, mine, other, expected) => {
    const withDisk = (name: string, gcePersistentDisk: object) =>
      pod(name, { volumes: [{ name: "d", gcePersistentDisk: gcePersistentDisk as never }] });
    const { verdicts } = schedule(withDisk("p", mine), cluster(nodes, [[withDisk("q", other), "a"]]));
    expect(
      verdicts
        .filter(({ refused }) => !refused)
        .map(({ node: name }) => name)
        .sort(),
    ).toEqual(expected);
  });
});
