/**
 * Handler: the pipeline as one function. Every request, whatever its transport, takes this way:
 *
 *   parse the path ► authenticate ► authorize ► route to a step ► the step's own decode, admit, store
 *
 * It never rejects: whatever goes wrong becomes a Status response (failure.ts).
 */
import type { Handler, RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { impersonate } from "../auth/authenticate.ts";
import { type Attributes, allow, MASTERS, type User } from "../auth/contract.ts";
import { forbidden } from "../auth/forbidden.ts";
import type { Exchange, Server } from "./contract.ts";
import { withDeadline } from "./deadline.ts";
import { endpointOf } from "./endpoints.ts";
import { failure } from "./failure.ts";
import { HISTORY_PREFIX, history } from "./history.ts";
import { negotiate } from "./negotiate.ts";
import { parsePath, type RequestInfo } from "./path.ts";
import { methodNotAllowed, nothingThere } from "./refusals.ts";
import { route } from "./route.ts";

export function createHandler(server: Server): Handler {
  return async (record) => {
    const started = server.clock.monotonic();
    const warnings: string[] = [];
    let info: RequestInfo | undefined;
    let response: ResponseRecord;
    try {
      if (server.stopping.aborted) throw new ApiError("ServiceUnavailable", "the server is shutting down");
      const asked = infoOf(record);
      info = asked;
      const work = () => answer(server, record, asked, warnings);
      response = withWarnings(await withDeadline(server.clock, record, asked, work), warnings);
    } catch (error) {
      response = withWarnings(failure(error, server.log), warnings);
    }
    const seconds = (server.clock.monotonic() - started) / 1000;
    // Names that clients make up must not become labels.
    const known = info && server.resources.find(info.group, info.version, info.resource);
    server.metrics.request(info?.verb ?? "", known?.plural ?? "", response.status, seconds);
    return response;
  };
}

async function answer(
  server: Server,
  record: RequestRecord,
  info: RequestInfo,
  warnings: string[],
): Promise<ResponseRecord> {
  const starting = server.starting();
  const early = starting && HEALTH.test(record.path);
  if (starting && !early && !isMaster(record)) throw unready();
  const user = impersonate(server.authenticate(record), record.headers, server.authorize);
  const attributes = attributesOf(user, info, record.query);
  const decision = early ? allow() : server.authorize(attributes);
  if (decision.kind !== "allow") throw forbidden(attributes, decision.reason);

  const exchange: Exchange = { server, record, info, user, attributes, warnings };
  if (!info.isResource) {
    const endpoint = endpointOf(info.path);
    if (!endpoint) throw nothingThere();
    if (!endpoint.methods.includes(record.method)) throw methodNotAllowed();
    return endpoint.serve(exchange);
  }
  const found = route(server, info);
  const whole = { ...exchange, ...found, negotiated: negotiate(record.headers.accept, found.forms) };
  return record.path.startsWith(HISTORY_PREFIX) ? history(whole) : found.step(whole);
}

/** Without roles nobody can be judged but administrators: refusing others would be a lie. */
function isMaster({ peer }: RequestRecord): boolean {
  return peer.kind !== "anonymous" && peer.groups.includes(MASTERS);
}

/** What everybody may see anyway: system:public-info-viewer. */
const HEALTH = /^\/(healthz|livez|readyz|version\/?)$/;

const unready = (): ApiError =>
  new ApiError("ServiceUnavailable", "the server is starting, please try again later", { retryAfterSeconds: 1 });

/** The history of an object is read as the object itself is: same path, same permission. */
function infoOf({ method, path, query }: RequestRecord): RequestInfo {
  if (!path.startsWith(HISTORY_PREFIX)) return parsePath(method, path, query);
  const info = parsePath(method, path.slice(HISTORY_PREFIX.length - 1), query);
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
  const texts = [...new Set(warnings)].map((text) => `299 - ${JSON.stringify(text)}`);
  return { ...response, headers: { ...response.headers, warning: texts } };
}
