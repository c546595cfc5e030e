/**
 * Pull records: with whose credentials each image came to this node, so that only those who could have pulled an image
 * may use it once it is here.
 *
 * One small file an image, with its repositories, each of which lets in its own; and one for each pull under way: an image whose pull was cut off by a kill belongs to nobody
 * who did not ask for it. Passwords are kept as hashes, secrets by their uid. Images of which there is no record came
 * without the kubelet: the policy says what they are.
 * https://kubernetes.io/docs/concepts/containers/images/#ensureimagepullcredentialverification
 */
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, writePrivate } from "../../machinery/pki/files.ts";
import type { KubeletSettings } from "../configuration.ts";
import { normalizeImage } from "./reference.ts";

/** With what a pull was made; undefined: without, so that everybody on the node could have made it. */
export interface Credential {
  /** Of user name, password and tokens. */
  readonly hash: string;
  readonly secret: { readonly uid: string; readonly namespace: string; readonly name: string };
}

/** Of one repository. */
interface Access {
  /** Whether it could be had without credentials. */
  readonly open: boolean;
  readonly credentials: readonly Credential[];
}

/** Repository ► who may have the image under its name. */
type PullRecord = Readonly<Record<string, Access>>;

export interface PullRecords {
  /** Call before a pull, and `ended` after it, whatever came of it. */
  begun(image: string): Promise<void>;
  /** `id` of the image if the pull brought it. */
  ended(image: string, pulled?: { readonly id: string; readonly credential: Credential | undefined }): Promise<void>;
  /** Whether a Pod with these credentials may use an image that is on the node. */
  allows(image: string, id: string, credentials: readonly Credential[]): Promise<boolean>;
  /** The image is no longer there. */
  forget(id: string): Promise<void>;
}

export type VerificationSettings = Pick<
  KubeletSettings,
  "imagePullCredentialsVerificationPolicy" | "preloadedImagesVerificationAllowlist"
>;

/** For kubelets that keep nothing on disk. */
export const noPullRecords: PullRecords = {
  async begun() {},
  async ended() {},
  allows: async () => true,
  async forget() {},
};

/** Of one image, as many repositories and of each as many credentials are remembered: the latest. */
const MAX_REPOSITORIES = 100;
const MAX_CREDENTIALS = 100;
const NOBODY: Access = { open: false, credentials: [] };

export function createPullRecords(directory: string, settings: VerificationSettings): PullRecords {
  const { imagePullCredentialsVerificationPolicy: policy, preloadedImagesVerificationAllowlist: allowlist } = settings;
  const pulled = join(directory, "pulled");
  const pulling = join(directory, "pulling");
  let turn: Promise<unknown> = Promise.resolve();

  /** One change at a time: two Pods may bring the same image with different credentials. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work, work);
    turn = next.catch(() => undefined);
    return next;
  }

  const fileOf = (parent: string, key: string) => join(parent, createHash("sha256").update(key).digest("hex"));

  async function recordOf(image: string, id: string): Promise<PullRecord | undefined> {
    const text = await readIfThere(fileOf(pulled, id));
    if (text !== undefined) return recordFrom(text);
    const cut = await readIfThere(fileOf(pulling, image));
    return cut === undefined ? undefined : {};
  }

  function preloadedAllowed(image: string): boolean {
    if (policy === "NeverVerifyPreloadedImages") return true;
    if (policy !== "NeverVerifyAllowlistedImages") return false;
    const repository = repositoryOf(image);
    return allowlist.some((entry) =>
      entry.endsWith("/*") ? repository.startsWith(entry.slice(0, -1)) : repository === entry,
    );
  }

  return {
    begun: (image) =>
      inTurn(async () => {
        await mkdir(pulling, { recursive: true, mode: 0o700 });
        await writeFile(fileOf(pulling, image), image);
      }),
    ended: (image, found) =>
      inTurn(async () => {
        if (found) {
          const { id, credential } = found;
          const before = await readIfThere(fileOf(pulled, id));
          const record = withCredential(before === undefined ? {} : recordFrom(before), image, credential);
          await writePrivate(fileOf(pulled, id), JSON.stringify(record));
        }
        await rm(fileOf(pulling, image), { force: true });
      }),
    async allows(image, id, credentials) {
      if (policy === "NeverVerify") return true;
      const record = await recordOf(image, id);
      if (!record) return preloadedAllowed(image);
      const access = record[fullRepositoryOf(image)] ?? NOBODY;
      return access.open || credentials.some((one) => access.credentials.some((known) => isSame(one, known)));
    },
    forget: (id) => inTurn(() => rm(fileOf(pulled, id), { force: true })),
  };
}

/** The same secret, whatever it holds now, or the same words in another. */
function isSame(a: Credential, b: Credential): boolean {
  const sameSecret =
    a.secret.uid === b.secret.uid && a.secret.name === b.secret.name && a.secret.namespace === b.secret.namespace;
  return sameSecret || a.hash === b.hash;
}

const repositoryOf = (image: string): string => image.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
const fullRepositoryOf = (image: string): string => repositoryOf(normalizeImage(image));

function withCredential(before: PullRecord, image: string, credential: Credential | undefined): PullRecord {
  const repository = fullRepositoryOf(image);
  const { [repository]: access = NOBODY, ...others } = before;
  const kept = Object.entries(others).slice(1 - MAX_REPOSITORIES);
  return Object.fromEntries([...kept, [repository, withOneMore(access, credential)]]);
}

function withOneMore({ open, credentials }: Access, credential: Credential | undefined): Access {
  if (!credential) return { open: true, credentials };
  const others = credentials.filter((one) => one.hash !== credential.hash || one.secret.uid !== credential.secret.uid);
  return { open, credentials: [...others, credential].slice(-MAX_CREDENTIALS) };
}

/** A record that cannot be read allows nobody, for it says that the kubelet brought the image. */
function recordFrom(text: string): PullRecord {
  try {
    const record = JSON.parse(text) as Readonly<Record<string, Partial<Access> | undefined>>;
    return Object.fromEntries(
      Object.entries(record).map(([repository, access]) => {
        const { open = false, credentials = [] } = access ?? {};
        return [repository, { open, credentials }];
      }),
    );
  } catch {
    return {};
  }
}
