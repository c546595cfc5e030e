/** How claims, volumes and classes are described, beside the real kubectl. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";

const real = realKubectls().at(-1);

let pipeline: Pipeline;
let served: Served;

const terms = [
  {
    matchExpressions: [
      { key: "a", operator: "In", values: ["b", "c"] },
      { key: "d", operator: "Exists" },
    ],
  },
  { matchExpressions: [{ key: "e", operator: "DoesNotExist" }] },
];
const VOLUMES = {
  host: { hostPath: { path: "/x" }, accessModes: ["ReadWriteOnce", "ReadOnlyMany"] },
  disk: { local: { path: "/y" }, nodeAffinity: { required: { nodeSelectorTerms: terms } }, volumeMode: "Block" },
  nfs: { nfs: { server: "s", path: "/p" }, claimRef: { namespace: "default", name: "z" } },
  csi: { csi: { driver: "a.example.com", volumeHandle: "h", volumeAttributes: { x: "1", b: "c" } } },
  plain: { csi: { driver: "a.example.com", volumeHandle: "i", readOnly: true, fsType: "ext4" } },
  fc: { fc: { wwids: ["1"] } },
};

beforeAll(async () => {
  pipeline = await startPipeline();
  const client = pipeline.client();
  for (const [name, spec] of Object.entries(VOLUMES))
    await client.create("persistentvolumes", {
      metadata: { name, annotations: { note: name } },
      spec: { capacity: { storage: "2048Mi" }, accessModes: ["ReadWriteOncePod"], storageClassName: "fast", ...spec },
    });
  const claim = (name: string, spec: object) =>
    client.create("persistentvolumeclaims", {
      metadata: { name, namespace: "default", labels: { a: "b", c: "d" } },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1500M" } }, ...spec },
    });
  await claim("new", { dataSource: { kind: "PersistentVolumeClaim", name: "data" } });
  const bound = await claim("bound", { volumeName: "disk", storageClassName: "fast" });
  await client.updateStatus("persistentvolumeclaims", {
    ...bound,
    status: {
      phase: "Bound",
      accessModes: ["ReadOnlyMany", "ReadWriteOnce"],
      capacity: { storage: "2Gi" },
      conditions: [{ type: "Resizing", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z", reason: "R" }],
    },
  });
  for (const name of ["one", "two"])
    await client.create("pods", {
      metadata: { name, namespace: "default" },
      spec: {
        containers: [{ name: "c", image: "a:1" }],
        volumes: [{ name: "v", persistentVolumeClaim: { claimName: "bound" } }],
      },
    });
  await client.create("storageclasses", {
    metadata: { name: "zoned" },
    provisioner: "example.com/a",
    parameters: { b: "c", a: "d" },
    mountOptions: ["ro", "noatime"],
    allowedTopologies: [
      {
        matchLabelExpressions: [
          { key: "zone", values: ["a", "b"] },
          { key: "rack", values: ["r"] },
        ],
      },
      { matchLabelExpressions: [{ key: "zone", values: ["c"] }] },
    ],
  });
  served = await serve(pipeline);
});
afterAll(async () => {
  await served?.close();
  await pipeline.close();
});

describe.skipIf(!real)(`beside kubectl ${real?.version}`, () => {
  test.each(["pvc", "pv", "sc"])("describe %s", async (resource) => {
    const line = ["describe", resource];
    expect(await served.kubectl(line)).toEqual(await served.real(real!, line));
  });
});
