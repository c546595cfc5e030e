/**
 * Selection: which objects the namespace in the path and the selectors in the query mean.
 *
 * What the cache indexes (namespace, name, node) is taken out of the field selector; the rest
 * becomes one predicate.
 */
import {
  exactValue,
  type FieldSelector,
  matchesFields,
  parseFieldSelector,
} from "../../machinery/objects/field-selectors.ts";
import {
  isEverything,
  matches as matchesLabels,
  parseLabelSelector,
  SelectorError,
} from "../../machinery/objects/selectors.ts";
import { badRequest } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Selection } from "../cache/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";

const NAME = "metadata.name";
const NAMESPACE = "metadata.namespace";
const NODE = "spec.nodeName";

export function selectionOf(row: ResourceRow, namespace: string, query: URLSearchParams): Selection {
  if (!query.has("labelSelector") && !query.has("fieldSelector")) return { namespace: namespace || undefined };
  const labels = parsed(() => parseLabelSelector(query.get("labelSelector") ?? ""));
  const fields = parsed(() => parseFieldSelector(query.get("fieldSelector") ?? ""));
  checkFields(row, fields);

  const name = exactValue(fields, NAME);
  const nodeName = exactValue(fields, NODE);
  const inField = exactValue(fields, NAMESPACE);
  const rest = fields.filter(({ field, operator, value }) => operator !== "=" || !indexed(field, value));
  const predicates = [
    ...(isEverything(labels) ? [] : [(object: StoredObject) => matchesLabels(labels, object.metadata.labels)]),
    ...(rest.length > 0 ? [(object: StoredObject) => matchesFields(rest, fieldReader(row, object))] : []),
  ];
  return {
    namespace: namespace || inField || undefined,
    name: name || undefined,
    nodeName: nodeName || undefined,
    matches: predicates.length === 0 ? undefined : (object) => predicates.every((holds) => holds(object)),
  };
}

/** An empty value is no key of an index: `spec.nodeName=` means Pods without a node. */
const indexed = (field: string, value: string): boolean => value !== "" && (field === NAME || field === NODE);

function fieldReader(row: ResourceRow, object: StoredObject): (field: string) => string {
  const own = row.strategy.selectableFields?.(object) ?? {};
  return (field) => {
    if (field === NAME) return object.metadata.name;
    if (field === NAMESPACE) return object.metadata.namespace ?? "";
    return own[field] ?? "";
  };
}

function checkFields(row: ResourceRow, fields: FieldSelector): void {
  if (fields.length === 0) return;
  const empty = { apiVersion: "", kind: row.kind, metadata: {}, spec: {}, status: {} };
  const own = row.strategy.selectableFields?.(empty) ?? {};
  for (const { field } of fields) {
    if (field === NAME || (field === NAMESPACE && row.namespaced) || Object.hasOwn(own, field)) continue;
    throw badRequest(`field label not supported: ${field}`);
  }
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}
