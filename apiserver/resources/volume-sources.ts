/**
 * Sources of volumes: what each must hold, in the order in which Kubernetes looks for them.
 *
 * Many are of drivers that are gone; what is stored must still keep their rules.
 */
import { isIPv6 } from "node:net";
import type { Volume } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import { parseQuantity } from "../../machinery/objects/quantity.ts";
import { between, localPath, noBacksteps, oneOf, required } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each, validateAnnotations, validateLabels } from "./object-meta.ts";
import { type At, child, entry } from "./path.ts";
import { validateFieldFiles, validateKeyed, validateProjected } from "./volume-files.ts";
import { validateIscsi } from "./volume-iscsi.ts";

export type SourceName = Exclude<keyof Volume, "name">;
export type SourceOf<K extends SourceName> = NonNullable<Volume[K]>;
type Rules = { readonly [K in SourceName]-?: (source: SourceOf<K>, path: At, errors: FieldErrors) => void };

const HOST_PATH_TYPES: readonly string[] = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];

/** Fields that must be set, and nothing else. */
const needs =
  <T extends object>(...fields: readonly (keyof T & string)[]) =>
  (source: T, path: At, errors: FieldErrors): void => {
    for (const field of fields) if (!source[field]) errors.required(child(path, field));
  };

export const sourceRules: Rules = {
  emptyDir({ sizeLimit }, path, errors) {
    if (sizeLimit !== undefined && parseQuantity(sizeLimit).nanos < 0n) {
      errors.forbidden(child(path, "sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
  },
  hostPath(source, path, errors) {
    if (!required(source.path, child(path, "path"), errors)) return;
    noBacksteps(source.path, child(path, "path"), errors);
    oneOf(source.type, HOST_PATH_TYPES, child(path, "type"), errors);
  },
  gitRepo(source, path, errors) {
    required(source.repository, child(path, "repository"), errors);
    localPath(source.directory ?? "", child(path, "directory"), errors);
  },
  gcePersistentDisk(source, path, errors) {
    required(source.pdName, child(path, "pdName"), errors);
    validatePartition(source.partition, child(path, "partition"), errors);
  },
  awsElasticBlockStore(source, path, errors) {
    required(source.volumeID, child(path, "volumeID"), errors);
    validatePartition(source.partition, child(path, "partition"), errors);
  },
  secret(source, path, errors) {
    required(source.secretName, child(path, "secretName"), errors);
    validateKeyed(source, path, errors);
  },
  nfs(source, path, errors) {
    required(source.server, child(path, "server"), errors);
    required(source.path, child(path, "path"), errors);
    if (!source.path?.startsWith("/")) {
      errors.invalid(child(path, "path"), source.path ?? "", "must be an absolute path");
    }
  },
  iscsi: validateIscsi,
  glusterfs: needs("endpoints", "path"),
  flocker({ datasetName = "", datasetUUID = "" }, path, errors) {
    if (!datasetName && !datasetUUID) errors.required(path, "one of datasetName and datasetUUID is required");
    if (datasetName && datasetUUID) {
      errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if (datasetName.includes("/")) errors.invalid(child(path, "datasetName"), datasetName, "must not contain '/'");
  },
  persistentVolumeClaim: needs("claimName"),
  rbd(source, path, errors) {
    if (!source.monitors?.length) errors.required(child(path, "monitors"));
    required(source.image, child(path, "image"), errors);
  },
  cinder(source, path, errors) {
    required(source.volumeID, child(path, "volumeID"), errors);
    validateSecretRef(source.secretRef, path, errors);
  },
  cephfs(source, path, errors) {
    if (!source.monitors?.length) errors.required(child(path, "monitors"));
  },
  quobyte({ registry, tenant = "", volume }, path, errors) {
    const wanted = "must be a host:port pair or multiple pairs separated by commas";
    if (!registry) errors.required(child(path, "registry"), wanted);
    else if (tenant.length >= 65) {
      errors.required(child(path, "tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
      for (const pair of registry.split(",")) {
        if (!isHostPort(pair)) errors.invalid(child(path, "registry"), registry, wanted);
      }
    }
    required(volume, child(path, "volume"), errors);
  },
  downwardAPI: validateFieldFiles,
  fc({ targetWWNs = [], wwids = [], lun }, path, errors) {
    const at = child(path, "targetWWNs");
    if (targetWWNs.length === 0 && wwids.length === 0) {
      errors.required(at, "must specify either targetWWNs or wwids, but not both");
    }
    if (targetWWNs.length > 0 && wwids.length > 0) {
      errors.invalid(at, targetWWNs, "targetWWNs and wwids can not be specified simultaneously");
    }
    if (targetWWNs.length === 0) return;
    if (lun === undefined) errors.required(child(path, "lun"), "lun is required if targetWWNs is specified");
    else between(lun, 0, 255, child(path, "lun"), errors);
  },
  flexVolume(source, path, errors) {
    required(source.driver, child(path, "driver"), errors);
    for (const key of Object.keys(source.options ?? {})) {
      const domain = `.${(key.split("/", 2).length === 2 ? key.slice(0, key.indexOf("/")) : key).toLowerCase()}`;
      if (!domain.endsWith(".kubernetes.io") && !domain.endsWith(".k8s.io")) continue;
      errors.invalid(entry(child(path, "options"), key), key, "kubernetes.io and k8s.io namespaces are reserved");
    }
  },
  configMap(source, path, errors) {
    required(source.name, child(path, "name"), errors);
    validateKeyed(source, path, errors);
  },
  azureFile: needs("secretName", "shareName"),
  vsphereVolume: needs("volumePath"),
  photonPersistentDisk: needs("pdID"),
  portworxVolume: needs("volumeID"),
  azureDisk(source, path, errors) {
    required(source.diskName, child(path, "diskName"), errors);
    required(source.diskURI, child(path, "diskURI"), errors);
    oneOf(source.cachingMode, ["None", "ReadOnly", "ReadWrite"], child(path, "cachingMode"), errors);
    oneOf(source.kind, ["Dedicated", "Managed", "Shared"], child(path, "kind"), errors);
    const managed = source.kind === "Managed";
    const [prefix, form] = managed ? MANAGED_DISK : BLOB_DISK;
    if (source.kind !== undefined && !source.diskURI?.startsWith(prefix)) {
      errors.notSupported(child(path, "diskURI"), source.diskURI, [form]);
    }
  },
  storageos({ volumeName, volumeNamespace, secretRef }, path, errors) {
    if (required(volumeName, child(path, "volumeName"), errors)) {
      each(dns1123Label(volumeName ?? ""), child(path, "volumeName"), volumeName, errors);
    }
    if (volumeNamespace) {
      each(dns1123Label(volumeNamespace), child(path, "volumeNamespace"), volumeNamespace, errors);
    }
    validateSecretRef(secretRef, path, errors);
  },
  projected: validateProjected,
  scaleIO: needs("gateway", "system", "volumeName"),
  csi(source, path, errors) {
    validateDriverName(source.driver, child(path, "driver"), errors);
    const { nodePublishSecretRef: secret } = source;
    if (!secret) return;
    if (required(secret.name, child(child(path, "nodePublishSecretRef"), "name"), errors)) {
      each(dns1123Subdomain(secret.name ?? ""), child(path, "name"), secret.name, errors);
    }
  },
  ephemeral({ volumeClaimTemplate: template }, path, errors) {
    const at = child(path, "volumeClaimTemplate");
    if (!template) {
      errors.required(at);
      return;
    }
    const { annotations, labels, ...rest } = template.metadata ?? {};
    validateAnnotations(annotations, child(child(at, "metadata"), "annotations"), errors);
    validateLabels(labels, child(child(at, "metadata"), "labels"), errors);
    for (const field of Object.keys(rest)) errors.forbidden(child(child(at, "metadata"), field), "cannot be set");
    if (!template.spec?.accessModes?.length) {
      errors.required(child(child(at, "spec"), "accessModes"), "at least 1 access mode is required");
    }
    if (template.spec?.resources?.requests?.["storage"] === undefined) {
      errors.required(entry(child(child(at, "spec"), "resources"), "storage"));
    }
  },
  image({ reference, pullPolicy }, path, errors) {
    required(reference, child(path, "reference"), errors);
    oneOf(pullPolicy, ["Always", "IfNotPresent", "Never"], child(path, "pullPolicy"), errors);
  },
};

const MANAGED_DISK = [
  "/subscriptions/",
  "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
] as const;
const BLOB_DISK = [
  "https://",
  "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",
] as const;

function validatePartition(value: number | undefined, path: At, errors: FieldErrors): void {
  if (value !== undefined && (value < 0 || value > 255)) {
    errors.invalid(path, value, "must be between 1 and 255, inclusive");
  }
}

function validateSecretRef(ref: { name?: string } | undefined, path: At, errors: FieldErrors): void {
  if (ref && !ref.name) errors.required(child(child(path, "secretRef"), "name"));
}

export function validateDriverName(driver: string | undefined, path: At, errors: FieldErrors): void {
  if (!driver) errors.required(path);
  if ((driver ?? "").length > 63) errors.tooLong(path, 63);
  each(dns1123Subdomain((driver ?? "").toLowerCase()), path, driver ?? "", errors);
}

/** "host:port", with an IPv6 host in brackets. */
function isHostPort(pair: string): boolean {
  const [, bracketed, host] = /^(?:\[([^\]]*)\]|([^:[\]]*)):[^:]*$/.exec(pair) ?? [];
  return host !== undefined || (bracketed !== undefined && (bracketed === "" || isIPv6(bracketed.split("%")[0]!)));
}
