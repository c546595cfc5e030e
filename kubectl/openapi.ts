/**
 * OpenAPI: what the server publishes about its types, read as far as kubectl needs it.
 *
 * One document a group version, fetched at most once a run and only by commands that need it.
 * Static types are never used here: a resource that the server learnt yesterday works like any other.
 */
import type { Cluster } from "./cluster.ts";
import type { ResourceType } from "./discovery.ts";
import { CommandError } from "./errors.ts";

export interface OpenApiSchema {
  readonly $ref?: string;
  readonly allOf?: readonly OpenApiSchema[];
  readonly oneOf?: readonly OpenApiSchema[];
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly items?: OpenApiSchema;
  readonly additionalProperties?: OpenApiSchema | boolean;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly "x-kubernetes-patch-strategy"?: string;
  readonly "x-kubernetes-patch-merge-key"?: string;
  readonly "x-kubernetes-group-version-kind"?: readonly { group: string; version: string; kind: string }[];
}

interface OpenApiDocument {
  readonly paths?: Readonly<
    Record<string, Readonly<Record<string, { requestBody?: { content?: Readonly<Record<string, unknown>> } }>>>
  >;
  readonly components?: { readonly schemas?: Readonly<Record<string, OpenApiSchema>> };
}

export interface TypeSchema {
  readonly root: OpenApiSchema;
  /** Follows `$ref` and a single `allOf`; what stands beside the reference wins. */
  resolve(schema: OpenApiSchema | undefined): OpenApiSchema | undefined;
  /** What a reference names, without what stands beside it; undefined for what is no reference. */
  target(schema: OpenApiSchema | undefined): OpenApiSchema | undefined;
  /** The type's name where the schema is a reference: "PodSpec". */
  nameOf(schema: OpenApiSchema | undefined): string | undefined;
  /** Does the server take a strategic merge patch for it? */
  readonly strategic: boolean;
}

const STRATEGIC = "application/strategic-merge-patch+json";

/** Undefined where the server publishes nothing about the type. */
export async function schemaOf(cluster: Cluster, type: ResourceType): Promise<TypeSchema | undefined> {
  const place = type.group === "" ? `api/${type.version}` : `apis/${type.group}/${type.version}`;
  const index = await cluster.request<{ paths?: Record<string, { serverRelativeURL: string }> }>({
    method: "GET",
    path: "/openapi/v3",
  });
  const relative = index.paths?.[place]?.serverRelativeURL;
  if (relative === undefined) return undefined;
  const url = new URL(relative, "http://server");
  const document = await cluster.request<OpenApiDocument>({
    method: "GET",
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
  });
  const schemas = document.components?.schemas ?? {};
  const root = Object.values(schemas).find((schema) =>
    schema["x-kubernetes-group-version-kind"]?.some(
      (one) => one.group === type.group && one.version === type.version && one.kind === type.kind,
    ),
  );
  if (!root) return undefined;
  return { root, ...resolver(schemas), strategic: takesStrategic(document, type) };
}

function resolver(schemas: Readonly<Record<string, OpenApiSchema>>): Pick<TypeSchema, "resolve" | "target" | "nameOf"> {
  const reference = (schema: OpenApiSchema | undefined) => {
    const path = schema?.$ref ?? (schema?.allOf?.length === 1 ? schema.allOf[0]?.$ref : undefined);
    return path?.slice(path.lastIndexOf("/") + 1);
  };
  return {
    target: (schema) => schemas[reference(schema) ?? ""],
    nameOf: (schema) => reference(schema)?.split(".").at(-1),
    resolve: (schema) => {
      const name = reference(schema);
      if (name === undefined) return schema;
      const found = schemas[name];
      if (!found) throw new CommandError(`the server's OpenAPI names ${name} and does not describe it`);
      const { $ref: _ref, allOf: _allOf, ...beside } = schema!;
      return { ...found, ...beside };
    },
  };
}

function takesStrategic({ paths = {} }: OpenApiDocument, type: ResourceType): boolean {
  const end = `/${type.plural}/{name}`;
  const patches = Object.entries(paths).flatMap(([path, operations]) =>
    path.endsWith(end) && operations["patch"] ? [operations["patch"]] : [],
  );
  return patches.some(({ requestBody }) => Object.hasOwn(requestBody?.content ?? {}, STRATEGIC));
}
