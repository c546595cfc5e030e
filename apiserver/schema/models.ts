/**
 * Models: required flags and texts, read out of @kubernetes/client-node's declaration files.
 *
 * The files are read as text and never imported: importing them costs 90 MB and half a second.
 * Only classes named in models/all.js count; the package also carries stale files.
 * What was read is kept in the cache directory under the package's version, so that a second
 * start reads two small files; a damaged or missing cache is built again.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";

/** Class ► names of the required fields. */
export type RequiredFields = Readonly<Record<string, readonly string[]>>;
/** Class ► field ► text; the class's own text stands under "". */
export type Texts = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Models {
  readonly required: RequiredFields;
  readTexts(): Promise<Texts>;
}

export interface ModelsOptions {
  readonly cacheDir?: string;
  readonly log?: Logger;
}

interface Read {
  readonly required: RequiredFields;
  readonly texts: Texts;
}

export async function readModels(options: ModelsOptions = {}): Promise<Models> {
  const source = await locate();
  const cache = options.cacheDir === undefined ? undefined : cacheIn(options.cacheDir, source.version, options.log);
  const required = (await cache?.read<RequiredFields>("required")) ?? (await build()).required;
  return { required, readTexts: async () => (await cache?.read<Texts>("texts")) ?? (await build()).texts };

  async function build(): Promise<Read> {
    const read = await readDeclarations(source.directory);
    await cache?.write("texts", read.texts);
    await cache?.write("required", read.required);
    return read;
  }
}

async function locate(): Promise<{ directory: string; version: string }> {
  const file = findPackageJSON("@kubernetes/client-node", import.meta.url);
  if (file === undefined) throw new Error("@kubernetes/client-node is not installed: run npm install");
  const { version } = JSON.parse(await readFile(file, "utf8")) as { version: string };
  return { directory: join(dirname(file), "dist/gen/models"), version };
}

async function readDeclarations(directory: string): Promise<Read> {
  const all = await readFile(join(directory, "all.js"), "utf8");
  const classes = [...all.matchAll(/\/models\/(\w+)\.js'/g)].map((match) => match[1]!);
  const required: Record<string, string[]> = {};
  const texts: Record<string, Record<string, string>> = {};
  for (let at = 0; at < classes.length; at += limits.openFiles) {
    const slice = classes.slice(at, at + limits.openFiles);
    const files = await Promise.all(slice.map((name) => readFile(join(directory, `${name}.d.ts`), "utf8")));
    for (const [index, name] of slice.entries()) {
      const read = parseDeclaration(files[index]!);
      required[name] = read.required;
      texts[name] = read.texts;
    }
  }
  return { required, texts };
}

const CLASS = /(?:\/\*\*\n\* (?<text>.*)\n\*\/\n)?export declare class /;
const FIELD = /(?: {4}\/\*\*\n {4}\* (?<text>.*)\n {4}\*\/\n)? {4}'(?<name>[^']+)'(?<optional>\??): /g;

/** The fields and texts of one declaration file. */
export function parseDeclaration(source: string): { required: string[]; texts: Record<string, string> } {
  const texts: Record<string, string> = {};
  const required: string[] = [];
  const own = CLASS.exec(source);
  if (own?.groups?.["text"]) texts[""] = unescaped(own.groups["text"]);
  for (const { groups } of source.matchAll(FIELD)) {
    const name = wireName(groups!["name"]!);
    if (groups!["optional"] === "") required.push(name);
    if (groups!["text"]) texts[name] = unescaped(groups!["text"]);
  }
  return { required, texts };
}

/** Names that the generator escapes: `_continue`, `x_kubernetes_int_or_string`. */
function wireName(name: string): string {
  if (name.startsWith("x_kubernetes_")) return name.replaceAll("_", "-");
  return name.startsWith("_") ? name.slice(1) : name;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, "$1");
}

function cacheIn(directory: string, version: string, log: Logger | undefined) {
  const fileOf = (part: string) => join(directory, `api-models-${version}-${part}.json`);
  return {
    async read<T>(part: string): Promise<T | undefined> {
      try {
        return JSON.parse(await readFile(fileOf(part), "utf8")) as T;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
          log?.warn("schema cache is unreadable, building it again", { file: fileOf(part), error: String(error) });
        }
        return undefined;
      }
    },
    /** A cache that cannot be written costs time only. */
    async write(part: string, value: unknown): Promise<void> {
      const draft = `${fileOf(part)}.${process.pid}`;
      try {
        await mkdir(directory, { recursive: true });
        await writeFile(draft, JSON.stringify(value));
        await rename(draft, fileOf(part));
      } catch (error) {
        log?.warn("schema cache cannot be written", { file: fileOf(part), error: String(error) });
      }
    },
  };
}
