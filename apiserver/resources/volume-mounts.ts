/**
 * Where containers see volumes: mounts in the file system, and block devices.
 */
import type * as models from "@kubernetes/client-node";
import type { Container, Volume } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { hasBacksteps, localPath, oneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";

type Mount = Wire<models.V1VolumeMount>;
export type Volumes = ReadonlyMap<string, Volume>;

const PROPAGATIONS: readonly string[] = ["Bidirectional", "HostToContainer", "None"];
const RECURSIVE: readonly string[] = ["Disabled", "Enabled", "IfPossible"];

export function validateMounts(container: Container, volumes: Volumes, path: At, errors: FieldErrors): void {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const places = mounts.length > 1 ? new Set<string>() : undefined;
  for (let index = 0; index < mounts.length; index++) {
    const mount = mounts[index]!;
    const { name, mountPath } = mount;
    const at = item(path, index);
    if (!name) errors.required(child(at, "name"));
    if (!volumes.has(name)) errors.notFound(child(at, "name"), name);
    if (!mountPath) errors.required(child(at, "mountPath"));
    if (places?.has(mountPath)) errors.invalid(child(at, "mountPath"), mountPath, "must be unique");
    places?.add(mountPath);
    if (devices.some((device) => device.name === name)) {
      errors.invalid(child(at, "name"), name, "must not already exist in volumeDevices");
    }
    if (devices.some(({ devicePath }) => devicePath === mountPath)) {
      errors.invalid(child(at, "mountPath"), mountPath, "must not already exist as a path in volumeDevices");
    }
    validateSubPath(mount, path, at, errors);
    validatePropagation(container, mount.mountPropagation, child(path, "mountPropagation"), errors);
    if (mount.recursiveReadOnly !== undefined) validateRecursive(mount, child(path, "recursiveReadOnly"), errors);
  }
}

/** Kubernetes names the list, not the mount, where it finds fault with a path in a volume. */
function validateSubPath({ subPath, subPathExpr }: Mount, path: At, at: At, errors: FieldErrors): void {
  if (subPath) localPath(subPath, child(path, "subPath"), errors);
  if (!subPathExpr) return;
  if (subPath) {
    errors.invalid(child(at, "subPathExpr"), subPathExpr, "subPathExpr and subPath are mutually exclusive");
  }
  localPath(subPathExpr, child(path, "subPathExpr"), errors);
}

function validatePropagation(
  { securityContext }: Container,
  propagation: string | undefined,
  path: At,
  errors: FieldErrors,
): void {
  if (propagation === undefined) return;
  oneOf(propagation, PROPAGATIONS, path, errors);
  if (propagation === "Bidirectional" && !securityContext?.privileged) {
    errors.forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
  }
}

function validateRecursive({ recursiveReadOnly, readOnly, mountPropagation }: Mount, path: At, errors: FieldErrors) {
  oneOf(recursiveReadOnly, RECURSIVE, path, errors);
  if (recursiveReadOnly !== "Enabled" && recursiveReadOnly !== "IfPossible") return;
  if (!readOnly) errors.forbidden(path, "may only be specified when readOnly is true");
  if (mountPropagation !== undefined && mountPropagation !== "None") {
    errors.forbidden(path, "may only be specified when mountPropagation is None or not specified");
  }
}

export function validateDevices(container: Container, volumes: Volumes, path: At, errors: FieldErrors): void {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const names = new Set<string>();
  const places = new Set<string>();
  for (const [index, { name, devicePath }] of devices.entries()) {
    const at = item(path, index);
    const volume = volumes.get(name);
    if (!name) errors.required(child(at, "name"));
    if (names.has(name)) errors.invalid(child(at, "name"), name, "must be unique");
    if (!volume) errors.notFound(child(at, "name"), name);
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      errors.invalid(
        child(at, "name"),
        name,
        "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
      );
    }
    if (!devicePath) errors.required(child(at, "devicePath"));
    if (places.has(devicePath)) errors.invalid(child(at, "devicePath"), devicePath, "must be unique");
    if (devicePath && hasBacksteps(devicePath)) {
      errors.invalid(child(at, "devicePath"), devicePath, "can not contain backsteps ('..')");
    } else places.add(devicePath);
    if (mounts.some((mount) => mount.name === name)) {
      errors.invalid(child(at, "name"), name, "must not already exist in volumeMounts");
    }
    if (mounts.some(({ mountPath }) => mountPath === devicePath)) {
      errors.invalid(child(at, "devicePath"), devicePath, "must not already exist as a path in volumeMounts");
    }
    if (name) names.add(name);
  }
}
