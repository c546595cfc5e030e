/**
 * Manifests: what `-f` names, read: files, directories, standard input and URLs, in their order.
 *
 * Lists come out as their items. Nothing is sent anywhere; which resource a kind is stands in discovery.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { KubeObject } from "../machinery/objects/wire.ts";
import { readYaml } from "../machinery/yaml.ts";
import type { Cluster } from "./cluster.ts";
import { type ResourceType, typeOfKind } from "./discovery.ts";
import { CommandError, PlainError } from "./errors.ts";
import type { FlagTable } from "./flags.ts";
import type { KubectlIo } from "./io.ts";

export const fileFlags = {
  filename: { type: "list", short: "f", help: "Filename, directory, or URL to files that contain the objects" },
  recursive: {
    type: "boolean",
    short: "R",
    help: "Process the directory used in -f, --filename recursively.",
  },
} as const satisfies FlagTable;

export interface Manifest {
  readonly object: KubeObject;
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  /** The file, "STDIN" or the URL. */
  readonly source: string;
}

const EXTENSIONS = [".json", ".yaml", ".yml"];

interface Source {
  readonly name: string;
  readonly text: string;
}

export async function readManifests(
  cluster: Cluster,
  io: KubectlIo,
  files: readonly string[],
  options: { readonly recursive: boolean },
): Promise<readonly Manifest[]> {
  const manifests: Manifest[] = [];
  for (const file of files) {
    for (const source of await sourcesOf(file, io, options.recursive)) {
      for (const object of objectsOf(source)) manifests.push(await settle(cluster, object, source.name));
    }
  }
  return manifests;
}

async function sourcesOf(file: string, io: KubectlIo, recursive: boolean): Promise<Source[]> {
  if (file === "-") return [{ name: "STDIN", text: await textOf(io) }];
  if (/^https?:\/\//.test(file)) return [{ name: file, text: await download(file) }];
  const path = resolve(io.cwd, file);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new CommandError(`the path ${JSON.stringify(file)} does not exist`);
  if (!found.isDirectory()) return [{ name: file, text: await readFile(path, "utf8") }];
  const names = await filesIn(path, recursive);
  if (names.length === 0) {
    throw new CommandError(`error reading [${file}]: recognized file extensions are [.json .yaml .yml]`);
  }
  return Promise.all(
    names.map(async (name) => ({ name: join(file, name), text: await readFile(join(path, name), "utf8") })),
  );
}

async function filesIn(directory: string, recursive: boolean): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory()) {
      if (EXTENSIONS.some((extension) => entry.name.endsWith(extension))) names.push(entry.name);
    } else if (recursive) {
      const below = await filesIn(join(directory, entry.name), true);
      names.push(...below.map((name) => join(entry.name, name)));
    }
  }
  return names;
}

const STDIN_BYTES = 64 * 1024 * 1024;

/** All of standard input. */
export async function textOf({ stdin }: KubectlIo): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk as Buffer));
    size += (chunk as Buffer).length;
    if (size > STDIN_BYTES) throw new CommandError("standard input is too large");
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function download(url: string): Promise<string> {
  const response = await fetch(url).catch((error: Error) => {
    throw new CommandError(
      `unable to read URL ${JSON.stringify(url)}: ${(error.cause as Error)?.message ?? error.message}`,
    );
  });
  if (response.ok) return response.text();
  throw new CommandError(
    `unable to read URL ${JSON.stringify(url)}, server reported ${response.status} ${response.statusText}, status code=${response.status}`,
  );
}

function objectsOf({ name, text }: Source): KubeObject[] {
  let documents: ReturnType<typeof readYaml>;
  try {
    documents = readYaml(text);
  } catch (error) {
    throw new CommandError(`error parsing ${name}: ${(error as Error).message}`);
  }
  return documents.flatMap(({ value }) => (value === undefined || value === null ? [] : flatten(value, name)));
}

function flatten(value: unknown, source: string): KubeObject[] {
  const object = value as Partial<KubeObject>;
  const missing = (["apiVersion", "kind"] as const).filter(
    (field) => typeof object?.[field] !== "string" || object[field] === "",
  );
  if (missing.length > 0) {
    const what = missing.map((field) => `${field} not set`);
    const list = what.length > 1 ? `[${what.join(", ")}]` : what[0];
    throw new CommandError(
      `error validating ${JSON.stringify(source)}: error validating data: ${list}; if you choose to ignore these errors, turn validation off with --validate=false`,
    );
  }
  const items = object["items"];
  if (object.kind?.endsWith("List") && Array.isArray(items)) return items.flatMap((item) => flatten(item, source));
  return [{ ...(object as KubeObject), metadata: object.metadata ?? {} }];
}

async function settle(cluster: Cluster, object: KubeObject, source: string): Promise<Manifest> {
  const type = typeOfKind(await cluster.discovery(), object.apiVersion, object.kind);
  const { name = "", namespace } = object.metadata;
  if (!type) {
    const place = `name: ${JSON.stringify(name)} namespace: ${JSON.stringify(namespace ?? "")} from ${JSON.stringify(source)}`;
    throw new PlainError(
      `error: resource mapping not found for ${place}: no matches for kind ${JSON.stringify(object.kind)} in version ${JSON.stringify(object.apiVersion)}\nensure CRDs are installed first`,
    );
  }
  if (!type.namespaced) return { object, type, namespace: undefined, source };
  if (namespace && cluster.namespaceGiven && namespace !== cluster.namespace) {
    throw new CommandError(
      `the namespace from the provided object ${JSON.stringify(namespace)} does not match the namespace ${JSON.stringify(cluster.namespace)}. You must pass '--namespace=${namespace}' to perform this operation.`,
    );
  }
  const settled = namespace || cluster.namespace;
  return {
    object: { ...object, metadata: { ...object.metadata, namespace: settled } },
    type,
    namespace: settled,
    source,
  };
}
