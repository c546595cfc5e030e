/**
 * Kind: one served version of a definition becomes a row of the table of resources.
 *
 * From here on the generic code knows the kind like any other; what is particular is in the row's strategy and in
 * its `custom` part.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { ResourceCache } from "../cache/contract.ts";
import type { CustomKind, ResourceRow, ScaleFields, Strategy, Verb } from "../resources/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { validateObjectMeta, validateObjectMetaUpdate } from "../resources/object-meta.ts";
import { ALL_VERBS } from "../resources/row.ts";
import type { Decoded } from "../schema/contract.ts";
import type { Decoder } from "../schema/decode.ts";
import { columnsOf } from "./columns.ts";
import type { SchemaProps } from "./contract.ts";
import type { Converter } from "./conversion.ts";
import { applyDefaults, dropNulls } from "./defaults.ts";
import { validateLists } from "./list-types.ts";
import { messageName } from "./messages.ts";
import { decodeEmbedded, validateEmbedded } from "./object-meta.ts";
import { openApiOf } from "./openapi.ts";
import type { Outline, OutlinedVersion } from "./outline.ts";
import { pathKeys, valueAt } from "./paths.ts";
import { prune } from "./prune.ts";
import { validateRules } from "./rules.ts";
import { validateScale } from "./scale-rules.ts";
import type { SchemaSource } from "./schemas.ts";
import { NOTHING, validateValue } from "./validate.ts";
import { deprecationOf } from "./versions.ts";
import { createView } from "./view.ts";

export interface KindParts {
  readonly definition: Outline;
  readonly version: OutlinedVersion;
  readonly schemas: SchemaSource;
  readonly converter: Converter;
  /** Of ObjectMeta. */
  readonly decodeMeta: Decoder;
  readonly ended: AbortSignal;
  readonly terminating: () => boolean;
}

/** What may be done while the definition is being deleted: controllers must be able to let their objects go. */
const LAST_VERBS: readonly Verb[] = ALL_VERBS.filter((verb) => verb !== "create");

export function rowOf(parts: KindParts): ResourceRow {
  const { definition, version, terminating } = parts;
  const { group, names, scope } = definition.spec;
  const accepted = definition.status?.acceptedNames ?? names;
  const scale = version.subresources?.scale;
  return {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: accepted.singular ?? names.kind.toLowerCase(),
    shortNames: accepted.shortNames ?? [],
    categories: accepted.categories ?? [],
    namespaced: scope === "Namespaced",
    get verbs() {
      return terminating() ? LAST_VERBS : ALL_VERBS;
    },
    hasStatus: version.subresources?.status !== undefined,
    ...(scale ? { scale: scaleFields(scale) } : {}),
    subresources: [],
    columns: columnsOf(version.additionalPrinterColumns),
    strategy: strategyOf(parts),
    custom: customOf(parts),
  };
}

function scaleFields(scale: {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}): ScaleFields {
  return {
    specReplicas: scale.specReplicasPath,
    statusReplicas: scale.statusReplicasPath,
    selector: scale.labelSelectorPath ?? "",
  };
}

/** The schema of the row's version: asked for again at each use, so that one that nobody uses can go. */
const schemaFor =
  ({ schemas, version }: KindParts): (() => SchemaProps) =>
  () =>
    schemas.of(version.name)!;

function customOf(parts: KindParts): CustomKind {
  const { definition, version, converter, decodeMeta, schemas, ended, terminating } = parts;
  const { group, names, versions } = definition.spec;
  const schema = schemaFor(parts);
  const published = { group, version: version.name, kind: names.kind };
  const storage = versions.find((one) => one.storage) ?? version;
  const versionNames = new Map(versions.map(({ name }) => [`${group}/${name}`, name]));
  return {
    definition: definition.metadata.name,
    storageVersion: storage.name,
    warning: deprecationOf(definition.spec, version),
    get terminating() {
      return terminating();
    },
    openApiName: messageName(published),
    openApi: (dialect) => openApiOf(schema(), published, dialect),
    decode: (value) => decode(value, schema(), decodeMeta),
    async convert(object) {
      const [converted] = await converter.convert([object], `${group}/${version.name}`);
      return converted ?? object;
    },
    view: (stored: ResourceCache) =>
      createView({
        stored,
        apiVersion: `${group}/${version.name}`,
        storedApiVersion: `${group}/${storage.name}`,
        listKind: names.listKind ?? `${names.kind}List`,
        schemaOf: (apiVersion) => {
          const name = versionNames.get(apiVersion);
          return name === undefined ? undefined : schemas.of(name);
        },
        converter,
        ended,
      }),
  };
}

function decode(value: Record<string, unknown>, schema: SchemaProps, decodeMeta: Decoder): Decoded<KubeObject> {
  const unknown: string[] = [];
  if (value["metadata"] === null) delete value["metadata"];
  if (value["metadata"] !== undefined) {
    const metadata = decodeMeta(value["metadata"]);
    value["metadata"] = metadata.value;
    unknown.push(...metadata.unknown.map((field) => `metadata.${field}`));
  }
  decodeEmbedded(value, schema, decodeMeta, unknown);
  const pruned = prune(value, schema, true);
  applyDefaults(value, schema);
  dropNulls(value, schema);
  return { value: value as unknown as KubeObject, unknown: [...unknown, ...pruned.unknown] };
}

function strategyOf(parts: KindParts): Strategy {
  const { definition, version } = parts;
  const schemaNow = schemaFor(parts);
  const namespaced = definition.spec.scope === "Namespaced";
  const hasStatus = version.subresources?.status !== undefined;
  const scale = version.subresources?.scale;
  const check = (object: KubeObject, old: KubeObject | typeof NOTHING, errors: FieldErrors) => {
    const found = new FieldErrors();
    const schema = schemaNow();
    validateEmbedded(object, schema, found);
    validateValue(object, schema, old, found);
    validateLists(object, old === NOTHING ? undefined : old, schema, found);
    if (scale) validateScale(object, scale, found);
    // rules may rely on the types that the schema says
    if (found.empty) validateRules(object, old, schema, found);
    errors.take(found);
  };
  const update = (object: KubeObject, old: KubeObject, errors: FieldErrors) => {
    validateObjectMetaUpdate(object, old, errors);
    check(object, old, errors);
  };
  const selectable = selectableOf(version);
  return {
    allowUnconditionalUpdate: false,
    defaults: (object) => void applyDefaults(object, schemaNow()),
    ...(hasStatus
      ? { prepareForCreate: dropStatus, prepareForStatusUpdate: keepMetadata }
      : { prepareForUpdate: countStatus }),
    validate: (object, errors) =>
      validateObjectMeta(object.metadata, { namespaced, nameRule: dns1123Subdomain, anyFinalizer: true }, errors),
    validateCreate: (object, errors) => check(object, NOTHING, errors),
    validateUpdate: update,
    validateStatusUpdate: update,
    ...(selectable ? { selectableFields: selectable } : {}),
  };
}

function dropStatus(object: KubeObject): void {
  delete object["status"];
}

/** A status update changes status and nothing of the metadata. */
function keepMetadata(object: KubeObject, old: KubeObject): void {
  const { managedFields } = object.metadata;
  const { resourceVersion: _version, managedFields: _fields, ...kept } = old.metadata;
  object.metadata = { ...structuredClone(kept), ...(managedFields ? { managedFields } : {}) };
}

/** Without the subresource, status is a field like the others: its change is a new generation. */
function countStatus(object: KubeObject, old: KubeObject): void {
  if (old.metadata.generation === undefined || equalJson(object["status"], old["status"])) return;
  object.metadata.generation = old.metadata.generation + 1;
}

function selectableOf({ selectableFields }: OutlinedVersion): Strategy["selectableFields"] {
  if (!selectableFields?.length) return undefined;
  const fields = selectableFields.map(({ jsonPath }) => [jsonPath.replace(/^\./, ""), pathKeys(jsonPath)] as const);
  return (object) => Object.fromEntries(fields.map(([name, keys]) => [name, textAt(object, keys)]));
}

function textAt(object: KubeObject, keys: readonly string[]): string {
  const value = valueAt(object, keys);
  return value === undefined || value === null ? "" : String(value);
}
