/**
 * Image store of the simulated runtime: names only. Every image exists, except in registries under
 * ".invalid", which cannot be reached, and where a Pod's annotations say that pulling fails.
 */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { ImageService } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import { type Image, msToNanos } from "../../cri/messages.ts";
import { observeArchive } from "../../images/archive.ts";
import { normalizeImage, parseReference } from "../../images/reference.ts";
import { behaviourOf } from "./behaviour.ts";

const IMAGE_BYTES = 10_000_000;

export function createImageStore(clock: Clock): ImageService & { find(name: string): Image | undefined } {
  const images = new Map<string, Image>();

  const add = (given: string): Image => {
    const name = normalizeImage(given);
    const known = find(name);
    if (known) return known;
    const digest = `sha256:${createHash("sha256").update(name).digest("hex")}`;
    const { registry, repository, tag } = parseReference(name) ?? invalid(given);
    const image: Image = {
      id: `sha256:${createHash("sha256").update(digest).digest("hex")}`,
      repoTags: tag ? [name] : [],
      repoDigests: [`${registry}/${repository}@${digest}`],
      size: IMAGE_BYTES,
      username: "",
      pinned: false,
    };
    images.set(name, image);
    return image;
  };
  const find = (given: string) => {
    const name = normalizeImage(given);
    return (
      images.get(name) ?? [...images.values()].find(({ id, repoDigests }) => id === name || repoDigests.includes(name))
    );
  };

  return {
    find,
    async listImages({ filter }) {
      if (!filter?.image.image) return { images: [...new Set(images.values())] };
      const found = find(filter.image.image);
      return { images: found ? [found] : [] };
    },
    async imageStatus({ image }) {
      const found = find(image.image);
      return { ...(found && { image: found }), info: {} };
    },
    async pullImage({ image, sandboxConfig }, options) {
      const { registry } = parseReference(image.image) ?? invalid(image.image);
      const { pullMs, pullError } = behaviourOf(sandboxConfig?.annotations, "");
      if (pullMs > 0) await clock.sleep(pullMs, options?.signal);
      const failed = `failed to pull and unpack image "${normalizeImage(image.image)}"`;
      if (registry.endsWith(".invalid")) throw new CriError("Unknown", `${failed}: lookup ${registry}: no such host`);
      if (pullError !== undefined) throw new CriError("NotFound", `${failed}: ${pullError}`);
      return { imageRef: add(image.image).id };
    },
    async removeImage({ image }) {
      const found = find(image.image);
      for (const [name, entry] of images) if (entry === found) images.delete(name);
      return {};
    },
    async imageFsInfo() {
      const usage = {
        timestamp: msToNanos(clock.now()),
        fsId: { mountpoint: "/simulated" },
        usedBytes: { value: images.size * IMAGE_BYTES },
        inodesUsed: { value: images.size },
      };
      return { imageFilesystems: [usage], containerFilesystems: [] };
    },
    async importImage(tar: Readable) {
      const archive = observeArchive(tar);
      archive.tar.resume();
      await finished(archive.tar);
      const names = archive.names();
      if (names.length === 0)
        throw new CriError("InvalidArgument", "the archive names no image: save it with its name and tag");
      for (const { name } of names) add(name);
      return { images: names.map(({ name }) => name) };
    },
  };
}

function invalid(name: string): never {
  throw new CriError("InvalidArgument", `failed to parse image reference "${name}": invalid reference format`);
}
