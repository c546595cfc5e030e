/**
 * OpenAPI v3: one document for each group and version, found through an index of their addresses.
 *
 * kubectl reads it to explain kinds and to learn whether the server validates fields itself. Addresses carry the
 * document's hash, so that a client may keep it for good. Definitions are in openapi-schemas.ts.
 */
import type { ResourceRow } from "../resources/contract.ts";
import type { Operation, Parameter, PathItem } from "./openapi-operations.ts";
import { PRETTY } from "./openapi-operations.ts";
import { DIALECT_V3, type JsonSchema } from "./openapi-schemas.ts";
import { REASONS } from "./openapi-v2.ts";

/** The document without its paths and definitions. */
export function documentV3(version: string): JsonSchema {
  return { openapi: "3.0.0", info: { title: "Kubernetes", version } };
}

export const SECURITY_SCHEMES = {
  BearerToken: { type: "apiKey", description: "Bearer Token authentication", name: "authorization", in: "header" },
};

/** "api/v1", "apis/apps/v1": how the index names a document. */
export function documentName({ group, version }: Pick<ResourceRow, "group" | "version">): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

export function indexV3(hashes: ReadonlyMap<string, string>): JsonSchema {
  const entries = [...hashes].map(([name, hash]) => [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }]);
  return { paths: Object.fromEntries(entries) as JsonSchema };
}

export function pathItemV3(item: PathItem): JsonSchema {
  return {
    ...Object.fromEntries(item.operations.map((operation) => [operation.method, operationV3(operation)])),
    parameters: [...item.parameters.map((one) => parameterV3(one, "path")), parameterV3(PRETTY, "query")],
  };
}

const reference = (name: string): JsonSchema => ({ $ref: `${DIALECT_V3.definitions}${name}` });

function operationV3(operation: Operation): JsonSchema {
  const { body, answer } = operation;
  const content = (types: readonly string[], schema: JsonSchema) =>
    Object.fromEntries(types.map((type) => [type, { schema }]));
  const answered =
    answer === undefined
      ? content(["*/*"], { type: "string" })
      : content(["application/json", "application/yaml"], reference(answer));
  return {
    tags: [operation.tag],
    description: operation.description,
    operationId: operation.id,
    parameters: operation.query.map((one) => parameterV3(one, "query")),
    ...(body !== undefined && {
      requestBody: {
        content: content(operation.consumes, reference(body)),
        ...(operation.method !== "delete" && { required: true }),
      },
    }),
    responses: Object.fromEntries([
      ...operation.codes.map((code) => [String(code), { description: REASONS[code], content: answered }]),
      ["401", { description: "Unauthorized" }],
    ]) as JsonSchema,
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": operation.kind,
  };
}

function parameterV3({ name, type, description }: Parameter, place: "path" | "query"): JsonSchema {
  return {
    name,
    in: place,
    description,
    ...(place === "path" && { required: true }),
    schema: { type, uniqueItems: true },
  };
}
