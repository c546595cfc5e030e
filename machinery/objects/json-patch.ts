/**
 * JSON Patch (RFC 6902): a list of operations on a document.
 *
 * The document given is never changed; the result shares nothing with the patch. All or nothing:
 * the first operation that does not apply throws a PatchError, worded as Kubernetes' library does.
 * Merge patches are in merge-patch.ts, strategic ones in apiserver/schema.
 */
import { isBigInteger } from "./json.ts";
import { cloneJson, equalJson } from "./json-value.ts";

export class PatchError extends Error {
  override readonly name = "PatchError";
  /** A test operation said no. */
  readonly untrue: boolean;
  constructor(message: string, untrue = false) {
    super(message);
    this.untrue = untrue;
  }
}

export interface PatchOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

type Container = Record<string, unknown> | unknown[];
interface Place {
  readonly parent: Container;
  readonly key: string;
}

export interface PatchLimits {
  /** What all copy operations together may add, as JSON. */
  readonly copiedBytes: number;
}

/** The document, and what has been copied in it so far. */
interface Work {
  readonly box: Record<string, unknown>;
  readonly limit: number;
  copied: number;
}

export function applyJsonPatch(
  document: unknown,
  operations: readonly PatchOperation[],
  limits: PatchLimits = { copiedBytes: Number.POSITIVE_INFINITY },
): unknown {
  // The document hangs in a box, so that the root is a place like any other.
  const work: Work = { box: { root: cloneJson(document) }, limit: limits.copiedBytes, copied: 0 };
  for (const operation of operations) {
    const apply = Object.hasOwn(appliers, operation.op) ? appliers[operation.op] : undefined;
    if (!apply) throw new PatchError(`Unexpected kind: ${operation.op}`);
    apply(work, operation);
  }
  return work.box["root"];
}

const appliers: Readonly<Record<string, (work: Work, operation: PatchOperation) => void>> = {
  add({ box }, { path, value }) {
    const place = locate(box, path) ?? missing(`add operation does not apply: doc is missing path: ${quoted(path)}`);
    insert(place, path, cloneJson(value ?? null));
  },

  remove({ box }, { path }) {
    const place = locate(box, path) ?? missing(`remove operation does not apply: doc is missing path: ${quoted(path)}`);
    take(place, path);
  },

  replace({ box }, { path, value }) {
    const place = locate(box, path) ?? missing(`replace operation does not apply: doc is missing path: ${path}`);
    if (read(place) === undefined) missing(`replace operation does not apply: doc is missing key: ${path}`);
    write(place, cloneJson(value ?? null));
  },

  move({ box }, { path, from = "" }) {
    const source = locate(box, from) ?? missing(`move operation does not apply: doc is missing from path: ${from}`);
    if (path.startsWith(`${from}/`)) throw new PatchError(`move operation does not apply: ${path} is inside ${from}`);
    const value = take(source, from);
    const place =
      locate(box, path) ?? missing(`move operation does not apply: doc is missing destination path: ${path}`);
    insert(place, path, value);
  },

  copy(work, { path, from = "" }) {
    const { box } = work;
    const source = locate(box, from);
    const value = source && read(source);
    if (value === undefined) missing(`copy operation does not apply: doc is missing from path: ${from}`);
    const place =
      locate(box, path) ?? missing(`copy operation does not apply: doc is missing destination path: ${path}`);
    if (Number.isFinite(work.limit)) countCopy(work, value);
    insert(place, path, cloneJson(value));
  },

  test({ box }, { path, value }) {
    const place = locate(box, path);
    const found = place && read(place);
    if (!equalJson(found ?? null, value ?? null)) {
      throw new PatchError(`testing value ${path} failed: test failed`, true);
    }
  },
};

function countCopy(work: Work, value: unknown): void {
  work.copied += Buffer.byteLength(JSON.stringify(value));
  if (work.copied > work.limit)
    throw new PatchError(
      `Unable to complete the copy, the accumulated size increase of copy is ${work.copied}, exceeding the limit ${work.limit}`,
    );
}

/**
 * Where a pointer points: its parent and the last key; undefined where a parent is not there. What the copy of the
 * document still shares with it (managedFields, frozen) becomes the copy's own on the way.
 */
function locate(box: Record<string, unknown>, pointer: string): Place | undefined {
  const keys = pointer === "" ? [] : pointer.split("/").slice(1).map(unescapeKey);
  if (pointer !== "" && !pointer.startsWith("/")) return undefined;
  let parent: Container = box;
  let key = "root";
  for (const next of keys) {
    const child = read({ parent, key });
    if (!isContainer(child)) return undefined;
    const own = Object.isFrozen(child) ? cloneJson(child) : child;
    if (own !== child) write({ parent, key }, own);
    parent = own;
    key = next;
  }
  return { parent, key };
}

function read({ parent, key }: Place): unknown {
  if (Array.isArray(parent)) {
    const index = indexOf(key, parent.length);
    return index === undefined ? undefined : parent[index];
  }
  return Object.hasOwn(parent, key) ? parent[key] : undefined;
}

function write({ parent, key }: Place, value: unknown): void {
  if (Array.isArray(parent)) parent[indexOf(key, parent.length) ?? parent.length] = value;
  else define(parent, key, value);
}

function insert({ parent, key }: Place, path: string, value: unknown): void {
  if (!Array.isArray(parent)) {
    define(parent, key, value);
    return;
  }
  const index = key === "-" ? parent.length : indexOf(key, parent.length + 1);
  if (index === undefined) {
    throw new PatchError(
      `error in add for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`,
    );
  }
  parent.splice(index, 0, value);
}

function take(place: Place, path: string): unknown {
  const { parent, key } = place;
  const value = read(place);
  if (Array.isArray(parent)) {
    const index = indexOf(key, parent.length);
    if (index === undefined) {
      throw new PatchError(
        `error in remove for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`,
      );
    }
    parent.splice(index, 1);
    return value;
  }
  if (value === undefined) missing(`error in remove for path: '${path}': Unable to remove nonexistent key: ${key}`);
  delete parent[key];
  return value;
}

/** "__proto__" is a key like any other in JSON. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Negative ones count from the end, as in Kubernetes' library. */
function indexOf(key: string, length: number): number | undefined {
  if (!/^[+-]?\d+$/.test(key)) return undefined;
  const index = Number(key) < 0 ? Number(key) + length : Number(key);
  return index >= 0 && index < length ? index : undefined;
}

const isContainer = (value: unknown): value is Container =>
  typeof value === "object" && value !== null && !isBigInteger(value);
const unescapeKey = (key: string): string => key.replaceAll("~1", "/").replaceAll("~0", "~");
const quoted = (text: string): string => JSON.stringify(text);

function missing(message: string): never {
  throw new PatchError(`${message}: missing value`);
}
