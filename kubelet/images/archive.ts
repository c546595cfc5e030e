/**
 * Archive: which image names a tar brings, read while it passes by on its way into a runtime.
 *
 * Knows the two forms there are: `docker save` (manifest.json) and OCI layout (index.json), plain or
 * gzipped. The archive itself is never kept.
 */
import { PassThrough, type Readable, Transform } from "node:stream";
import { createGunzip } from "node:zlib";
import { normalizeImage } from "./reference.ts";
import { TarFollower } from "./tar.ts";

/** Indexes are small; a larger one is not looked at. */
const INDEX_BYTES = 4 * 1024 * 1024;

export interface ArchiveName {
  /** As it stands in the archive. */
  readonly raw: string;
  /** As it is kept. */
  readonly name: string;
}

export interface ObservedArchive {
  /** The same archive, unzipped. */
  readonly tar: Readable;
  /** Complete once `tar` has ended. */
  names(): readonly ArchiveName[];
}

/** Errors of `source` become errors of `tar`. */
export function observeArchive(source: Readable): ObservedArchive {
  const follower = new TarFollower((path) => path === "manifest.json" || path === "index.json", INDEX_BYTES);
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      follower.push(chunk);
      done(null, chunk);
    },
  });
  const raw = new PassThrough();
  source.on("error", (error) => raw.destroy(error));
  source.pipe(raw);
  raw.on("error", (error) => tap.destroy(error));
  raw.once("readable", () => {
    const start = raw.read() as Buffer | null;
    if (start) raw.unshift(start);
    const zipped = start?.[0] === 0x1f && start[1] === 0x8b;
    if (!zipped) return void raw.pipe(tap);
    const gunzip = createGunzip();
    gunzip.on("error", (error) => tap.destroy(error));
    raw.pipe(gunzip).pipe(tap);
  });
  return { tar: tap, names: () => namesIn(follower.found) };
}

function namesIn(found: ReadonlyMap<string, Buffer>): readonly ArchiveName[] {
  const docker = parse<readonly { readonly RepoTags?: readonly string[] | null }[]>(found.get("manifest.json"));
  const fromDocker = docker?.flatMap(({ RepoTags }) => RepoTags ?? []);
  const raw = fromDocker ?? ociNames(found.get("index.json"));
  return [...new Set(raw)].map((name) => ({ raw: name, name: normalizeImage(name) }));
}

function ociNames(index: Buffer | undefined): readonly string[] {
  const parsed = parse<{ readonly manifests?: readonly { readonly annotations?: Readonly<Record<string, string>> }[] }>(
    index,
  );
  return (parsed?.manifests ?? []).flatMap(({ annotations = {} }) => {
    const name = annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"];
    return name && /[/:@]/.test(name) ? [name] : []; // a tag alone names no image
  });
}

function parse<T>(json: Buffer | undefined): T | undefined {
  return json && (JSON.parse(json.toString("utf8")) as T);
}
