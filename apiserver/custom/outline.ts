/**
 * Outline: a definition without its schemas, as it is kept for all of them.
 *
 * Schemas are nearly all of a definition, and most are of kinds that nobody uses: schemas.ts reads them on demand.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { DefinedVersion, Definition } from "./contract.ts";

export type OutlinedVersion = Omit<DefinedVersion, "schema">;

/** Reads as a definition whose versions have no schemas. Shares what it keeps with the definition. */
export interface Outline extends Definition {
  readonly spec: Omit<Definition["spec"], "versions"> & { readonly versions: readonly OutlinedVersion[] };
}

export function outlineOf(object: StoredObject): Outline {
  const { apiVersion, kind, metadata, spec, status } = object as Definition;
  const { managedFields: _fields, annotations, ...kept } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { ...kept, ...(annotations ? { annotations: brief(annotations) } : {}) },
    spec: { ...spec, versions: spec.versions.map(({ schema: _schema, ...version }) => version) },
    ...(status ? { status } : {}),
  };
}

/** What clients keep about their last write there is as long as the definition. */
function brief(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([, value]) => value.length < 1_024));
}
