/**
 * Judge: what may be answered, and what must hold of an object that was taken.
 *
 * Anything but success is a Status with a reason and the code of the answer, below 500: or 501 for what is not built,
 * 503 for what is not there (a node, a Pod behind a proxy), 504 for a deadline that the client set.
 */
import { PROTOBUF } from "../../apiserver/schema/protobuf.ts";
import { isBigInteger, parseJson } from "../../machinery/objects/json.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import type { Answer, Send } from "./answers.ts";
import type { FuzzRequest } from "./requests.ts";
import { collectionPath, type Target } from "./targets.ts";

type Json = Record<string, unknown>;

interface Status extends Json {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
}

/** What looks like JavaScript talking, not Kubernetes. */
const INTERNAL =
  /Internal error|Cannot (?:read|convert|set|mix|destructure)|is not (?:a function|iterable|defined|a constructor)|\[object \w+\]|Maximum call stack|Invalid array length|JSON at position/;
/** What the eviction API documents as 500. */
const MISCONFIGURED =
  "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";

/** What is wrong with the answer; undefined for a good one. */
export function problemOf(request: FuzzRequest, answer: Answer): string | undefined {
  const { status, form, bytes, type } = answer;
  if (status < 400) return isGood(request, status) ? undefined : `odd status ${status}`;
  const told = form === "object" || type === "application/json" ? (textJson(bytes) as Status) : undefined;
  const message = told?.message ?? Buffer.from(bytes).toString("utf8").slice(0, 300);
  if (status >= 500 && !mayFail(request, status) && message !== MISCONFIGURED) return `${status}: ${message}`;
  if (INTERNAL.test(message) && !INTERNAL.test(textOf(request))) return `${status}, but: ${message}`;
  // what is no method of HTTP does not get past the parser
  if (request.method === "BREW" && status === 400 && bytes.length === 0) return undefined;
  if (request.method === "HEAD" || type === "text/plain; charset=utf-8") return undefined;
  if (type.startsWith("application/yaml") || type.startsWith(PROTOBUF)) return undefined;
  if (told?.["kind"] !== "Status") return `${status} without a Status: ${type} ${message}`;
  if (told.code !== status) return `${status}, but the Status says ${told.code}`;
  return typeof told.reason === "string" && told.message
    ? undefined
    : `${status} without reason or message: ${message}`;
}

/** A document of OpenAPI whose hash has changed stands elsewhere. */
const isGood = ({ path }: FuzzRequest, status: number): boolean =>
  (status >= 200 && status < 300) || status === 304 || (status === 301 && path.startsWith("/openapi/v3/"));

function mayFail({ path, reaches = false }: FuzzRequest, status: number): boolean {
  if (status === 501) return true;
  if (status === 504) return /[?&](?:timeout|resourceVersion)=/.test(path);
  return status === 503 && reaches;
}

const textOf = ({ path, body }: FuzzRequest): string => `${path}${body ? Buffer.from(body).toString("latin1") : ""}`;

function textJson(bytes: Uint8Array): unknown {
  try {
    return parseJson(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** The object that a write answered with, where it is stored now. */
export function stored(
  request: FuzzRequest,
  answer: Answer,
): { readonly path: string; readonly target: Target } | undefined {
  const { target, method, path } = request;
  if (!target || answer.status >= 300 || !["POST", "PUT", "PATCH"].includes(method)) return undefined;
  if (/dryRun=|%00|%2f/i.test(path) || !target.verbs.includes("get") || !target.verbs.includes("update"))
    return undefined;
  if (method !== "POST") return { target, path: objectPath(path, target) };
  if (path.split("?", 1)[0] !== collectionPath(target)) return undefined;
  const made = textJson(answer.bytes) as { metadata?: { name?: string }; kind?: string } | undefined;
  const name = made?.metadata?.name ?? "fresh";
  return { target, path: `${collectionPath(target)}/${encodeURIComponent(name)}` };
}

function objectPath(path: string, target: Target): string {
  const collection = collectionPath(target);
  return `${collection}/${path.slice(collection.length + 1).split(/[/?]/, 1)[0]}`;
}

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

function yamlText(bytes: Uint8Array): string {
  try {
    return JSON.stringify(sorted(readOneYaml(Buffer.from(bytes).toString("utf8"))));
  } catch (error) {
    return String(error);
  }
}

interface Kept {
  readonly target: Target;
  readonly path: string;
}

/** What does not hold of a stored object, which the server itself may be writing to at the same moment. */
export async function complaints(send: Send, kept: Kept): Promise<string | undefined> {
  let problem: string | undefined;
  for (let tries = 0; tries < 3; tries++) {
    problem = await complaint(send, kept);
    if (!problem) return undefined;
  }
  return problem;
}

/** It reads in every form, and to write it back changes nothing. */
async function complaint(send: Send, { target, path }: Kept): Promise<string | undefined> {
  const ask = (method: string, at: string, headers: Record<string, string> = {}, body?: Uint8Array) =>
    send({ method, path: at, headers, body, target, streams: false });
  const read = await ask("GET", path);
  if (read.status === 404) return undefined; // a last finalizer was taken away
  if (read.status !== 200) return `reads with ${told(read)}`;
  const object = textJson(read.bytes) as Json & { metadata: { resourceVersion: string; deletionTimestamp?: string } };

  const asYaml = await ask("GET", path, { accept: "application/yaml" });
  if (asYaml.status !== 200) return `reads as YAML with ${told(asYaml)}`;
  const reread = yamlText(asYaml.bytes);
  if (reread !== JSON.stringify(sorted(object))) return `reads as other YAML: ${reread}`;

  const table = await ask("GET", path, { accept: TABLE });
  const rows = textJson(table.bytes) as { columnDefinitions: unknown[]; rows: { cells: unknown[] }[] } | undefined;
  if (table.status !== 200 || rows?.rows[0]?.cells.length !== rows?.columnDefinitions.length)
    return `reads as a Table with ${told(table)}`;
  const metadata = await ask("GET", path, { accept: METADATA });
  if (metadata.status !== 200) return `reads as metadata with ${told(metadata)}`;

  const again = await ask("PUT", path, { "content-type": "application/json" }, read.bytes);
  if (again.status !== 200) return `replaced by itself: ${told(again)}`;
  const changed = differs(object, again);
  if (changed) return `replaced by itself ${changed}`;
  const nothing = await ask("PATCH", path, { "content-type": "application/merge-patch+json" }, Buffer.from("{}"));
  if (nothing.status !== 200) return `patched by nothing: ${told(nothing)}`;
  const other = differs(object, nothing);
  if (other) return `patched by nothing ${other}`;
  if (target.custom) return undefined;

  const binary = await ask("GET", path, { accept: PROTOBUF });
  if (binary.status !== 200 || !binary.type.startsWith(PROTOBUF)) return `reads as protobuf with ${told(binary)}`;
  // Protobuf does not know an empty list or text from none, which a rule of what may not change may take for a change.
  if (JSON.stringify(bare(object)) !== JSON.stringify(object)) return undefined;
  const same = await ask("PUT", path, { "content-type": PROTOBUF }, binary.bytes);
  if (same.status !== 200) return `replaced by its own protobuf: ${told(same)}`;
  const lost = differs(object, same);
  return lost && `replaced by its own protobuf: ${lost}`;
}

const told = ({ status, bytes }: Answer): string => `${status} ${Buffer.from(bytes).toString("utf8").slice(0, 500)}`;

function differs(before: Json, answer: Answer): string | undefined {
  const after = textJson(answer.bytes) as typeof before;
  const version = (one: Json) => (one["metadata"] as { resourceVersion?: string } | undefined)?.resourceVersion;
  if (version(before) === version(after)) return undefined;
  return `became another: ${firstDifference(before, after, "") ?? "only the version"}`;
}

function firstDifference(a: unknown, b: unknown, path: string): string | undefined {
  if (/\/(?:resourceVersion|generation)$/.test(path) || path.endsWith("/managedFields")) return undefined;
  if (!isTree(a) || !isTree(b))
    return JSON.stringify(a) === JSON.stringify(b) ? undefined : `${path}: ${JSON.stringify(a)} ► ${JSON.stringify(b)}`;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = firstDifference((a as Json)[key], (b as Json)[key], `${path}/${key}`);
    if (found) return found;
  }
  return undefined;
}

/** Without what is empty. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!isTree(value)) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, bare(one)] as const);
  return Object.fromEntries(entries.filter(([, one]) => !isEmpty(one)));
}

const isTree = (value: unknown): value is Json => typeof value === "object" && value !== null && !isBigInteger(value);

const isEmpty = (value: unknown): boolean =>
  value === null || value === "" || (isTree(value) && Object.keys(value).length === 0);

/** Keys in order; integers that are too long for JSON's own numbers read as YAML's. */
function sorted(value: unknown): unknown {
  if (isBigInteger(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return value.map(sorted);
  if (!isTree(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
