import { expect, test } from "vitest";
import { type Loose, podSpec, tryCreate, withContainer } from "./sample-objects.ts";

/** What a Pod's spec says, and everything that is said about it: starts of "field: message", in order. */
type Row = readonly [what: string, spec: Loose, errors: readonly string[]];

const C = "spec.containers[0]";
const V = "spec.volumes[0]";
const volume = (source: Loose): Loose => podSpec({ volumes: [{ name: "v", ...source }] });
const mounted = (mount: Loose, source: Loose = { emptyDir: {} }, container: Loose = {}): Loose => ({
  ...withContainer({ volumeMounts: [{ name: "v", mountPath: "/v", ...mount }], ...container }),
  volumes: [{ name: "v", ...source }],
});
const volumes: readonly Row[] = [
  [
    "two sources",
    volume({ emptyDir: {}, hostPath: { path: "/a" } }),
    [`${V}.hostPath: Forbidden: may not specify more than 1 volume type`],
  ],
  [
    "a negative size",
    volume({ emptyDir: { sizeLimit: "-1" } }),
    [`${V}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity`],
  ],
  [
    "a mode",
    volume({ secret: { secretName: "s", defaultMode: 0o1000 } }),
    [`${V}.secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive`],
  ],
  [
    "a reserved file",
    volume({ configMap: { name: "m", items: [{ key: "a", path: "..data" }] } }),
    [`${V}.configMap.items[0].path: Invalid value: "..data": must not start with '..'`],
  ],
  [
    "gitRepo",
    volume({ gitRepo: { directory: "/a" } }),
    [`${V}.gitRepo.repository: Required value`, `${V}.gitRepo.directory: Invalid value: "/a": must be a relative path`],
  ],
  [
    "a disk's partition",
    volume({ gcePersistentDisk: { partition: 300 } }),
    [
      `${V}.persistentDisk.pdName: Required value`,
      `${V}.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive`,
    ],
  ],
  ["nfs", volume({ nfs: { server: "a", path: "b" } }), [`${V}.nfs.path: Invalid value: "b": must be an absolute path`]],
  [
    "iscsi",
    volume({ iscsi: { targetPortal: "a", iqn: "x", lun: 256 } }),
    [
      `${V}.iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa`,
      `${V}.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive`,
    ],
  ],
  [
    "fc",
    volume({ fc: {} }),
    [`${V}.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both`],
  ],
  [
    "flexVolume",
    volume({ flexVolume: { driver: "d", options: { "k8s.io/x": "1" } } }),
    [`${V}.flexVolume.options[k8s.io/x]: Invalid value: "k8s.io/x": kubernetes.io and k8s.io namespaces are reserved`],
  ],
  [
    "azureDisk",
    volume({ azureDisk: { diskName: "d", diskURI: "x", kind: "Managed" } }),
    [`${V}.azureDisk.diskURI: Unsupported value: "x": supported values: "/subscriptions/`],
  ],
  [
    "quobyte",
    volume({ quobyte: { registry: "nowhere", volume: "v" } }),
    [`${V}.quobyte.registry: Invalid value: "nowhere": must be a host:port pair`],
  ],
  [
    "csi",
    volume({ csi: { driver: "a_b" } }),
    [`${V}.csi.driver: Invalid value: "a_b": a lowercase RFC 1123 subdomain`],
  ],
  ["image", volume({ image: {} }), [`${V}.image.reference: Required value`]],
  [
    "ephemeral",
    volume({ ephemeral: { volumeClaimTemplate: { metadata: { name: "x" }, spec: {} } } }),
    [
      `${V}.ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set`,
      `${V}.ephemeral.volumeClaimTemplate.spec.accessModes: Required value`,
      `${V}.ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value`,
    ],
  ],
  [
    "two files at one place",
    volume({
      projected: {
        sources: [
          { secret: { name: "s", items: [{ key: "a", path: "p" }] } },
          { configMap: { name: "m", items: [{ key: "a", path: "p" }] } },
        ],
      },
    }),
    [`${V}.projected: Invalid value: "m": conflicting duplicate paths`],
  ],
  [
    "two sources of a projection",
    volume({ projected: { sources: [{ secret: { name: "s" }, configMap: { name: "m" } }] } }),
    [`${V}.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source`],
  ],
  [
    "a trust bundle of nobody",
    volume({ projected: { sources: [{ clusterTrustBundle: { path: "p" } }] } }),
    [`${V}.projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified`],
  ],
  ["an unknown mount", mounted({ name: "w" }), [`${C}.volumeMounts[0].name: Not found: "w"`]],
  [
    "subPath and subPathExpr",
    mounted({ subPath: "a", subPathExpr: "../b" }),
    [
      `${C}.volumeMounts[0].subPathExpr: Invalid value: "../b": subPathExpr and subPath are mutually exclusive`,
      `${C}.volumeMounts.subPathExpr: Invalid value: "../b": must not contain '..'`,
    ],
  ],
  [
    "propagation both ways",
    mounted({ mountPropagation: "Bidirectional" }),
    [
      `${C}.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers`,
    ],
  ],
  [
    "recursiveReadOnly of what can be written",
    mounted({ recursiveReadOnly: "Enabled" }),
    [`${C}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true`],
  ],
  [
    "a device of a directory",
    {
      ...withContainer({ volumeDevices: [{ name: "v", devicePath: "/dev/a" }] }),
      volumes: [{ name: "v", emptyDir: {} }],
    },
    [
      `${C}.volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode`,
    ],
  ],
  [
    "a claim's own name",
    {
      ...podSpec({
        volumes: [
          {
            name: "a",
            ephemeral: {
              volumeClaimTemplate: {
                spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1" } } },
              },
            },
          },
          { name: "b", persistentVolumeClaim: { claimName: "web-a" } },
        ],
      }),
    },
    [
      'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "web-a": must not reference a PVC that gets created for an ephemeral volume',
    ],
  ],
];

test.each(volumes)("a Pod's volumes may not have %s", (_what, spec, starts) => {
  const { errors } = tryCreate("pods", { spec });
  expect(errors.map((error, index) => error.slice(0, (starts[index] ?? error).length))).toEqual(starts);
});
