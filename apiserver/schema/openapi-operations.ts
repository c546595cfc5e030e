/**
 * OpenAPI operations: what may be done with the rows of the table of resources, and at which paths.
 *
 * Neutral between versions 2 and 3: openapi-v2.ts and openapi-v3.ts write it down. Clients find an operation by
 * its action and kind; kubectl leaves validation to a server whose PATCH operations take `fieldValidation`.
 */
import type { ResourceRow, SubresourceRow, Verb } from "../resources/contract.ts";
import type { GroupVersionKind, Schema } from "./contract.ts";
import { META_PACKAGE } from "./facts.ts";
import { PATCH } from "./openapi-schemas.ts";

export type Method = "get" | "put" | "post" | "patch" | "delete";

export interface Parameter {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean";
  readonly description: string;
}

export interface Operation {
  readonly method: Method;
  readonly id: string;
  readonly description: string;
  readonly tag: string;
  readonly action: string;
  readonly kind: GroupVersionKind;
  readonly query: readonly Parameter[];
  /** Name of the body's definition. */
  readonly body?: string;
  readonly consumes: readonly string[];
  /** Name of the answer's definition; a text where there is none. */
  readonly answer?: string;
  /** The codes of success. */
  readonly codes: readonly number[];
}

export interface PathItem {
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly operations: readonly Operation[];
}

const parameter = (name: string, type: Parameter["type"], description: string): Parameter => ({
  name,
  type,
  description,
});

const NAME = parameter("name", "string", "Name of the object.");
const NAMESPACE = parameter("namespace", "string", "Namespace of the object.");

const DRY_RUN = parameter("dryRun", "string", "All: process the request in full, but store nothing.");
const FIELD_MANAGER = parameter("fieldManager", "string", "Name of the one who makes these changes.");
const FIELD_VALIDATION = parameter(
  "fieldValidation",
  "string",
  "What happens to unknown and repeated fields: Ignore, Warn (the default) or Strict.",
);
const WRITE = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
const FORCE = parameter("force", "boolean", "Take fields over from other managers; for apply patches.");
const SELECTION = [
  parameter("fieldSelector", "string", "Only objects whose fields match."),
  parameter("labelSelector", "string", "Only objects whose labels match."),
];
const LIST = [
  parameter("allowWatchBookmarks", "boolean", "A watch may send bookmarks."),
  parameter("continue", "string", "Where the previous page of the list ended."),
  ...SELECTION,
  parameter("limit", "integer", "Most objects that one page brings."),
  parameter("resourceVersion", "string", "The revision to read at, or to watch from."),
  parameter("resourceVersionMatch", "string", "NotOlderThan or Exact."),
  parameter("sendInitialEvents", "boolean", "A watch first sends the objects that exist."),
  parameter("timeoutSeconds", "integer", "Longest time that the request may take."),
  parameter("watch", "boolean", "Send changes as they happen."),
];
const DELETE = [
  DRY_RUN,
  parameter("gracePeriodSeconds", "integer", "Time that the object gets to end; 0 is at once."),
  parameter("orphanDependents", "boolean", "Deprecated: see propagationPolicy."),
  parameter("propagationPolicy", "string", "Orphan, Background or Foreground."),
];
export const PRETTY = parameter("pretty", "string", "true: with line breaks and indentation.");

const ANY = ["*/*"];
const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];

const STATUS = `${META_PACKAGE}.Status`;
const DELETE_OPTIONS = `${META_PACKAGE}.DeleteOptions`;

/** How a verb looks over HTTP. */
interface VerbShape {
  readonly method: Method;
  readonly action: string;
  readonly word: string;
  readonly query: readonly Parameter[];
  readonly codes: readonly number[];
}

const SHAPES: Readonly<Record<Exclude<Verb, "watch">, VerbShape>> = {
  get: { method: "get", action: "get", word: "read", query: [], codes: [200] },
  list: { method: "get", action: "list", word: "list", query: LIST, codes: [200] },
  create: { method: "post", action: "post", word: "create", query: WRITE, codes: [200, 201, 202] },
  update: { method: "put", action: "put", word: "replace", query: WRITE, codes: [200, 201] },
  patch: { method: "patch", action: "patch", word: "patch", query: [...WRITE, FORCE], codes: [200, 201] },
  delete: { method: "delete", action: "delete", word: "delete", query: DELETE, codes: [200, 202] },
  deletecollection: {
    method: "delete",
    action: "deletecollection",
    word: "delete",
    query: [...DELETE, ...LIST.filter(({ name }) => name !== "watch" && name !== "allowWatchBookmarks")],
    codes: [200],
  },
};

/** All paths of the rows, in the rows' order. */
export function* pathsOf(rows: Iterable<ResourceRow>, schema: Schema): Generator<PathItem> {
  for (const row of rows) yield* pathsOfRow(row, schema);
}

function* pathsOfRow(row: ResourceRow, schema: Schema): Generator<PathItem> {
  const root = row.group === "" ? `/api/${row.version}` : `/apis/${row.group}/${row.version}`;
  const home = row.namespaced ? `${root}/namespaces/{namespace}/${row.plural}` : `${root}/${row.plural}`;
  const place = row.namespaced ? [NAMESPACE] : [];
  const make = operations(row, schema);

  yield* nonEmpty({ path: home, parameters: place, operations: make.of(["list", "create", "deletecollection"]) });
  if (row.namespaced && row.verbs.includes("list")) {
    yield { path: `${root}/${row.plural}`, parameters: [], operations: [make.listEverywhere()] };
  }
  const one = [NAME, ...place];
  yield* nonEmpty({
    path: `${home}/{name}`,
    parameters: one,
    operations: make.of(["get", "update", "patch", "delete"]),
  });
  for (const sub of subresourcesOf(row)) {
    yield* nonEmpty({
      path: `${home}/{name}/${sub.name}`,
      parameters: one,
      operations: sub.verbs.flatMap((verb) => make.sub(sub, verb)),
    });
  }
}

function* nonEmpty(item: PathItem): Generator<PathItem> {
  if (item.operations.length > 0) yield item;
}

const READ_WRITE: readonly Verb[] = ["get", "update", "patch"];

function subresourcesOf(row: ResourceRow): SubresourceRow[] {
  const { group, version, kind } = row;
  return [
    ...(row.hasStatus ? [{ name: "status", group, version, kind, verbs: READ_WRITE }] : []),
    ...(row.scale ? [{ name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: READ_WRITE }] : []),
    ...row.subresources,
  ];
}

function operations(row: ResourceRow, schema: Schema) {
  const groupName = row.group === "" ? "core" : camel(row.group.replace(/\.k8s\.io$/, "").split("."));
  const prefix = `${capital(groupName)}${capital(row.version)}`;
  const scope = row.namespaced ? "Namespaced" : "";
  const kind = { group: row.group, kind: row.kind, version: row.version };
  const message = row.custom?.openApiName ?? schema.kind(row.group, row.version, row.kind)?.name;
  const listMessage = schema.kind(row.group, row.version, row.listKind)?.name;
  const tag = `${groupName}_${row.version}`;

  const make = (verb: Exclude<Verb, "watch">, subject: string, names: Bodies, of: GroupVersionKind): Operation => {
    const { method, action, word, query, codes } = SHAPES[verb];
    const collection = verb === "deletecollection" ? "Collection" : "";
    return {
      method,
      id: `${word}${prefix}${collection}${subject}`,
      description: `${word} ${collection ? "a collection of " : ""}${of.kind}`,
      tag,
      action,
      kind: of,
      query,
      ...(names.body === undefined ? {} : { body: names.body }),
      consumes: verb === "patch" ? PATCH_TYPES : ANY,
      ...(names.answer === undefined ? {} : { answer: names.answer }),
      codes,
    };
  };

  return {
    of(verbs: readonly Exclude<Verb, "watch">[]): Operation[] {
      return verbs
        .filter((verb) => row.verbs.includes(verb))
        .map((verb) => make(verb, `${scope}${row.kind}`, bodiesOf(verb, message, listMessage), kind));
    },
    listEverywhere(): Operation {
      return make("list", `${row.kind}ForAllNamespaces`, bodiesOf("list", message, listMessage), kind);
    },
    sub(sub: SubresourceRow, verb: Verb): Operation[] {
      if (verb === "watch") return [];
      const of = { group: sub.group, kind: sub.kind, version: sub.version };
      const name = sub.kind === row.kind ? message : schema.kind(sub.group, sub.version, sub.kind)?.name;
      const made = make(
        verb,
        `${scope}${row.kind}${capital(camel(sub.name.split("/")))}`,
        bodiesOf(verb, name, name),
        of,
      );
      return [sub.kind.endsWith("Options") ? connection(made) : made];
    },
  };
}

interface Bodies {
  readonly body?: string | undefined;
  readonly answer?: string | undefined;
}

function bodiesOf(verb: Verb, message: string | undefined, list: string | undefined): Bodies {
  switch (verb) {
    case "list":
      return { answer: list };
    case "create":
    case "update":
      return { body: message, answer: message };
    case "patch":
      return { body: PATCH, answer: message };
    case "delete":
    case "deletecollection":
      return { body: DELETE_OPTIONS, answer: STATUS };
    default:
      return { answer: message };
  }
}

/** log, exec, proxy and the like: they take options in the query and answer texts and streams. */
function connection({ body: _body, answer: _answer, ...operation }: Operation): Operation {
  const { method, id } = operation;
  const connected = id
    .replace(/^[a-z]+/, `connect`)
    .replace(/^connect([A-Z][a-z]+V\d+)/, `connect$1${capital(method)}`);
  return { ...operation, id: connected, action: "connect", query: [], codes: [200], consumes: ANY };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const camel = (parts: readonly string[]): string => parts.map((part, at) => (at === 0 ? part : capital(part))).join("");
