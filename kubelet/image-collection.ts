/**
 * Image collection: removes images that nothing uses when the disk gets full, least recently used first.
 *
 * Begins above the high threshold, stops below the low one. Images in use, pinned ones and those
 * younger than two minutes stay. An image that was never seen in use counts as used when first seen.
 */
import { statfs } from "node:fs/promises";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Runtime } from "./cri/contract.ts";
import type { Image } from "./cri/messages.ts";

const LOOK_MS = 300_000;
const MIN_AGE_MS = 120_000;
const HIGH_RATIO = 0.85;
const LOW_RATIO = 0.8;

export interface ImageCollection {
  readonly cri: Runtime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** A directory on the file system that holds the images. */
  readonly directory: string;
}

interface Seen {
  readonly since: number;
  usedAt: number;
}

/** Runs until the signal aborts. */
export async function collectImages(collection: ImageCollection): Promise<void> {
  const { clock, signal, log } = collection;
  const seen = new Map<string, Seen>();
  while (!signal.aborted) {
    try {
      await collectOnce(collection, seen);
    } catch (error) {
      if (!signal.aborted) log.warn("images could not be collected", { error });
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

async function collectOnce({ cri, clock, log, directory }: ImageCollection, seen: Map<string, Seen>): Promise<void> {
  const [{ images }, { containers }] = await Promise.all([cri.listImages({}), cri.listContainers({})]);
  const used = new Set(containers.flatMap(({ imageRef, imageId, image }) => [imageRef, imageId, image.image]));
  const now = clock.now();
  for (const id of seen.keys()) if (!images.some((image) => image.id === id)) seen.delete(id);
  for (const image of images) {
    const entry = seen.get(image.id) ?? { since: now, usedAt: now };
    if (inUse(image, used)) entry.usedAt = now;
    seen.set(image.id, entry);
  }
  const disk = await statfs(directory);
  const total = disk.blocks * disk.bsize;
  const free = disk.bavail * disk.bsize;
  if (1 - free / total < HIGH_RATIO) return;
  let toFree = total * (1 - LOW_RATIO) - free;
  const candidates = images
    .filter((image) => !image.pinned && !inUse(image, used) && now - (seen.get(image.id)?.since ?? now) >= MIN_AGE_MS)
    .sort((a, b) => (seen.get(a.id)?.usedAt ?? 0) - (seen.get(b.id)?.usedAt ?? 0));
  for (const image of candidates) {
    if (toFree <= 0) return;
    await cri.removeImage({ image: { image: image.id } });
    log.info("an unused image was removed", { image: image.repoTags[0] ?? image.id, bytes: image.size });
    toFree -= image.size;
  }
}

function inUse(image: Image, used: ReadonlySet<string>): boolean {
  return [image.id, ...image.repoTags, ...image.repoDigests].some((name) => used.has(name));
}
