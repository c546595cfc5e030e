/**
 * OpenAPI handler: answers requests under /openapi, with the caching that clients rely on.
 *
 * An address with the current hash may be kept for good; one with another hash is sent on to the current one.
 * What the documents say, and when they are built: openapi.ts.
 */
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { JSON_TYPE, type OpenApi, type OpenApiDocument, PROTOBUF_ALIAS, PROTOBUF_TYPE } from "./openapi.ts";

const V3 = "/openapi/v3";
const ONE_YEAR_S = 31_536_000;

type OpenApiRequest = Pick<RequestRecord, "path" | "query" | "headers">;

/** Undefined where there is no such document. Throws an ApiError where it exists in no form the client takes. */
export async function answerOpenApi(openApi: OpenApi, request: OpenApiRequest): Promise<ResponseRecord | undefined> {
  const path = request.path.replace(/\/$/, "");
  if (path === "/openapi/v2") return answer(await openApi.v2(formOf(request.headers["accept"])), request);
  if (path === V3) return answer(await openApi.v3Index(), request);
  if (!path.startsWith(`${V3}/`)) return undefined;

  const name = path.slice(V3.length + 1);
  checkV3(request.headers["accept"]);
  const document = await openApi.v3(name);
  if (!document) return undefined;
  const asked = request.query.get("hash");
  if (asked !== null && asked !== document.hash) {
    return { status: 301, headers: { location: `${V3}/${name}?hash=${document.hash}` }, body: { kind: "none" } };
  }
  return answer(
    document,
    request,
    asked === null ? {} : { "cache-control": `public, immutable, max-age=${ONE_YEAR_S}` },
  );
}

async function answer(
  document: OpenApiDocument,
  { headers }: OpenApiRequest,
  extra: Readonly<Record<string, string>> = {},
): Promise<ResponseRecord> {
  const etag = `"${document.hash}"`;
  const common = { etag, vary: "accept, accept-encoding", ...extra };
  if (headers["if-none-match"] === etag) return { status: 304, headers: common, body: { kind: "none" } };
  const packed = /\bgzip\b/.test(headers["accept-encoding"] ?? "");
  return {
    status: 200,
    headers: { ...common, "content-type": document.contentType, ...(packed && { "content-encoding": "gzip" }) },
    body: { kind: "bytes", bytes: packed ? document.gzip : await document.bytes() },
  };
}

const typesOf = (accept: string): string[] => accept.split(",").map((one) => one.split(";", 1)[0]!.trim());

const ANY_JSON: readonly string[] = ["", "*/*", "application/*", JSON_TYPE];

/** Documents of version 3 have one form; who asks for another alone has to know, and takes version 2. */
function checkV3(accept = ""): void {
  if (!typesOf(accept).some((type) => ANY_JSON.includes(type)))
    throw new ApiError("NotAcceptable", `only the following media types are accepted: ${JSON_TYPE}`);
}

/** The first type of the Accept header that there is; JSON where nothing is asked for. */
function formOf(accept = ""): "json" | "protobuf" {
  const types = typesOf(accept);
  for (const type of types) {
    if (type === PROTOBUF_TYPE || type === PROTOBUF_ALIAS) return "protobuf";
    if (ANY_JSON.includes(type)) return "json";
  }
  throw new ApiError("NotAcceptable", `only the following media types are accepted: ${JSON_TYPE}, ${PROTOBUF_TYPE}`);
}
