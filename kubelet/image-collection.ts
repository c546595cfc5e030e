/**
 * Image collection: removes images that nothing uses, least recently used first.
 *
 * It begins when the disk of the images is fuller than the high threshold and stops below the low one; what was
 * unused for longer than the maximal age goes in any case. Images in use, pinned ones and those younger than the
 * minimal age stay. An image that was never seen in use counts as used when it was first seen.
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/#containers-images
 */
import { statfs } from "node:fs/promises";
import type { EventRecorder } from "../machinery/loop/controller.ts";
import type { Node } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { KubeletSettings } from "./configuration.ts";
import type { Runtime } from "./cri/contract.ts";
import type { Image } from "./cri/messages.ts";
import { imageDirectory } from "./eviction/observations.ts";
import { normalizeImage } from "./images/reference.ts";

const LOOK_MS = 300_000;

type Settings = Pick<
  KubeletSettings,
  "imageGCHighThresholdPercent" | "imageGCLowThresholdPercent" | "imageMinimumGCAge" | "imageMaximumGCAge"
>;

export interface ImageCollectionContext {
  readonly cri: Pick<Runtime, "listImages" | "listContainers" | "removeImage" | "imageFsInfo">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: EventRecorder;
  readonly node: () => Node | undefined;
  readonly settings: Settings;
  /** Names of images that Pods have as volumes. */
  readonly volumes?: () => readonly string[];
  /** Where images lie, if the runtime does not say. */
  readonly directory: string;
  readonly onRemoved: (id: string) => Promise<void>;
  /** Capacity and what is free of it, of the disk that holds the images. */
  readonly disk?: (path: string) => Promise<Disk>;
}

interface Disk {
  readonly total: number;
  readonly free: number;
}

export interface ImageCollection {
  /** Looks from time to time, until the signal aborts. */
  run(): Promise<void>;
  /** Removes all that nothing uses; answers how many bytes that were. */
  removeUnused(): Promise<number>;
  /** One look. */
  collect(): Promise<void>;
}

interface Seen {
  readonly since: number;
  usedAt: number;
}

export function createImageCollection(context: ImageCollectionContext): ImageCollection {
  const { cri, clock, log, signal, events, node, settings, disk = diskOf } = context;
  const seen = new Map<string, Seen>();

  /** Those that may go, the first to go first. */
  async function candidates(): Promise<readonly Image[]> {
    const [{ images }, { containers }] = await Promise.all([cri.listImages({}), cri.listContainers({})]);
    const asVolumes = context.volumes?.().map(normalizeImage) ?? [];
    const used = new Set([
      ...containers.flatMap(({ imageRef, imageId, image }) => [imageRef, imageId, image.image]),
      ...asVolumes,
    ]);
    const now = clock.now();
    for (const id of seen.keys()) if (!images.some((image) => image.id === id)) seen.delete(id);
    for (const image of images) {
      const entry = seen.get(image.id) ?? { since: now, usedAt: now };
      if (inUse(image, used)) entry.usedAt = now;
      seen.set(image.id, entry);
    }
    const age = (image: Image) => now - (seen.get(image.id)?.since ?? now);
    return images
      .filter((image) => !image.pinned && !inUse(image, used) && age(image) >= settings.imageMinimumGCAge)
      .sort((a, b) => usedAt(a) - usedAt(b));
  }

  const usedAt = (image: Image): number => seen.get(image.id)?.usedAt ?? 0;

  /** Removes until that much is free; answers what was removed. */
  async function remove(images: readonly Image[], wanted: number): Promise<number> {
    let freed = 0;
    for (const image of images) {
      if (freed >= wanted || signal.aborted) break;
      try {
        await cri.removeImage({ image: { image: image.id } });
        await context.onRemoved(image.id);
      } catch (error) {
        log.warn("an unused image could not be removed", { image: image.repoTags[0] ?? image.id, error });
        continue;
      }
      log.info("an unused image was removed", { image: image.repoTags[0] ?? image.id, bytes: image.size });
      freed += image.size;
    }
    return freed;
  }

  async function collect(): Promise<void> {
    let images = await candidates();
    const { imageMaximumGCAge: oldest } = settings;
    if (oldest > 0) {
      const old = images.filter((image) => clock.now() - usedAt(image) > oldest);
      await remove(old, Number.POSITIVE_INFINITY);
      images = images.filter((image) => !old.includes(image));
    }
    const { total, free } = await disk((await imageDirectory(cri)) ?? context.directory);
    if (total === 0 || 100 - (free / total) * 100 < settings.imageGCHighThresholdPercent) return;
    const wanted = total * (1 - settings.imageGCLowThresholdPercent / 100) - free;
    const freed = await remove(images, wanted);
    if (freed >= wanted) return;
    const message = `Failed to garbage collect required amount of images. Attempted to free ${Math.ceil(wanted)} bytes, but only found ${freed} bytes eligible to free.`;
    const about = node();
    if (about) events.warning(about, "FreeDiskSpaceFailed", message);
    log.warn("too few images could be removed", { wanted: Math.ceil(wanted), freed });
  }

  return {
    collect,
    removeUnused: async () => remove(await candidates(), Number.POSITIVE_INFINITY),
    async run() {
      while (!signal.aborted) {
        try {
          await collect();
        } catch (error) {
          if (!signal.aborted) log.warn("images could not be collected", { error });
        }
        await clock.sleep(LOOK_MS, signal).catch(() => undefined);
      }
    },
  };
}

async function diskOf(path: string): Promise<Disk> {
  const { blocks, bsize, bavail } = await statfs(path);
  return { total: blocks * bsize, free: bavail * bsize };
}

function inUse(image: Image, used: ReadonlySet<string>): boolean {
  return [image.id, ...image.repoTags, ...image.repoDigests].some((name) => used.has(name));
}
