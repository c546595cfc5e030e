/**
 * Selection: which objects the namespace in the path and the selectors in the query mean.
 *
 * What the cache indexes (namespace, name, node) is taken out of the field selector; labels and the kind's own
 * fields are asked apart, since the cache keeps both at hand.
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

  const name = exactValue(fields, NAME) || undefined;
  const nodeName = exactValue(fields, NODE) || undefined;
  const within = namespace || exactValue(fields, NAMESPACE) || undefined;
  const indexed: Readonly<Record<string, string | undefined>> = {
    [NAME]: name,
    [NODE]: nodeName,
    [NAMESPACE]: within,
  };
  // An empty value is no key of an index: `spec.nodeName=` means Pods without a node.
  const rest = fields.filter(({ field, operator, value }) => operator !== "=" || value !== (indexed[field] ?? null));
  const ofMetadata = rest.filter(({ field }) => field === NAME || field === NAMESPACE);
  const own = rest.filter((one) => !ofMetadata.includes(one));
  const { selectableFields } = row.strategy;
  return {
    namespace: within,
    name,
    nodeName,
    labels: isEverything(labels) ? undefined : (of) => matchesLabels(labels, of),
    fields:
      own.length > 0 && selectableFields
        ? { of: selectableFields, matches: (values) => matchesFields(own, (field) => values[field] ?? "") }
        : undefined,
    matches: ofMetadata.length > 0 ? (object) => matchesFields(ofMetadata, metadataReader(object)) : undefined,
    key: `${row.version}\n${query.get("labelSelector") ?? ""}\n${query.get("fieldSelector") ?? ""}`,
  };
}

const metadataReader =
  ({ metadata }: StoredObject) =>
  (field: string): string =>
    (field === NAME ? metadata.name : metadata.namespace) ?? "";

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
