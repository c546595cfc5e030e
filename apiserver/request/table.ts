/**
 * Table and PartialObjectMetadata: the forms in which clients ask for less than the whole object.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
 */
import { badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { Negotiated } from "./negotiate.ts";

export type Include = "None" | "Metadata" | "Object";

const INCLUDES: readonly string[] = ["None", "Metadata", "Object"];

export function includeObjectOf(query: URLSearchParams): Include {
  const asked = query.get("includeObject") || "Metadata";
  if (INCLUDES.includes(asked)) return asked as Include;
  throw badRequest(`unable to convert object: unrecognized includeObject value: ${JSON.stringify(asked)}`);
}

interface ListParts {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly items: readonly KubeObject[];
}

export function tableOf(
  row: ResourceRow,
  { metadata, items }: ListParts,
  version: string,
  include: Include,
  now: number,
): Record<string, unknown> {
  return {
    ...tableHead(row, metadata, version),
    rows: items.map((object) => tableRow(row, object, version, include, now)),
  };
}

/** A Table without its rows. */
export function tableHead(row: ResourceRow, metadata: ListParts["metadata"], version: string): Record<string, unknown> {
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: row.columns.columns.map(({ name, type, format = "", description, priority }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
  };
}

export function tableRow(
  row: ResourceRow,
  object: KubeObject,
  version: string,
  include: Include,
  now: number,
): Record<string, unknown> {
  return {
    cells: row.columns.cells(object as StoredObject, now),
    ...(include === "None" ? {} : { object: include === "Object" ? object : metadataOf(object, version) }),
  };
}

export function metadataOf(object: KubeObject, version: string): Record<string, unknown> {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

export function metadataListOf({ metadata, items }: ListParts, version: string): Record<string, unknown> {
  return { ...metadataListHead(metadata, version), items: items.map((object) => metadataOf(object, version)) };
}

export function metadataListHead(metadata: ListParts["metadata"], version: string): Record<string, unknown> {
  return { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${version}`, metadata };
}

/** How one object is shown; undefined for the object itself. */
export function converted(
  row: ResourceRow,
  object: KubeObject,
  { as, version }: Negotiated,
  query: URLSearchParams,
  now: number,
): unknown {
  if (as === "metadata") return metadataOf(object, version);
  const { resourceVersion } = object.metadata;
  return tableOf(row, { metadata: { resourceVersion }, items: [object] }, version, includeObjectOf(query), now);
}
