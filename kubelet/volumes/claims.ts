/**
 * Claims: from the PersistentVolumeClaim that a Pod's volume names to what lies on this node.
 *
 * Claim and volume are read from the server, for the Pod runs here because of what they say now: they
 * must name each other, and the volume must be reachable from this node. One row a source in SOURCES.
 * A local volume of the cluster's own provisioner is made here when it is first used; nothing else is.
 * What a node removes: local-volumes.ts.
 */
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "../../machinery/client/client.ts";
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from "../../machinery/objects/kinds.ts";
import { isVolumeName, LOCAL_PROVISIONER } from "../../machinery/objects/local-volumes.ts";
import { annotations, ephemeralClaimName, isFullyBound, notMadeFor } from "../../machinery/objects/volume-claims.ts";
import { modeOf, reaches } from "../../machinery/objects/volume-match.ts";
import { prepareHostPath } from "./host-path.ts";
import { giveToGroup } from "./ownership.ts";
import { VolumeError } from "./volume-error.ts";

export interface ClaimVolumes {
  /** Makes the volume ready and answers where it lies. Rejects with what the Pod's events are to say. */
  prepare(pod: Pod, volume: Volume): Promise<string>;
  /** The Pod uses its volumes no more. */
  release(uid: string): void;
  /** Whether a Pod on this node uses the volume of that name. */
  inUse(volume: string): boolean;
}

export interface ClaimVolumesContext {
  readonly client: Pick<Client, "find">;
  /** This node as the API shows it; undefined before that. */
  readonly node: () => Node | undefined;
  /** Where local volumes of this node lie. */
  readonly directory: string;
}

type Prepare = (volume: PersistentVolume, pod: Pod, directory: string) => Promise<string>;

/** Where volumes may lie that this node can use. */
const SOURCES: Readonly<Record<string, Prepare>> = {
  local: prepareLocal,
  hostPath: async ({ spec }) => {
    const { path = "", type } = spec?.hostPath ?? {};
    await prepareHostPath(path, type);
    return path;
  },
};

export const isClaim = (volume: Volume): boolean =>
  volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined;

export function createClaimVolumes({ client, node, directory }: ClaimVolumesContext): ClaimVolumes {
  /** Pod's uid ► names of the volumes that it uses. */
  const used = new Map<string, Set<string>>();

  return {
    async prepare(pod, volume) {
      const claim = await claimOf(pod, volume, client);
      const found = await volumeOf(claim, client);
      const problem = unusable(found, claim, pod, volume, node());
      if (problem) throw new Error(problem);
      const { uid } = pod.metadata;
      used.set(uid, (used.get(uid) ?? new Set()).add(found.metadata.name));
      return named(found.metadata.name, () => prepareSource(found, pod, directory));
    },
    release: (uid) => void used.delete(uid),
    inUse: (name) => [...used.values()].some((names) => names.has(name)),
  };
}

/** Failures of a volume are told under its own name, not under the one that the Pod has for it. */
async function named<T>(volume: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new VolumeError(volume, (error as Error).message, { cause: error });
  }
}

async function prepareSource(volume: PersistentVolume, pod: Pod, directory: string): Promise<string> {
  const source = Object.keys(SOURCES).find((name) => volume.spec && name in volume.spec);
  const prepare = source === undefined ? undefined : SOURCES[source];
  if (!prepare) throw new Error("no volume plugin matched: this node knows no volumes of its kind");
  return prepare(volume, pod, directory);
}

async function claimOf(pod: Pod, volume: Volume, client: Pick<Client, "find">): Promise<PersistentVolumeClaim> {
  const { namespace } = pod.metadata;
  const name = volume.persistentVolumeClaim?.claimName ?? ephemeralClaimName(pod.metadata.name, volume.name);
  const fail = (why: string) => new Error(`error processing PVC ${namespace}/${name}: ${why}`);
  const claim = await client.find("persistentvolumeclaims", { namespace, name });
  if (!claim) throw fail(`failed to fetch PVC from API server: persistentvolumeclaims "${name}" not found`);
  const foreign = volume.ephemeral && notMadeFor(pod, claim);
  if (foreign) throw fail(foreign);
  if (claim.metadata.deletionTimestamp && !hasBegun(pod)) throw fail(`can't start pod because PVC is being deleted`);
  if (!isFullyBound(claim) || claim.status?.phase !== "Bound") throw fail("PVC is not bound");
  return claim;
}

/** A Pod that runs keeps what it has, whatever is asked of its claim meanwhile. */
const hasBegun = ({ status }: Pod): boolean =>
  status?.containerStatuses?.some(({ containerID }) => containerID) ?? false;

async function volumeOf(claim: PersistentVolumeClaim, client: Pick<Client, "find">): Promise<PersistentVolume> {
  const { volumeName: name = "" } = claim.spec ?? {};
  const volume = await client.find("persistentvolumes", { name });
  if (!volume) throw new Error(`failed to fetch PV ${name} from API server: persistentvolumes "${name}" not found`);
  const served = volume.spec?.claimRef;
  if (!served)
    throw new Error(
      `found PV object ${name} but its pv.Spec.ClaimRef is nil indicating it is not yet bound to the claim`,
    );
  if (served.uid !== claim.metadata.uid)
    throw new Error(
      `found PV object ${name} but its pv.Spec.ClaimRef.UID ${served.uid} does not point to claim.UID ${claim.metadata.uid}`,
    );
  return volume;
}

/** Why this node or this Pod cannot use the volume. */
function unusable(
  found: PersistentVolume,
  claim: PersistentVolumeClaim,
  pod: Pod,
  { name }: Volume,
  node: Node | undefined,
): string | undefined {
  if (!node) return "the node is not registered yet";
  if (!reaches(found, node))
    return `node affinity check failed for volume "${found.metadata.name}": no matching NodeSelectorTerms`;
  const block = modeOf(claim) === "Block";
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const mounted = containers.some(({ volumeMounts }) => volumeMounts?.some((mount) => mount.name === name));
  const devices = containers.some(({ volumeDevices }) => volumeDevices?.some((device) => device.name === name));
  if (block && mounted) return `volume ${name} has volumeMode Block, but is specified in volumeMounts`;
  if (!block && devices) return `volume ${name} has volumeMode Filesystem, but is specified in volumeDevices`;
  return undefined;
}

async function prepareLocal(volume: PersistentVolume, pod: Pod, directory: string): Promise<string> {
  const path = volume.spec?.local?.path ?? "";
  if (isOwn(volume, path, directory)) await makeOnce(path);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Error(`path "${path}" does not exist`);
  if (modeOf(volume) === "Block") {
    if (!found.isBlockDevice()) throw new Error(`path "${path}" is not a block device`);
    return path;
  }
  if (!found.isDirectory()) throw new Error(`path "${path}" is not a directory: this node mounts no devices`);
  const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
  if (fsGroup !== undefined) await giveToGroup(path, fsGroup, fsGroupChangePolicy === "OnRootMismatch");
  return path;
}

/** Made by the cluster's provisioner, for this node's own directory. */
function isOwn({ metadata }: PersistentVolume, path: string, directory: string): boolean {
  const { name } = metadata;
  const made = metadata.annotations?.[annotations.provisionedBy] === LOCAL_PROVISIONER;
  return made && isVolumeName(name) && path === join(directory, name);
}

/** Open to every user of the containers; the directory above it is not. */
async function makeOnce(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return;
  await mkdir(join(path, ".."), { recursive: true, mode: 0o711 });
  await mkdir(path, { recursive: true });
  await chmod(path, 0o777); // umask must not decide
}
