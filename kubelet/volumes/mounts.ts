/**
 * Mounts of a container: its volumeMounts, /etc/hosts and its termination log, as the runtime takes them.
 *
 * A subPath must not lead out of its volume, whatever symlinks lie in it: sub-path.ts.
 */
import { isAbsolute, join } from "node:path";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type { ContainerConfig, Mount, MountPropagation } from "../cri/messages.ts";
import { expand } from "../pods/expansion.ts";
import { prepareSubPath, SubPathError } from "./sub-path.ts";
import { type HostPaths, isReadOnlySource } from "./volumes.ts";

type VolumeMount = NonNullable<Container["volumeMounts"]>[number];

/** Volume name ► id of the image that it is. */
export type ImageVolumes = ReadonlyMap<string, string>;

export interface MountFacts {
  readonly volumes: HostPaths;
  readonly imageVolumes?: ImageVolumes;
  /** Whether the runtime makes mounts read-only all the way down. */
  readonly recursiveReadOnly?: boolean | undefined;
  /** For subPathExpr. */
  readonly env: (name: string) => string | undefined;
  readonly hostsFile: string | undefined;
  readonly terminationLog: string | undefined;
  /** Where to mount the container's sub paths; undefined where nothing is mounted. */
  readonly subPaths?: string | undefined;
}

const PROPAGATION: Readonly<Record<string, MountPropagation>> = {
  HostToContainer: "PROPAGATION_HOST_TO_CONTAINER",
  Bidirectional: "PROPAGATION_BIDIRECTIONAL",
};

export async function containerMounts(pod: Pod, container: Container, facts: MountFacts): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const target = facts.subPaths && join(facts.subPaths, mount.name, container.name, String(index));
    mounts.push(await volumeMount(pod, container, mount, facts, target));
  }
  const taken = new Set(mounts.map(({ containerPath }) => containerPath));
  if (facts.hostsFile && !taken.has("/etc/hosts")) {
    mounts.push({ containerPath: "/etc/hosts", hostPath: facts.hostsFile });
  }
  const words = container.terminationMessagePath ?? "/dev/termination-log";
  if (facts.terminationLog && words !== "") mounts.push({ containerPath: words, hostPath: facts.terminationLog });
  return mounts;
}

/** The block devices that a container is given as they are, without a file system. */
export function containerDevices(
  pod: Pod,
  container: Container,
  volumes: HostPaths,
): NonNullable<ContainerConfig["devices"]> {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const hostPath = volumes.get(name);
    const volume = pod.spec?.volumes?.find((candidate) => candidate.name === name);
    if (!volume || hostPath === undefined)
      throw new Error(`cannot find volume "${name}" to pass into container "${container.name}"`);
    return { containerPath: devicePath, hostPath, permissions: isReadOnlySource(volume) ? "r" : "mrw" };
  });
}

async function volumeMount(
  pod: Pod,
  container: Container,
  mount: VolumeMount,
  facts: MountFacts,
  target: string | undefined,
): Promise<Mount> {
  const { name, mountPath, mountPropagation } = mount;
  const volume = pod.spec?.volumes?.find((candidate) => candidate.name === name);
  const base = facts.volumes.get(name);
  const image = facts.imageVolumes?.get(name);
  if (!volume || (base ?? image) === undefined) {
    throw new Error(`cannot find volume "${name}" to mount into container "${container.name}"`);
  }
  const sub = mount.subPathExpr === undefined ? (mount.subPath ?? "") : subPathOf(mount.subPathExpr, facts.env);
  const containerPath = isAbsolute(mountPath) ? mountPath : join("/", mountPath);
  if (base === undefined)
    return {
      containerPath,
      hostPath: "",
      image: { image: image as string },
      ...(sub ? { imageSubPath: sub } : {}),
      readonly: true,
    };
  const propagation = mountPropagation ? PROPAGATION[mountPropagation] : undefined;
  return {
    containerPath,
    hostPath: sub === "" ? base : await insideVolume(base, sub, mount, container, target),
    readonly: mount.readOnly === true || isReadOnlySource(volume),
    ...(recursively(mount, facts.recursiveReadOnly) ? { recursiveReadOnly: true } : {}),
    ...(propagation ? { propagation } : {}),
  };
}

function recursively({ name, recursiveReadOnly: wanted }: VolumeMount, possible = false): boolean {
  if (wanted !== "Enabled") return wanted === "IfPossible" && possible;
  if (possible) return true;
  throw new Error(`volume "${name}" requested recursive read-only mode, but it is not supported by the runtime`);
}

function subPathOf(expression: string, env: (name: string) => string | undefined): string {
  return expand(expression, (name) => {
    const value = env(name);
    if (value === undefined) throw new Error(`missing value for "${name}"`);
    return value;
  });
}

async function insideVolume(
  volume: string,
  path: string,
  { name }: VolumeMount,
  container: Container,
  target: string | undefined,
): Promise<string> {
  try {
    return await prepareSubPath({ volume, path, target });
  } catch (error) {
    if (!(error instanceof SubPathError)) throw error;
    const failed = error.kind === "create" ? "create subPath directory" : "prepare subPath";
    throw new Error(`failed to ${failed} for volumeMount "${name}" of container "${container.name}"`, { cause: error });
  }
}
