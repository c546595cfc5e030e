/**
 * Volumes of Pods: prepared before containers start, refreshed while they run, removed after the Pod.
 *
 * One row a source in SOURCES. Preparing is idempotent and repeats after a kubelet's restart. What
 * is mounted under a Pod's directory is unmounted before anything in it is deleted: data behind a
 * mount must never be removed with it.
 */
import { mkdir, rm } from "node:fs/promises";
import type { Pod, Volume } from "../../machinery/objects/kinds.ts";
import { podAmounts } from "../../machinery/objects/pod-resources.ts";
import { formatQuantity, unitValue } from "../../machinery/objects/quantity.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { hugePageOptions, isHugePages } from "../huge-pages.ts";
import type { NodeFacts } from "../pods/fields.ts";
import type { PodPaths } from "../pods/paths.ts";
import { writeAtomically } from "./atomic-write.ts";
import { type ClaimVolumes, isClaim } from "./claims.ts";
import { mountsUnder, prepareEmptyDir, unmount } from "./empty-dir.ts";
import { prepareHostPath } from "./host-path.ts";
import { DEFAULT_MODE, type Payload } from "./payload.ts";
import { projectedPayload } from "./projected.ts";
import { configMapPayload, fieldsPayload, secretPayload, type VolumeJob, type VolumeSources } from "./sources.ts";
import { VolumeError } from "./volume-error.ts";

export interface VolumesContext {
  readonly paths: PodPaths;
  readonly sources: VolumeSources;
  readonly claims: ClaimVolumes;
  /** Whether containers are real, so that what they get must be mounted. */
  readonly mounts?: boolean;
  readonly clock: Clock;
}

/** Volume name ► directory or file on the host. */
export type HostPaths = ReadonlyMap<string, string>;

export interface PodVolumes {
  /** Where a container's sub paths are mounted; undefined where nothing is. */
  subPaths(uid: string): string | undefined;
  /** Rejects with a VolumeError for the first volume that cannot be had. */
  prepare(pod: Pod): Promise<HostPaths>;
  /** Writes what has changed since; the volumes are there already. */
  refresh(pod: Pod): Promise<void>;
  /** Unmounts and deletes the volumes; the Pod's other files stay. */
  release(uid: string): Promise<void>;
  /** Removes all that the Pod has on disk. */
  remove(uid: string): Promise<void>;
}

type Build = (volume: Volume, job: VolumeJob) => Promise<Payload>;

/** Volumes made of files that the kubelet writes. */
const PAYLOADS: Readonly<Record<string, Build>> = {
  configMap: async ({ configMap = {} }, job) => configMapPayload(configMap, configMap.defaultMode ?? DEFAULT_MODE, job),
  secret: async ({ secret = {} }, job) => {
    const { secretName = "", defaultMode = DEFAULT_MODE, ...rest } = secret;
    return secretPayload({ name: secretName, ...rest }, defaultMode, job);
  },
  downwardAPI: async ({ downwardAPI = {} }, job) =>
    fieldsPayload(downwardAPI, downwardAPI.defaultMode ?? DEFAULT_MODE, job),
  projected: ({ projected = {} }, job) => projectedPayload(projected, job),
};

export function createVolumes({ paths, sources, claims, clock, mounts = false }: VolumesContext): PodVolumes {
  async function prepareOne(volume: Volume, pod: Pod): Promise<string> {
    const path = paths.volume(pod.metadata.uid, volume.name);
    const build = payloadOf(volume);
    if (build) {
      const payload = await build(volume, { pod, sources });
      const gid = fsGroup(pod);
      await writeAtomically(path, payload, gid === undefined ? {} : { gid }, clock);
      return path;
    }
    if (volume.emptyDir) {
      const { medium, sizeLimit } = volume.emptyDir;
      const sizeBytes = medium === "Memory" ? memorySize(pod, sizeLimit, sources.node()) : undefined;
      const hugePages = medium && isHugePages(medium) ? hugePageOptions(medium, pod, sizeLimit) : undefined;
      await prepareEmptyDir({ path, medium, sizeBytes, hugePages, fsGroup: fsGroup(pod) });
      return path;
    }
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type);
      return volume.hostPath.path;
    }
    if (isClaim(volume)) return claims.prepare(pod, volume);
    throw new Error(unsupported(volume));
  }

  async function release(uid: string): Promise<void> {
    for (const point of await mountsUnder(paths.subPaths(uid))) await unmount(point);
    await rm(paths.subPaths(uid), { recursive: true, force: true });
    const directory = paths.volumes(uid);
    for (const point of await mountsUnder(directory)) await unmount(point);
    await rm(directory, { recursive: true, force: true });
    sources.tokens.forget(uid);
    claims.release(uid);
  }

  return {
    subPaths: (uid) => (mounts ? paths.subPaths(uid) : undefined),

    async prepare(pod) {
      await mkdir(paths.volumes(pod.metadata.uid), { recursive: true });
      const volumes = (pod.spec?.volumes ?? []).filter(({ image }) => !image); // the runtime mounts those: mounts.ts
      const entries = volumes.map(async (volume) => {
        try {
          return [volume.name, await prepareOne(volume, pod)] as const;
        } catch (error) {
          if (error instanceof VolumeError) throw error;
          throw new VolumeError(volume.name, (error as Error).message, { cause: error });
        }
      });
      return new Map(await Promise.all(entries));
    },

    async refresh(pod) {
      const gid = fsGroup(pod);
      for (const volume of pod.spec?.volumes ?? []) {
        const build = payloadOf(volume);
        if (!build) continue;
        const payload = await build(volume, { pod, sources });
        const path = paths.volume(pod.metadata.uid, volume.name);
        await writeAtomically(path, payload, gid === undefined ? {} : { gid }, clock);
      }
    },

    release,

    async remove(uid) {
      await release(uid);
      for (const point of await mountsUnder(paths.pod(uid))) await unmount(point);
      await rm(paths.pod(uid), { recursive: true, force: true });
    },
  };
}

function payloadOf(volume: Volume): Build | undefined {
  const source = Object.keys(PAYLOADS).find((name) => name in volume && volume[name as keyof Volume] !== undefined);
  return source === undefined ? undefined : PAYLOADS[source];
}

/** No more than the volume, the Pod and the node may have. */
function memorySize(pod: Pod, sizeLimit: string | undefined, { allocatable }: NodeFacts): number | undefined {
  const everywhere = (pod.spec?.containers ?? []).every(({ resources }) => resources?.limits?.["memory"]);
  const own = pod.spec?.resources?.limits?.["memory"];
  const limit = own || everywhere ? podAmounts(pod.spec ?? { containers: [] }, "limits")["memory"] : undefined;
  const sizes = [sizeLimit, limit && formatQuantity(limit), allocatable["memory"]].map(unitValue).filter(Boolean);
  return sizes.length > 0 ? Math.min(...sizes) : undefined;
}

const fsGroup = (pod: Pod): number | undefined => pod.spec?.securityContext?.fsGroup;

function unsupported(volume: Volume): string {
  const kind = Object.keys(volume).find((key) => key !== "name") ?? "unknown";
  return `no volume plugin matched: volumes of type ${kind} are not supported by this node`;
}

/** Files that the kubelet writes, and claims that the Pod wants only to read: no container changes them. */
export function isReadOnlySource(volume: Volume): boolean {
  return payloadOf(volume) !== undefined || volume.persistentVolumeClaim?.readOnly === true;
}
