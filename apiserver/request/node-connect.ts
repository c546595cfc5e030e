/**
 * Node connect: logs, exec, attach, port-forward and a node's proxy, carried through the node's tunnel.
 *
 * Here it is decided which Pod, container and node are meant; the bytes are apiserver/tunnel's matter.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { ApiError, badRequest, notFound } from "../../machinery/objects/status.ts";
import { forbidden } from "../auth/forbidden.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import type { Tunnels } from "../tunnel/contract.ts";
import { kubeletPath, type PodSubresource } from "../tunnel/kubelet-paths.ts";
import { proxyToNode } from "../tunnel/proxy.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { respondText } from "./respond.ts";

export const podLog: Step = async (exchange) => {
  checkLogOptions(exchange);
  const pod = await podOf(exchange);
  const container = containerOf(pod, exchange.record.query.get("container") ?? "");
  // Nothing has run yet, so there is nothing to read.
  if (!pod.spec?.nodeName) return respondText(200, "");
  return connect(exchange, pod, "log", container);
};

/** exec, attach and port-forward: a connection that leaves HTTP. */
export const podSession: Step = async (exchange) => {
  const { info, record } = exchange;
  mayCreate(exchange);
  if (!record.upgrade) throw badRequest("Upgrade request required");
  const pod = await podOf(exchange);
  const subresource = info.subresource as PodSubresource;
  const container = subresource === "portforward" ? "" : containerOf(pod, record.query.get("container") ?? "");
  if (!pod.spec?.nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  if (subresource === "exec" && !record.query.get("command"))
    throw badRequest("you must specify at least 1 command for the container");
  return connect(exchange, pod, subresource, container);
};

export const nodeProxy: Step = async (exchange) => {
  const { info, record, cache, row, server } = exchange;
  if (!(await cache.get({ name: info.name }))) throw notFound(qualified(row), info.name);
  const query = record.query.toString();
  const path = `/${info.rest.split("/").map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
  return proxyToNode(tunnelsOf(server), { node: info.name, path }, record);
};

/** A WebSocket begins with a GET, but what it does is no reading. */
export function mayCreate({ attributes, server }: ResourceExchange): void {
  if (attributes.verb !== "get") return;
  const asked = { ...attributes, verb: "create" };
  const decision = server.authorize(asked);
  if (decision.kind !== "allow") throw forbidden(asked, decision.reason);
}

async function podOf({ cache, info, row }: ResourceExchange): Promise<Pod> {
  const item = await cache.get({ namespace: info.namespace, name: info.name });
  if (!item) throw notFound(qualified(row), info.name);
  return item.object as unknown as Pod;
}

function connect({ server, record }: ResourceExchange, pod: Pod, subresource: PodSubresource, container: string) {
  const { namespace = "", name } = pod.metadata;
  const path = kubeletPath(subresource, { namespace, pod: name, container }, record.query);
  return proxyToNode(tunnelsOf(server), { node: pod.spec?.nodeName ?? "", path }, record);
}

export function tunnelsOf({ tunnels }: ResourceExchange["server"]): Tunnels {
  if (!tunnels) throw new ApiError("ServiceUnavailable", "this server takes no tunnels, so no node can be reached");
  return tunnels;
}

/** The container that is asked for, or the only one there is. */
function containerOf({ metadata, spec }: Pod, asked: string): string {
  const names = (list: readonly { name: string }[] | undefined) => (list ?? []).map(({ name }) => name);
  const containers = names(spec?.containers);
  const initial = names(spec?.initContainers);
  if (asked !== "") {
    if ([...containers, ...initial, ...names(spec?.ephemeralContainers)].includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${metadata.name}`);
  }
  if (containers.length === 1) return containers[0] ?? "";
  const also = initial.length > 0 ? ` or one of the init containers: [${initial.join(" ")}]` : "";
  throw badRequest(
    `a container name must be specified for pod ${metadata.name}, choose one of: [${containers.join(" ")}]${also}`,
  );
}

/** Option ► the least that it may be. */
const LOG_MINIMUM = { tailLines: 0, sinceSeconds: 1, limitBytes: 1 } as const;

function checkLogOptions({ record, info }: ResourceExchange): void {
  const { query } = record;
  const errors = new FieldErrors();
  for (const [name, least] of Object.entries(LOG_MINIMUM)) {
    const text = query.get(name);
    if (text === null || text === "") continue;
    if (!/^-?\d{1,18}$/.test(text))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    if (Number(text) < least) errors.invalid(name, Number(text), `must be greater than or equal to ${least}`);
  }
  if (query.get("sinceSeconds") && query.get("sinceTime"))
    errors.forbidden("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified");
  errors.throwIfAny("", "PodLogOptions", info.name);
}
