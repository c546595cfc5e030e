/**
 * Path: what a request's method and path say, before anything else is known.
 *
 * Pure, and ignorant of which resources exist; the same rules as Kubernetes' RequestInfo, so that
 * authorization sees the same verb, resource and name. Looking the resource up: route.ts.
 */
import { exactValue, parseFieldSelector } from "../../machinery/objects/field-selectors.ts";
import { SelectorError } from "../../machinery/objects/selectors.ts";
import { badRequest } from "../../machinery/objects/status.ts";

export interface RequestInfo {
  readonly path: string;
  readonly isResource: boolean;
  /** get, list, watch, create, update, patch, delete, deletecollection; the lower-case method for other paths. */
  readonly verb: string;
  /** "" for core. */
  readonly group: string;
  readonly version: string;
  /** "" for cluster-scoped requests and for lists over all namespaces. */
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** What follows the subresource, decoded, as in ".../proxy/a/b": "a/b". */
  readonly rest: string;
}

const VERBS: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Segments that follow a namespace's name as its own subresources. */
const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(["status", "finalize"]);

export function parsePath(method: string, path: string, query: URLSearchParams): RequestInfo {
  const parts = segments(path);
  const other: RequestInfo = { ...NOTHING, path, verb: method.toLowerCase() };

  // /api/v1/… or /apis/group/version/…
  const core = parts[0] === "api";
  if (!core && parts[0] !== "apis") return other;
  const lead = core ? 2 : 3;
  if (parts.length <= lead) return other;
  const group = core ? "" : (parts[1] ?? "");
  const version = parts[lead - 1] ?? "";

  // …/watch/… is the old way to say ?watch=true
  const legacyWatch = parts[lead] === "watch" && parts.length > lead + 1;
  let rest = parts.slice(legacyWatch ? lead + 1 : lead);

  let namespace = "";
  if (rest[0] === "namespaces" && rest.length > 1) {
    namespace = rest[1] ?? "";
    if (rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(rest[2] ?? "")) rest = rest.slice(2);
  }
  const [resource = "", name = "", subresource = "", ...tail] = rest;

  const basic = legacyWatch && VERBS[method] === "get" ? "watch" : (VERBS[method] ?? method.toLowerCase());
  const verb = collectionVerb(basic, name, query);
  return {
    path,
    isResource: true,
    verb,
    group,
    version,
    namespace,
    resource,
    subresource,
    name: name || nameFromSelector(verb, query),
    rest: tail.join("/") + (tail.length > 0 && path.endsWith("/") ? "/" : ""),
  };
}

const NOTHING: RequestInfo = {
  path: "",
  isResource: false,
  verb: "",
  group: "",
  version: "",
  namespace: "",
  resource: "",
  subresource: "",
  name: "",
  rest: "",
};

function segments(path: string): string[] {
  try {
    const parts = path.split("/").filter((part) => part !== "");
    return path.includes("%") ? parts.map(decodeURIComponent) : parts;
  } catch {
    throw badRequest(`invalid URL escape in path ${JSON.stringify(path)}`);
  }
}

function collectionVerb(verb: string, name: string, query: URLSearchParams): string {
  if (name !== "") return verb;
  if (verb === "get") return isTrue(query.get("watch")) ? "watch" : "list";
  return verb === "delete" ? "deletecollection" : verb;
}

/** A list or watch of a single name is authorized as that name: read by the very rules by which it selects. */
function nameFromSelector(verb: string, query: URLSearchParams): string {
  if (verb !== "list" && verb !== "watch") return "";
  const text = query.get("fieldSelector");
  if (!text) return "";
  try {
    return exactValue(parseFieldSelector(text), "metadata.name") ?? "";
  } catch (error) {
    if (error instanceof SelectorError) return "";
    throw error;
  }
}

export function isTrue(value: string | null): boolean {
  return value !== null && value !== "false" && value !== "0";
}
