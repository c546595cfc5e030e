/**
 * User namespaces: the ids of the host that stand for a Pod's users, where it asks not to share the host's.
 *
 * Each such Pod has a block of its own, so that no two are the same user to the kernel, and none is a user
 * of the host. The block is written into the Pod's directory before anything uses it, and is free again
 * when that goes: a kubelet that starts finds the blocks of what runs.
 * https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/
 */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { readIfThere } from "../../machinery/pki/files.ts";
import type { IDMapping } from "../cri/messages.ts";
import type { PodPaths } from "./paths.ts";

export interface UserNamespaces {
  /** Gives the Pod its block, if it takes one. Throws when all are taken. */
  ensure(pod: Pod): Promise<void>;
  /** Undefined for a Pod with the host's users. */
  of(pod: Pod): IDMapping | undefined;
  forget(uid: string): void;
}

export const BLOCK = 65_536;

/** The first id, and how many there are: of the host's, for Pods. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

interface Written {
  readonly uidMappings: readonly IDMapping[];
  readonly gidMappings: readonly IDMapping[];
}

/** `range` is asked for each time a block is needed. */
export function createUserNamespaces(paths: PodPaths, range: () => Promise<IdRange>): UserNamespaces {
  const known = new Map<string, IDMapping>();
  let last: Promise<unknown> = Promise.resolve();

  async function taken(): Promise<ReadonlySet<number>> {
    const uids = await readdir(paths.pods).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const blocks = await Promise.all(uids.map((uid) => read(paths.userNamespace(uid))));
    return new Set(blocks.filter((one) => one !== undefined).map(({ hostId }) => hostId));
  }

  async function allocate(uid: string): Promise<void> {
    const file = paths.userNamespace(uid);
    const before = await read(file);
    const hostId = before?.hostId ?? firstFree(await taken(), await range());
    const mapping = { hostId, containerId: 0, length: BLOCK };
    if (!before) {
      await mkdir(dirname(file), { recursive: true });
      const written: Written = { uidMappings: [mapping], gidMappings: [mapping] };
      await writeFile(file, JSON.stringify(written));
    }
    known.set(uid, mapping);
  }

  return {
    async ensure(pod) {
      const { uid } = pod.metadata;
      if (pod.spec?.hostUsers !== false || known.has(uid)) return;
      const mine = last.then(() => allocate(uid));
      last = mine.catch(() => undefined); // told to whoever asked
      await mine;
    },
    of: ({ metadata }) => known.get(metadata.uid),
    forget: (uid) => void known.delete(uid),
  };
}

function firstFree(taken: ReadonlySet<number>, { first, count }: IdRange): number {
  for (let id = first; id + BLOCK <= first + count; id += BLOCK) if (!taken.has(id)) return id;
  throw new Error("no more user namespaces: all ids of the host that are kept for Pods are taken");
}

async function read(file: string): Promise<IDMapping | undefined> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    return (JSON.parse(text) as Written).uidMappings[0];
  } catch {
    return undefined; // the kubelet was killed while it wrote: nothing used the block yet
  }
}

/** This host's. */
export async function hostIdRange(pods: number): Promise<IdRange> {
  const [subuid, subgid] = await Promise.all(["/etc/subuid", "/etc/subgid"].map((file) => readIfThere(file)));
  return idRange(subuid ?? "", subgid ?? "", pods);
}

/**
 * What the host keeps for a user "kubelet" in /etc/subuid and /etc/subgid, whole blocks of it; else as many
 * blocks as the node has Pods, above the host's own users. Throws when the two files do not agree.
 */
export function idRange(subuid: string, subgid: string, pods: number): IdRange {
  const [users, groups] = [subuid, subgid].map((text) => /^kubelet:(\d+):(\d+)$/m.exec(text));
  if (!users && !groups) return { first: BLOCK, count: BLOCK * pods };
  const [first, count] = [Number(users?.[1]), Number(users?.[2])];
  if (users?.[0] !== groups?.[0]) throw new Error("the ids of the user kubelet in /etc/subuid and /etc/subgid differ");
  if (first < BLOCK || first % BLOCK !== 0 || count < BLOCK) {
    throw new Error(`the ids of the user kubelet in /etc/subuid must begin at a multiple of ${BLOCK} and be as many`);
  }
  return { first, count };
}
