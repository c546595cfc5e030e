/**
 * OpenAPI v2: one document of all paths and definitions ("swagger"), as JSON or as protobuf.
 *
 * kubectl up to 1.26, and any version for client-side validation, reads the protobuf. The document is given in
 * entries, so that whoever writes it down can do so in slices: openapi.ts. The protobuf is in openapi-protobuf.ts.
 */
import type { Operation, Parameter, PathItem } from "./openapi-operations.ts";
import { PRETTY } from "./openapi-operations.ts";
import { DIALECT_V2, type JsonSchema } from "./openapi-schemas.ts";

/** The document without its paths and definitions. */
export function documentV2(version: string): JsonSchema {
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version },
    securityDefinitions: {
      BearerToken: { type: "apiKey", description: "Bearer Token authentication", name: "authorization", in: "header" },
    },
    security: [{ BearerToken: [] }],
  };
}

export function pathItemV2(item: PathItem): JsonSchema {
  return {
    ...Object.fromEntries(item.operations.map((operation) => [operation.method, operationV2(operation)])),
    parameters: [...item.parameters.map((one) => parameterV2(one, "path")), parameterV2(PRETTY, "query")],
  };
}

const reference = (name: string): JsonSchema => ({ $ref: `${DIALECT_V2.definitions}${name}` });

function operationV2(operation: Operation): JsonSchema {
  const { body, answer } = operation;
  const optional = operation.method === "delete";
  const schema = answer === undefined ? { type: "string" } : reference(answer);
  return {
    description: operation.description,
    consumes: operation.consumes,
    produces: answer === undefined ? ["*/*"] : ["application/json", "application/yaml"],
    schemes: ["https"],
    tags: [operation.tag],
    operationId: operation.id,
    parameters: [
      ...(body === undefined
        ? []
        : [{ in: "body", name: "body", ...(!optional && { required: true }), schema: reference(body) }]),
      ...operation.query.map((one) => parameterV2(one, "query")),
    ],
    responses: Object.fromEntries([
      ...operation.codes.map((code) => [String(code), { description: REASONS[code], schema }]),
      ["401", { description: "Unauthorized" }],
    ]) as JsonSchema,
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": operation.kind,
  };
}

export const REASONS: Readonly<Record<number, string>> = { 200: "OK", 201: "Created", 202: "Accepted" };

function parameterV2({ name, type, description }: Parameter, place: "path" | "query"): JsonSchema {
  return { uniqueItems: true, type, description, name, in: place, ...(place === "path" && { required: true }) };
}
