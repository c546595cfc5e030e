/**
 * Schemas of custom kinds: read from the definition's bytes when they are first needed, kept while they are used.
 *
 * Beyond a bound the least lately used go, and everything that was worked out for them (rules, patterns: all kept
 * beside the schema object) with them. They are shared: never change them.
 */
import { limits } from "../../machinery/process/limits.ts";
import type { CachedObject } from "../cache/contract.ts";
import type { DefinedVersion, Definition, SchemaProps } from "./contract.ts";

/** The schemas of one definition. */
export interface SchemaSource {
  /** Undefined for a version that the definition does not have. */
  of(version: string): SchemaProps | undefined;
  /** Nobody needs them any more. */
  drop(): void;
}

export interface SchemaPool {
  source(definition: Pick<CachedObject, "glance" | "json">): SchemaSource;
  /** Bytes of the definitions whose schemas are kept. */
  readonly bytes: number;
}

interface Kept {
  readonly schemas: ReadonlyMap<string, SchemaProps>;
  readonly bytes: number;
}

const ANYTHING: SchemaProps = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

export const schemaOf = ({ schema }: Pick<DefinedVersion, "schema">): SchemaProps =>
  schema?.openAPIV3Schema ?? ANYTHING;

export function createSchemaPool(most: number = limits.usedSchemaBytes): SchemaPool {
  /** The least lately used first. */
  const used = new Map<SchemaSource, Kept>();
  let latest: SchemaSource | undefined;
  let bytes = 0;

  const drop = (source: SchemaSource): void => {
    bytes -= used.get(source)?.bytes ?? 0;
    used.delete(source);
    if (latest === source) latest = undefined;
  };

  const keep = (source: SchemaSource, kept: Kept): void => {
    used.set(source, kept);
    bytes += kept.bytes;
    for (const oldest of used.keys()) {
      if (bytes <= most || oldest === source) break;
      drop(oldest);
    }
  };

  const touch = (source: SchemaSource, kept: Kept): void => {
    if (latest === source) return;
    used.delete(source);
    used.set(source, kept);
    latest = source;
  };

  return {
    source(definition) {
      const source: SchemaSource = {
        of(version) {
          const known = used.get(source);
          if (known) touch(source, known);
          const kept = known ?? read(definition);
          if (!known) keep(source, kept);
          return kept.schemas.get(version);
        },
        drop: () => drop(source),
      };
      return source;
    },
    get bytes() {
      return bytes;
    },
  };
}

function read(definition: Pick<CachedObject, "glance" | "json">): Kept {
  const { spec } = definition.glance() as Definition;
  const schemas = new Map(spec.versions.map((version) => [version.name, schemaOf(version)]));
  return { schemas, bytes: definition.json().length };
}
