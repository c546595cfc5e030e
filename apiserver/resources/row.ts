/**
 * Rows: makes a row of the table out of what is particular to a kind.
 *
 * Every kind keeps the rules of ObjectMeta, so they are woven into its strategy here, once. What stays
 * unsaid gets the common value: all verbs, no scale, names like DNS subdomains.
 */
import { dns1123Subdomain, type Rule } from "../../machinery/objects/names.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { defaultColumns } from "./columns/column.ts";
import type { Columns, Part, ResourceRow, ScaleFields, StoredAs, Strategy, SubresourceRow, Verb } from "./contract.ts";
import { validateObjectMeta, validateObjectMetaParts, validateObjectMetaUpdate } from "./object-meta.ts";

/** In the order in which discovery names them. */
export const ALL_VERBS: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];

export interface RowParts {
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly cluster?: boolean;
  readonly verbs?: readonly Verb[];
  readonly status?: boolean;
  readonly scale?: ScaleFields;
  readonly subresources?: readonly SubresourceRow[];
  readonly columns?: Columns;
  readonly names?: Rule;
  readonly anyFinalizer?: boolean;
  /** Changes of what is desired count a generation. */
  readonly generation?: boolean;
  readonly storedOnly?: boolean;
  readonly virtual?: boolean;
  readonly storedAs?: StoredAs;
  /** A kind's strategy, typed by the kind: decoding has checked the shape before it runs. */
  readonly strategy?: Strategy<never>;
}

/** All kinds of one group and version. */
export function group(name: string, version: string): (kind: string, plural: string, parts?: RowParts) => ResourceRow {
  return (kind, plural, parts = {}) => ({
    group: name,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    shortNames: parts.short ?? [],
    categories: parts.categories ?? [],
    namespaced: !parts.cluster,
    verbs: parts.verbs ?? ALL_VERBS,
    hasStatus: parts.status ?? false,
    subresources: parts.subresources ?? [],
    columns: parts.columns ?? defaultColumns,
    strategy: withMeta(parts),
    ...(parts.scale && { scale: parts.scale }),
    ...(parts.virtual && { virtual: true }),
    ...(parts.storedOnly && { storedOnly: true }),
    ...(parts.storedAs && { storedAs: parts.storedAs }),
  });
}

function withMeta(parts: RowParts): Strategy {
  const own = (parts.strategy ?? {}) as Strategy as Strategy<KubeObject>;
  if (parts.virtual) return own;
  const rules = {
    namespaced: !parts.cluster,
    nameRule: parts.names ?? dns1123Subdomain,
    anyFinalizer: parts.anyFinalizer ?? false,
  };
  return {
    ...(parts.status && { prepareForCreate: emptyStatus }),
    ...own,
    ...(!parts.generation && { noGeneration: true }),
    validate(object, errors) {
      validateObjectMeta(object.metadata, rules, errors);
      own.validate?.(object, errors);
    },
    validateUpdate(object, old, errors) {
      validateObjectMetaUpdate(object, old, errors);
      own.validateUpdate?.(object, old, errors);
    },
    validateStatusUpdate(object, old, errors) {
      validateObjectMetaUpdate(object, old, errors);
      validateObjectMetaParts(object, rules, errors);
      own.validateStatusUpdate?.(object, old, errors);
    },
    ...(own.parts && { parts: partsWithMeta(own.parts) }),
  };
}

function partsWithMeta(parts: NonNullable<Strategy["parts"]>): NonNullable<Strategy["parts"]> {
  const woven = Object.entries(parts).map(([name, part]): [string, Part] => [
    name,
    {
      ...part,
      validateUpdate(object, old, errors) {
        validateObjectMetaUpdate(object, old, errors);
        part.validateUpdate(object, old, errors);
      },
    },
  ]);
  return Object.fromEntries(woven);
}

/** A creator does not say how the object is doing. */
function emptyStatus(object: KubeObject): void {
  object["status"] = {};
}

/** A subresource; its kind is "Kind", "v1 Kind" or "group/v1 Kind". */
export function subresource(name: string, kind: string, ...verbs: readonly Verb[]): SubresourceRow {
  const [apiVersion = "", type] = kind.includes(" ") ? kind.split(" ") : ["v1", kind];
  const [first = "", second] = apiVersion.split("/");
  return {
    name,
    group: second ? first : "",
    version: second ?? first,
    kind: type ?? "",
    verbs,
  };
}

export const replicaScale = (selector: string): ScaleFields => ({
  specReplicas: ".spec.replicas",
  statusReplicas: ".status.replicas",
  selector,
});
