/**
 * Build: makes images out of files and directories, as the archive that `docker save` writes.
 *
 * For the pause image, the sample, and images made of Debian's packages: no registry, no daemon, no
 * build language. The same input gives the same bytes. Bringing the archive in is import.ts' concern.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { normalizeImage } from "./reference.ts";
import { type TarEntry, writeTar } from "./tar.ts";

/** The part of an image's configuration that says how its containers start, in OCI's words. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, never>>>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
}

export type Layer = readonly TarEntry[];

export interface ImageArchive {
  /** "nginx:1.27"; made a full name. */
  readonly name: string;
  /** More names for the same image. */
  readonly tags?: readonly string[];
  /** In Go's words: "amd64", "arm64". */
  readonly architecture: string;
  readonly layers: readonly Layer[];
  readonly config: ImageConfig;
}

/** The image as a stream of a tar, for `importImage`. */
export function imageTar(image: ImageArchive): Readable {
  return Readable.from(archive(image), { objectMode: false });
}

/** Writes the archive to a file. */
export async function writeImage(file: string, image: ImageArchive): Promise<void> {
  await pipeline(imageTar(image), createWriteStream(file));
}

/** Everything in a directory as entries under `at`, owned by root. Sockets and devices are left out. */
export function directoryEntries(directory: string, at = ""): Layer {
  return readdirSync(directory, { withFileTypes: true })
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => entriesOf(join(directory, entry.name), at === "" ? entry.name : `${at}/${entry.name}`));
}

/** One file of the machine as an entry. */
export function fileEntry(file: string, at: string, mode?: number): TarEntry {
  const { size, mode: own } = lstatSync(file);
  return { path: at, mode: mode ?? own & 0o7777, stream: { size, open: () => createReadStream(file) } };
}

function entriesOf(path: string, at: string): readonly TarEntry[] {
  const stat = lstatSync(path);
  const mode = stat.mode & 0o7777;
  if (stat.isDirectory()) return [{ path: at, mode }, ...directoryEntries(path, at)];
  if (stat.isSymbolicLink()) return [{ path: at, symlink: readlinkSync(path) }];
  return stat.isFile() ? [fileEntry(path, at)] : [];
}

async function* archive(image: ImageArchive): AsyncGenerator<Uint8Array> {
  const layers = await Promise.all(image.layers.map(measure));
  const config = JSON.stringify({
    architecture: image.architecture,
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: image.config,
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    history: layers.map(() => ({ created: "1970-01-01T00:00:00Z", created_by: "k8ts" })),
  });
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  const manifest = {
    Config: configName,
    RepoTags: [image.name, ...(image.tags ?? [])].map(normalizeImage),
    Layers: layers.map(layerPath),
  };
  yield* writeTar([
    { path: "manifest.json", content: JSON.stringify([manifest]) },
    { path: configName, content: config },
    ...layers.map((measured) => ({
      path: layerPath(measured),
      stream: { size: measured.size, open: () => writeTar(measured.layer) },
    })),
  ]);
}

interface MeasuredLayer {
  readonly layer: Layer;
  readonly digest: string;
  readonly size: number;
}

const layerPath = ({ digest }: MeasuredLayer) => `${digest}/layer.tar`;

/** Names and headers need digest and size first, so each layer is written twice: once into a hash. */
async function measure(layer: Layer): Promise<MeasuredLayer> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of writeTar(layer)) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { layer, digest: hash.digest("hex"), size };
}
