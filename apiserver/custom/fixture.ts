/**
 * Fixture: definitions for tests. A server that has them: e2e/harness/custom-server.ts.
 */
export const DEFINITIONS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

type Json = Record<string, unknown>;

export interface DefineOptions {
  readonly group?: string;
  readonly kind?: string;
  readonly scope?: string;
  /** Of the only version, v1. */
  readonly schema?: Json;
  /** Besides name, schema, served and storage of that version. */
  readonly version?: Json;
  /** Instead of that version. */
  readonly versions?: readonly Json[];
  readonly spec?: Json;
  readonly annotations?: Record<string, string>;
}

/** A definition of the kind Thing in example.com. */
export function definition(options: DefineOptions = {}): Json {
  const { group = "example.com", kind = "Thing", scope = "Namespaced", version = {}, spec = {}, annotations } = options;
  const schema = {
    openAPIV3Schema: options.schema ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  };
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, ...(annotations ? { annotations } : {}) },
    spec: {
      group,
      scope,
      names: { plural, kind },
      versions: options.versions ?? [{ name: "v1", served: true, storage: true, schema, ...version }],
      ...spec,
    },
  };
}

export const versionOf = (name: string, schema: Json, more: Json = {}): Json => ({
  name,
  served: true,
  storage: false,
  schema: { openAPIV3Schema: schema },
  ...more,
});

/** A schema with these fields under spec. */
export const withSpec = (properties: Json, more: Json = {}): Json => ({
  type: "object",
  properties: { spec: { type: "object", properties, ...more } },
});
