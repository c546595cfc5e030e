/**
 * Event: the parts of an audit.k8s.io/v1 Event, as pure functions. audit.ts puts them together.
 */
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Decision, User } from "../auth/contract.ts";
import type { RequestInfo } from "../request/path.ts";
import type { Level, Stage } from "./policy.ts";

export const AUDIT_ID = "audit-id";

export function baseEvent(
  level: Level,
  stage: Stage,
  record: RequestRecord,
  info: RequestInfo,
  user: User | undefined,
  acting: User | undefined,
): object {
  const { path, query, headers, source } = record;
  const text = query.toString();
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level,
    auditID: headers[AUDIT_ID] ?? "",
    stage,
    requestURI: text ? `${path}?${text}` : path,
    verb: info.verb,
    user: user ? userOf(user) : {},
    ...(acting ? { impersonatedUser: userOf(acting) } : {}),
    sourceIPs: sourcesOf(headers, source),
    ...(headers["user-agent"] ? { userAgent: headers["user-agent"] } : {}),
  };
}

function userOf({ name, uid, groups, extra }: User): object {
  return {
    username: name,
    ...(uid ? { uid } : {}),
    groups,
    ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

/** What proxies say stands first, the connection's own end last. */
function sourcesOf(headers: RequestRecord["headers"], source: string | undefined): string[] {
  const forwarded = (headers["x-forwarded-for"] ?? "").split(",").map((one) => one.trim());
  const all = [...forwarded, headers["x-real-ip"] ?? "", (source ?? "").replace(/^::ffff:/, "")];
  return [...new Set(all.filter((one) => one !== ""))];
}

/** `object` fills in what the path does not say: the name of what is created. */
export function refOf(info: RequestInfo, object: unknown): object {
  const { metadata = {}, kind } = (object ?? {}) as { metadata?: Record<string, unknown>; kind?: unknown };
  const of = (field: string) => (kind === "Status" ? undefined : metadata[field]);
  const filled = {
    resource: info.resource,
    namespace: info.namespace || of("namespace"),
    name: info.name || of("name"),
    uid: of("uid"),
    apiGroup: info.group,
    apiVersion: info.version,
    resourceVersion: of("resourceVersion"),
    subresource: info.subresource,
  };
  return Object.fromEntries(Object.entries(filled).filter(([, value]) => typeof value === "string" && value !== ""));
}

/** A Status is told in full; of anything else the code alone. */
export function statusOf({ status }: ResponseRecord, answer: unknown): object {
  const { kind, status: state, message, reason, details } = (answer ?? {}) as Record<string, unknown>;
  if (kind !== "Status") return { metadata: {}, code: status };
  return {
    metadata: {},
    ...(state ? { status: state } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    code: status,
  };
}

/** The answer as a value, where it is one. */
export function objectOf({ headers, body }: ResponseRecord): unknown {
  if (body.kind === "object") return body.value();
  if (body.kind !== "bytes" || !String(headers["content-type"] ?? "").startsWith("application/json")) return undefined;
  try {
    return JSON.parse(Buffer.from(body.bytes).toString("utf8"));
  } catch {
    return undefined; // said to be JSON by a node or extension that is proxied
  }
}

export function annotationsOf({ kind, reason }: Decision): [string, string][] {
  return [
    ["authorization.k8s.io/decision", kind === "allow" ? "allow" : "forbid"],
    ["authorization.k8s.io/reason", reason],
  ];
}

export function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { metadata, items } = value as { metadata?: Record<string, unknown>; items?: unknown };
  if (Array.isArray(items)) return { ...value, items: items.map(withoutManagedFields) };
  if (!metadata || !("managedFields" in metadata)) return value;
  const { managedFields: _, ...rest } = metadata;
  return { ...value, metadata: rest };
}
