/**
 * Mounts of a container: its volumeMounts, /etc/hosts and its termination log, as the runtime takes them.
 *
 * A subPath must not lead out of its volume, whatever symlinks lie in it: the real path is checked,
 * and it is the real path that is mounted.
 */
import { mkdir, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, sep } from "node:path";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type { ContainerConfig, Mount, MountPropagation } from "../cri/messages.ts";
import { expand } from "../pods/expansion.ts";
import { type HostPaths, isReadOnlySource } from "./volumes.ts";

type VolumeMount = NonNullable<Container["volumeMounts"]>[number];

export interface MountFacts {
  readonly volumes: HostPaths;
  /** For subPathExpr. */
  readonly env: (name: string) => string | undefined;
  readonly hostsFile: string | undefined;
  readonly terminationLog: string | undefined;
}

const PROPAGATION: Readonly<Record<string, MountPropagation>> = {
  HostToContainer: "PROPAGATION_HOST_TO_CONTAINER",
  Bidirectional: "PROPAGATION_BIDIRECTIONAL",
};

export async function containerMounts(pod: Pod, container: Container, facts: MountFacts): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) mounts.push(await volumeMount(pod, container, mount, facts));
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

async function volumeMount(pod: Pod, container: Container, mount: VolumeMount, facts: MountFacts): Promise<Mount> {
  const { name, mountPath, mountPropagation } = mount;
  const volume = pod.spec?.volumes?.find((candidate) => candidate.name === name);
  const base = facts.volumes.get(name);
  if (!volume || base === undefined) {
    throw new Error(`cannot find volume "${name}" to mount into container "${container.name}"`);
  }
  const sub = mount.subPathExpr === undefined ? (mount.subPath ?? "") : subPathOf(mount.subPathExpr, facts.env);
  const propagation = mountPropagation ? PROPAGATION[mountPropagation] : undefined;
  return {
    containerPath: isAbsolute(mountPath) ? mountPath : join("/", mountPath),
    hostPath: sub === "" ? base : await insideVolume(base, sub, mount, container),
    readonly: mount.readOnly === true || isReadOnlySource(volume),
    ...(propagation ? { propagation } : {}),
  };
}

function subPathOf(expression: string, env: (name: string) => string | undefined): string {
  return expand(expression, (name) => {
    const value = env(name);
    if (value === undefined) throw new Error(`missing value for "${name}"`);
    return value;
  });
}

async function insideVolume(base: string, sub: string, mount: VolumeMount, container: Container): Promise<string> {
  if (isAbsolute(sub) || sub.split("/").includes("..")) throw new Error(`invalid subPath: ${sub}`);
  const root = await realpath(base);
  const target = join(root, sub);
  if (!(await stat(target).catch(() => undefined))) await makeInside(root, target, mount, container);
  const real = await realpath(target);
  if (real !== root && !real.startsWith(root + sep)) {
    throw new Error(`failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}"`);
  }
  return real;
}

/** Makes the missing directories, once the nearest one that exists is known to lie in the volume. */
async function makeInside(root: string, target: string, mount: VolumeMount, container: Container): Promise<void> {
  let existing = dirname(target);
  while (existing.length > root.length && !(await stat(existing).catch(() => undefined))) existing = dirname(existing);
  const real = await realpath(existing);
  const mode = (await stat(root)).mode & 0o7777;
  if (real !== root && !real.startsWith(root + sep)) {
    throw new Error(
      `failed to create subPath directory for volumeMount "${mount.name}" of container "${container.name}"`,
    );
  }
  await mkdir(target, { recursive: true, mode });
}
