/**
 * Metrics API: get and list of metrics.k8s.io: what Nodes and Pods use, joined with the objects they are of.
 *
 * What is not there any more has no metrics, whatever its node still tells; and a Pod that does not run has none.
 * The figures: ../node-metrics.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { breather } from "../../machinery/loop/breathe.ts";
import { findCondition } from "../../machinery/objects/conditions.ts";
import { durationText } from "../../machinery/objects/duration.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { formatQuantity } from "../../machinery/objects/quantity.ts";
import { notFound } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { NodeRates, Rate } from "../node-metrics/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { ResourceExchange, Step } from "./contract.ts";
import { listSlices } from "./list-slices.ts";
import { MEDIA_TYPES } from "./negotiate.ts";
import { nothingThere } from "./refusals.ts";
import { respondObject } from "./respond.ts";
import { selectionOf } from "./selection.ts";
import { type Include, includeObjectOf, metadataListHead, metadataOf, tableHead, tableRow } from "./table.ts";

type Rates = ReadonlyMap<string, NodeRates>;

interface Kind {
  readonly resource: "nodes" | "pods";
  /** As Kubernetes' server of these metrics calls what it does not find. */
  readonly missing: (namespace: string, name: string) => Error;
  readonly measured: (object: StoredObject, rates: Rates) => Measurement | undefined;
}

interface Measurement {
  readonly at: number;
  readonly windowMs: number;
  readonly usage: Readonly<Record<string, unknown>>;
}

const kinds: Readonly<Record<string, Kind>> = {
  NodeMetrics: {
    resource: "nodes",
    missing: (_namespace, name) => notFound("nodemetrics.metrics.k8s.io", name),
    measured({ metadata }, rates) {
      const rate = rates.get(metadata.name)?.node;
      return rate && { at: rate.at, windowMs: rate.windowMs, usage: { usage: usageOf(rate) } };
    },
  },
  PodMetrics: {
    resource: "pods",
    missing: (namespace, name) => notFound("podmetrics.metrics.k8s.io", `${namespace}/${name}`),
    measured(object, rates) {
      const { metadata, spec, status } = object as Pod;
      if (status?.phase !== "Running") return undefined;
      const pod = rates.get(spec?.nodeName ?? "")?.pods.get(`${metadata.namespace}/${metadata.name}`);
      if (!pod) return undefined;
      const containers = [...pod.containers].map(([name, rate]) => ({ name, usage: usageOf(rate) }));
      return { at: pod.at, windowMs: pod.windowMs, usage: { containers } };
    },
  },
};

const usageOf = ({ cpuNanoCores, memoryBytes }: Rate) => ({
  cpu: formatQuantity({ nanos: BigInt(cpuNanoCores), format: "DecimalSI" }),
  memory: formatQuantity({ nanos: BigInt(Math.round(memoryBytes)) * 1_000_000_000n, format: "BinarySI" }),
});

export const getMetrics: Step = async (exchange) => {
  const { server, info, row, record } = exchange;
  if (row.namespaced && info.namespace === "") throw nothingThere();
  const { resource, missing, measured } = kindOf(exchange);
  const object = server.objects.get(resource, info.namespace, info.name);
  const found = object && measured(object, await server.nodeMetrics.read(record.signal));
  if (!object || !found) throw missing(info.namespace, info.name);
  return respondObject(exchange, { status: 200, object: metricsObject(exchange, object, found) });
};

export const listMetrics: Step = async (exchange): Promise<ResponseRecord> => {
  const { server, info, row, record, negotiated } = exchange;
  const { resource, measured } = kindOf(exchange);
  const selection = selectionOf(row, info.namespace, record.query);
  const rates = await server.nodeMetrics.read(record.signal);
  const measurements: { readonly object: StoredObject; readonly found: Measurement }[] = [];
  const breath = breather(server.clock);
  for (const object of server.objects.list(resource, selection.namespace ?? "")) {
    if (selection.name !== undefined && object.metadata.name !== selection.name) continue;
    if (selection.labels && !selection.labels(object.metadata.labels)) continue;
    if (selection.matches && !selection.matches(object)) continue;
    const found = measured(object, rates);
    if (found) measurements.push({ object, found });
    await breath();
  }
  const { as, version } = negotiated;
  const now = server.clock.now();
  const include = as === "table" ? includeObjectOf(record.query) : "None";
  const form = FORMS[as === "table" || as === "metadata" ? as : "object"];
  const head = form.head(row, version);
  const show = ({ object, found }: (typeof measurements)[number]) =>
    form.item(row, metricsObject(exchange, object, found), version, include, now);
  const value = () => ({ ...head, [form.field]: measurements.map(show) });
  const encoded = () => listSlices(head, form.field, measurements, show);
  return { status: 200, headers: { "content-type": MEDIA_TYPES.json }, body: { kind: "object", value, encoded } };
};

interface Form {
  readonly field: "items" | "rows";
  readonly head: (row: ResourceRow, version: string) => Record<string, unknown>;
  readonly item: (row: ResourceRow, object: KubeObject, version: string, include: Include, now: number) => unknown;
}

const FORMS: Readonly<Record<"object" | "table" | "metadata", Form>> = {
  object: {
    field: "items",
    head: (row) => ({ kind: row.listKind, apiVersion: `${row.group}/${row.version}`, metadata: {} }),
    item: (_row, object) => object,
  },
  table: { field: "rows", head: (row, version) => tableHead(row, {}, version), item: tableRow },
  metadata: {
    field: "items",
    head: (_row, version) => metadataListHead({}, version),
    item: (_row, object, version) => metadataOf(object, version),
  },
};

function kindOf({ row }: ResourceExchange): Kind {
  const kind = kinds[row.kind];
  if (!kind) throw nothingThere();
  return kind;
}

function metricsObject({ row, server }: ResourceExchange, of: StoredObject, found: Measurement): KubeObject {
  const { name, namespace, labels } = of.metadata;
  return {
    kind: row.kind,
    apiVersion: `${row.group}/${row.version}`,
    metadata: {
      name,
      ...(row.namespaced && { namespace }),
      creationTimestamp: wireTime(server.clock.now()),
      ...(labels && { labels }),
    },
    timestamp: wireTime(found.at),
    window: durationText(found.windowMs),
    ...found.usage,
  } as KubeObject;
}

/** Whom it makes sense to ask. */
export function readyNodes(objects: CachedObjects): string[] {
  const names: string[] = [];
  for (const node of objects.list("nodes", "")) {
    const { metadata, status } = node as Node;
    if (findCondition(status?.conditions, "Ready")?.status === "True") names.push(metadata.name);
  }
  return names;
}
