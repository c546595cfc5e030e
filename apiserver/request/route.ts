/**
 * Route: which step serves a resource request, by verb and subresource. Tables, no decisions.
 *
 * What the table of resources names but nobody has built answers 501, never something made up.
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { ResourceRow, SubresourceRow } from "../resources/contract.ts";
import type { ResourceExchange, Server, Step } from "./contract.ts";
import { create } from "./create.ts";
import { remove, removeCollection } from "./delete.ts";
import { getMetrics, listMetrics } from "./metrics-api.ts";
import type { Representation } from "./negotiate.ts";
import { patch } from "./patch.ts";
import type { RequestInfo } from "./path.ts";
import { get, list, watch } from "./read.ts";
import { methodNotAllowed, nothingThere } from "./refusals.ts";
import { createVirtual } from "./reviews.ts";
import { subresourceSteps } from "./subresources.ts";
import { update } from "./update.ts";

export interface Route extends Pick<ResourceExchange, "row" | "subresource" | "cache" | "info"> {
  readonly step: Step;
  /** Representations that the step can answer with. */
  readonly forms: readonly Representation[];
}

const steps: Readonly<Record<string, Step>> = {
  create,
  get,
  list,
  watch,
  update,
  patch,
  delete: remove,
  deletecollection: removeCollection,
};

const measuredSteps: Readonly<Record<string, Step>> = { get: getMetrics, list: listMetrics };

/** Verbs of single objects; the others are of collections. */
const NAMED: ReadonlySet<string> = new Set(["get", "update", "patch", "delete"]);
/** A list or watch may have the name that its field selector says. */
const SELECTING: ReadonlySet<string> = new Set(["list", "watch"]);

const FORMS: readonly Representation[] = ["table", "metadata"];
const PLAIN: readonly Representation[] = [];

export function route(server: Server, info: RequestInfo): Route {
  const row = server.resources.find(info.group, info.version, info.resource);
  if (!row) throw nothingThere();
  if (!row.namespaced && info.namespace !== "" && row.plural !== "namespaces") throw nothingThere();
  const namespace = row.namespaced ? info.namespace : "";
  const base = { row, cache: server.resources.cache(row), info: { ...info, namespace } };
  checkScope(row, base.info);

  if (info.subresource !== "") {
    const { subresource, step } = subresourceRoute(row, info);
    return { ...base, subresource, step, forms: info.subresource === "status" ? FORMS : PLAIN };
  }
  if (row.custom?.terminating && info.verb === "create")
    throw methodNotAllowed("create not allowed while custom resource definition is terminating");
  const step = (row.measured ? measuredSteps : steps)[info.verb];
  if (NAMED.has(info.verb) !== (info.name !== "") && !SELECTING.has(info.verb)) throw methodNotAllowed();
  if (!step || !(row.verbs as readonly string[]).includes(info.verb)) throw methodNotAllowed();
  return { ...base, subresource: undefined, step: row.virtual && !row.measured ? createVirtual : step, forms: FORMS };
}

/** Single objects of a namespaced kind are in a namespace; only lists and watches may look into all of them. */
function checkScope(row: ResourceRow, { namespace, verb, name }: RequestInfo): void {
  if (!row.namespaced || namespace !== "" || row.virtual) return;
  if (verb === "list" || verb === "watch") return;
  throw name === "" ? methodNotAllowed() : nothingThere();
}

function subresourceRoute(row: ResourceRow, info: RequestInfo): { subresource: SubresourceRow; step: Step } {
  const { subresource: name, verb } = info;
  const subresource = builtinSubresource(row, name) ?? row.subresources.find((one) => one.name === name);
  if (!subresource) throw nothingThere();
  const byVerb = subresourceSteps[`${row.plural}/${name}`] ?? subresourceSteps[name];
  if (!byVerb)
    throw new ApiError("NotImplemented", `the ${name} subresource of ${row.plural} is not built in this server`);
  const step = byVerb[verb];
  if (!step) throw methodNotAllowed();
  return { subresource, step };
}

/** status and scale are said by the row itself. */
function builtinSubresource(row: ResourceRow, name: string): SubresourceRow | undefined {
  const verbs = ["get", "patch", "update"] as const;
  if (name === "status" && row.hasStatus)
    return { name, group: row.group, version: row.version, kind: row.kind, verbs };
  if (name === "scale" && row.scale) return { name, group: "autoscaling", version: "v1", kind: "Scale", verbs };
  return undefined;
}
