/**
 * Handler: the pipeline as one function. Every request, whatever its transport, takes this way:
 *
 *   parse the path ► authenticate ► authorize ► route to a step ► the step's own decode, admit, store
 *
 * What another API server serves leaves here after authorization: ../aggregation.
 *
 * It never rejects: whatever goes wrong becomes a Status response (failure.ts).
 */
import type { Handler, RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Trail } from "../audit/contract.ts";
import { impersonate } from "../auth/authenticate.ts";
import { type Attributes, allow, MASTERS, type User } from "../auth/contract.ts";
import { forbidden } from "../auth/forbidden.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { Exchange, Server } from "./contract.ts";
import { withDeadline } from "./deadline.ts";
import { endpointOf } from "./endpoints.ts";
import { failure } from "./failure.ts";
import { HISTORY_PREFIX, history } from "./history.ts";
import { negotiate, negotiateError, type Offer } from "./negotiate.ts";
import { parsePath, type RequestInfo } from "./path.ts";
import { methodNotAllowed, nothingThere } from "./refusals.ts";
import { render } from "./render.ts";
import { type Route, route } from "./route.ts";
import { WHY_PREFIX, why } from "./scheduling.ts";
import { warningHeaders } from "./warning-headers.ts";

export function createHandler(server: Server): Handler {
  return async (record) => {
    const { clock, metrics } = server;
    const started = clock.monotonic();
    const warnings: string[] = [];
    const over = metrics.begun(record.method === "GET" || record.method === "HEAD");
    let info: RequestInfo | undefined;
    let trail: Trail | undefined;
    let broken = false;
    let response: ResponseRecord;
    try {
      if (server.stopping.aborted) throw new ApiError("ServiceUnavailable", "the server is shutting down");
      const asked = infoOf(record);
      info = asked;
      trail = server.audit?.begin(record, asked);
      const work = () => answer(server, record, asked, warnings, trail);
      response = withWarnings(await withDeadline(clock, server.requestMs, record, asked, work), warnings);
    } catch (error) {
      broken = !(error instanceof ApiError);
      const told = render(failure(error, server.log), negotiateError(record), server.protobuf);
      response = withWarnings(told, warnings);
    }
    over();
    // Names that clients make up must not become labels.
    const row = info && server.resources.find(info.group, info.version, info.resource);
    const asked = series(record, info, row);
    const sized = metrics.answered(asked, response.status, (clock.monotonic() - started) / 1000);
    if (sized) response = { ...response, sized };
    return trail ? trail.answered(response, broken) : response;
  };
}

function series(
  { method, query, headers }: RequestRecord,
  info: RequestInfo | undefined,
  row: ResourceRow | undefined,
) {
  const apply = method === "PATCH" && (headers["content-type"] ?? "").startsWith("application/apply-patch");
  return { info, row, dryRun: method !== "GET" && query.has("dryRun"), apply };
}

async function answer(
  server: Server,
  record: RequestRecord,
  info: RequestInfo,
  warnings: string[],
  trail: Trail | undefined,
): Promise<ResponseRecord> {
  const starting = server.starting();
  const early = starting && HEALTH.test(record.path);
  if (starting && !early && !isMaster(record)) throw unready();
  const who = authenticated(server, record);
  const user = impersonate(who, record.headers, server.authorize);
  trail?.known(who, user);
  const attributes = attributesOf(user, info, record.query);
  const decision = early ? allow() : server.authorize(attributes);
  server.metrics.authorized(decision.kind);
  trail?.decided(attributes, decision);
  if (decision.kind !== "allow") throw forbidden(attributes, decision.reason);

  const exchange: Exchange = { server, record, info, user, attributes, warnings, annotate: trail?.annotate };
  const remote = server.aggregation.find(record.path);
  if (remote) return remote(exchange);
  if (!info.isResource) {
    const endpoint = endpointOf(info.path);
    if (!endpoint) throw nothingThere();
    if (!endpoint.methods.includes(record.method)) throw methodNotAllowed();
    return endpoint.serve(exchange);
  }
  const found = route(server, info);
  if (found.row.custom?.warning) warnings.push(found.row.custom.warning);
  const negotiated = negotiate(record, offerOf(server, found));
  const whole = { ...exchange, ...found, negotiated };
  const response = await (besideOf(record.path)?.step ?? found.step)(whole);
  return render(response, negotiated, server.protobuf);
}

/** Custom kinds have no protobuf form; their scale has one. */
function offerOf({ protobuf }: Server, { row, subresource, forms, info }: Route): Offer {
  const { group, version, kind } = subresource ?? row;
  return {
    forms,
    protobuf: () => protobuf.canWrite({ apiVersion: group === "" ? version : `${group}/${version}`, kind }),
    watch: info.verb === "watch",
  };
}

function authenticated({ authenticate, metrics }: Server, record: RequestRecord): User {
  try {
    const user = authenticate(record);
    metrics.authenticated("success", user.name);
    return user;
  } catch (error) {
    metrics.authenticated("error", "");
    throw error;
  }
}

/** Without roles nobody can be judged but administrators: refusing others would be a lie. */
function isMaster({ peer }: RequestRecord): boolean {
  return peer.kind !== "anonymous" && peer.groups.includes(MASTERS);
}

/** What everybody may see anyway: system:public-info-viewer. */
const HEALTH = /^\/(healthz|livez|readyz|version\/?)$/;

const unready = (): ApiError =>
  new ApiError("ServiceUnavailable", "the server is starting, please try again later", { retryAfterSeconds: 1 });

/** What is said of an object beside itself. */
const BESIDE = [
  { prefix: HISTORY_PREFIX, step: history },
  { prefix: WHY_PREFIX, step: why },
];

const besideOf = (path: string) => BESIDE.find(({ prefix }) => path.startsWith(prefix));

/** What is said beside an object is read as the object itself is: same path, same permission. */
function infoOf({ method, path, query }: RequestRecord): RequestInfo {
  const beside = besideOf(path);
  if (!beside) return parsePath(method, path, query);
  const info = parsePath(method, path.slice(beside.prefix.length - 1), query);
  const isObject = method === "GET" && info.isResource && info.verb === "get" && !info.subresource;
  // Anything else is a path of its own, at which there is nothing for those who may ask.
  return isObject ? info : parsePath(method, path, query);
}

export function attributesOf(user: User, info: RequestInfo, query: URLSearchParams): Attributes {
  const { verb, isResource, group, version, resource, subresource, namespace, name, path } = info;
  const fieldSelector = query.get("fieldSelector") ?? "";
  return { user, verb, isResource, group, version, resource, subresource, namespace, name, path, fieldSelector };
}

function withWarnings(response: ResponseRecord, warnings: readonly string[]): ResponseRecord {
  if (warnings.length === 0) return response;
  return { ...response, headers: { ...response.headers, warning: warningHeaders(warnings) } };
}
