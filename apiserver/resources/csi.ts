/**
 * CSI kinds: drivers, what nodes know of them, how much room they have, and which volumes are attached where.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { IMMUTABLE, notNegative, oneOf, quantityNotNegative, required, requireNamed, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { validateDriverName } from "./persistent-volume.ts";

type Driver = Stored<models.V1CSIDriver>;
type Node = Stored<models.V1CSINode>;
type Capacity = Stored<models.V1CSIStorageCapacity>;
type Attachment = Stored<models.V1VolumeAttachment>;

const NODE_ID = 256;
const FIXED_IN_DRIVER = ["attachRequired", "fsGroupPolicy", "volumeLifecycleModes"] as const;
const LIFECYCLES: readonly string[] = ["Ephemeral", "Persistent"];
const GROUP_POLICIES: readonly string[] = ["File", "None", "ReadWriteOnceWithFSType"];
const SHORTEST_TOKEN = 600;

export const csiDriverStrategy: Strategy<Driver> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ["Persistent"];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate({ metadata, spec }, errors) {
    validateDriverName(metadata.name ?? "", "metadata.name", errors);
    oneOf(spec?.fsGroupPolicy, GROUP_POLICIES, "spec.fsGroupPolicy", errors);
    const audiences = new Set<string>();
    for (const [index, { audience = "", expirationSeconds }] of (spec?.tokenRequests ?? []).entries()) {
      const at = `spec.tokenRequests[${index}]`;
      if (audiences.has(audience)) errors.duplicate(`${at}.audience`, audience);
      audiences.add(audience);
      if (expirationSeconds === undefined) continue;
      if (expirationSeconds < SHORTEST_TOKEN)
        errors.invalid(`${at}.expirationSeconds`, expirationSeconds, "may not specify a duration less than 10 minutes");
      if (expirationSeconds > 2 ** 32)
        errors.invalid(
          `${at}.expirationSeconds`,
          expirationSeconds,
          "may not specify a duration larger than 2^32 seconds",
        );
    }
    for (const [index, mode] of (spec?.volumeLifecycleModes ?? []).entries())
      oneOf(mode, LIFECYCLES, `spec.volumeLifecycleModes[${index}]`, errors);
  },
  validateUpdate({ spec }, old, errors) {
    for (const field of FIXED_IN_DRIVER) unchanged(spec?.[field], old.spec?.[field], `spec.${field}`, errors);
  },
};

export const csiNodeStrategy: Strategy<Node> = {
  validate({ spec }, errors) {
    const names = new Set<string>();
    for (const [index, { name, nodeID, allocatable, topologyKeys = [] }] of (spec?.drivers ?? []).entries()) {
      const at = `spec.drivers[${index}]`;
      if (required(name, `${at}.name`, errors)) validateDriverName(name, `${at}.name`, errors);
      if (required(nodeID, `${at}.nodeID`, errors) && nodeID.length > NODE_ID)
        errors.invalid(`${at}.nodeID`, nodeID, `must be ${NODE_ID} characters or less`);
      notNegative(allocatable?.count, `${at}.allocatable.count`, errors);
      for (const [place, key] of topologyKeys.entries()) {
        if (!key) errors.required(`${at}.topologyKeys[${place}]`, "topologyKeys must not be empty");
        if (topologyKeys.indexOf(key) !== place) errors.duplicate(`${at}.topologyKeys[${place}]`, key);
      }
      if (names.has(name)) errors.duplicate(`${at}.name`, name);
      names.add(name);
    }
  },
  validateUpdate({ spec }, old, errors) {
    for (const driver of old.spec?.drivers ?? []) {
      const now = spec?.drivers?.find(({ name }) => name === driver.name);
      if (!now) continue;
      const { allocatable: _now, ...rest } = now;
      const { allocatable: _before, ...before } = driver;
      if (!equalJson(rest, before)) errors.invalid("CSINodeDriver", now, IMMUTABLE);
    }
  },
};

export const csiStorageCapacityStrategy: Strategy<Capacity> = {
  validate({ nodeTopology, storageClassName, capacity, maximumVolumeSize }, errors) {
    validateLabelSelector(nodeTopology, "nodeTopology", errors);
    requireNamed(storageClassName, dns1123Subdomain, "storageClassName", errors);
    quantityNotNegative(capacity, "capacity", errors);
    quantityNotNegative(maximumVolumeSize, "maximumVolumeSize", errors);
  },
  validateUpdate({ nodeTopology, storageClassName }, old, errors) {
    unchanged(nodeTopology, old.nodeTopology, "nodeTopology", errors);
    unchanged(storageClassName, old.storageClassName, "storageClassName", errors);
  },
};

export const volumeAttachmentStrategy: Strategy<Attachment> = {
  prepareForCreate(attachment) {
    attachment.status = { attached: false };
  },
  validate({ spec }, errors) {
    if (required(spec?.attacher, "spec.attacher", errors)) validateDriverName(spec.attacher, "spec.attacher", errors);
    const { inlineVolumeSpec, persistentVolumeName } = spec?.source ?? {};
    if (!inlineVolumeSpec && !persistentVolumeName)
      errors.required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    if (inlineVolumeSpec && persistentVolumeName !== undefined)
      errors.forbidden("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
    requireNamed(spec?.nodeName, dns1123Subdomain, "spec.nodeName", errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (!equalJson(spec, old.spec)) errors.invalid("spec", spec, IMMUTABLE);
  },
};
