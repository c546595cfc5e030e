/**
 * Image mounts: volumes that are images, for a containerd that does not mount them itself (before 2.1).
 *
 * An image is mounted once for all containers that have it: read-only, as a view of its unpacked layers, which stay
 * while the view does. It goes with the last of these containers, each of which says in an annotation what it has;
 * directories here are the record of the views there are, so that nothing is forgotten when this process ends.
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, realpath, rmdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import type { Logger } from "../../../machinery/process/logging.ts";
import type { Runtime } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import type { ContainerConfig, Mount } from "../../cri/messages.ts";
import { type ContainerdLayout, NAMESPACE } from "./layout.ts";
import { mountsUnder } from "./mounts.ts";

const run = promisify(execFile);

export interface ImageMounts {
  /** Makes a container with directories in place of its images. */
  within<T>(config: ContainerConfig, create: (config: ContainerConfig) => Promise<T>): Promise<T>;
  /** Takes away what no container has any more. */
  tend(): Promise<void>;
}

export interface ImageMountsContext {
  readonly layout: Pick<ContainerdLayout, "socket" | "imageVolumes">;
  readonly log: Logger;
  readonly imageStatus: Runtime["imageStatus"];
  readonly listContainers: Runtime["listContainers"];
}

/** On a container: the images that it has as volumes, by the names of their directories. */
const HAS = "k8ts.io/image-volumes";
const keyOf = (name: string) => `k8ts-volume-${name}`;

interface View {
  readonly Type: string;
  readonly Source: string;
  readonly Options: readonly string[];
}

export function createImageMounts({ layout, log, imageStatus, listContainers }: ImageMountsContext): ImageMounts {
  const directory = layout.imageVolumes;
  /** How many containers are being made with each. */
  const beingUsed = new Map<string, number>();
  let turn: Promise<unknown> = Promise.resolve();

  /** Mounting and taking away must not meet. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work, work);
    turn = next.catch(() => undefined);
    return next;
  }

  const ctr = async (...args: string[]) =>
    (await run("ctr", ["--address", layout.socket, "--namespace", NAMESPACE, ...args])).stdout;

  /** What is unpacked of an image has the name of its last layer's chain. */
  async function chainOf(image: string): Promise<string> {
    const { image: found, info } = await imageStatus({ image: { image }, verbose: true });
    if (!found) throw new CriError("NotFound", `the image ${image} of a volume is not there`);
    const { chainID } = JSON.parse(info["info"] ?? "{}") as { chainID?: string };
    if (!chainID) throw new CriError("Internal", `containerd does not tell the layers of image ${image}`);
    return chainID;
  }

  async function mountChain(chain: string): Promise<string> {
    const name = chain.replace(/^sha256:/, "");
    const target = join(directory, name);
    if (mountsUnder(directory).includes(target)) return name;
    await mkdir(target, { recursive: true });
    await ctr("snapshots", "rm", keyOf(name)).catch(() => ""); // of before a reboot; mostly there is none
    const [view] = JSON.parse(await ctr("snapshots", "view", "--mounts", keyOf(name), chain)) as readonly View[];
    if (!view) throw new CriError("Internal", `containerd has nothing to mount for the layers ${chain}`);
    const options = view.Type === "bind" ? ["bind", "ro"] : ["ro", ...view.Options];
    const type = view.Type === "bind" ? [] : ["-t", view.Type];
    await run("mount", [...type, "-o", options.join(","), view.Source, target]);
    return name;
  }

  async function takeAway(name: string): Promise<void> {
    const target = join(directory, name);
    if (mountsUnder(directory).includes(target)) await run("umount", ["--lazy", target]);
    await ctr("snapshots", "rm", keyOf(name)).catch((error: unknown) => log.info("a view was gone already", { error }));
    await rmdir(target);
  }

  function count(names: readonly string[], by: 1 | -1): void {
    for (const name of names) {
      const now = (beingUsed.get(name) ?? 0) + by;
      if (now > 0) beingUsed.set(name, now);
      else beingUsed.delete(name);
    }
  }

  return {
    async within(config, create) {
      const images = [...new Set((config.mounts ?? []).flatMap(({ image }) => image?.image || []))];
      if (images.length === 0) return create(config);
      const names = new Map<string, string>();
      try {
        await inTurn(async () => {
          for (const image of images) {
            const name = await mountChain(await chainOf(image));
            names.set(image, name);
            count([name], 1);
          }
        });
        const mounts = (config.mounts ?? []).map((mount) => inPlace(mount, names, directory));
        const annotations = { ...config.annotations, [HAS]: [...new Set(names.values())].join(",") };
        return await create({ ...config, mounts: await Promise.all(mounts), annotations });
      } finally {
        count([...names.values()], -1);
      }
    },

    tend: () =>
      inTurn(async () => {
        const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
          if (error.code === "ENOENT") return []; // none has ever been mounted
          throw error;
        });
        if (names.length === 0) return;
        const { containers } = await listContainers({});
        const had = new Set(containers.flatMap(({ annotations }) => annotations[HAS]?.split(",") ?? []));
        for (const name of names) if (!had.has(name) && !beingUsed.has(name)) await takeAway(name);
      }),
  };
}

/** A directory of the image in its place; symlinks in it may not lead out of it. */
async function inPlace(mount: Mount, names: ReadonlyMap<string, string>, directory: string): Promise<Mount> {
  const { image, imageSubPath = "", ...plain } = mount;
  const name = names.get(image?.image ?? "");
  if (name === undefined) return plain;
  const root = join(directory, name);
  const hostPath = await realpath(join(root, imageSubPath)).catch((cause: unknown) => {
    throw new CriError("NotFound", `the image ${image?.image} has no ${imageSubPath}`, { cause });
  });
  if (hostPath !== root && !hostPath.startsWith(root + sep))
    throw new CriError("InvalidArgument", `${imageSubPath} leads out of the image ${image?.image}`);
  return { ...plain, hostPath, readonly: true };
}
