/**
 * Endpoints: what is served besides resources. One table, by exact path or by what a path begins with.
 *
 * Permission is checked before, by path, like everything else.
 */
import { createHash } from "node:crypto";
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ANSWERS_PATH, QUESTIONS_PATH } from "../../machinery/objects/scheduling.ts";
import { METRICS_TYPE } from "../../machinery/process/metrics.ts";
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from "../resources/discovery.ts";
import { answerOpenApi } from "../schema/openapi-handler.ts";
import { PEER_TUNNEL_PATH } from "../servers/peers.ts";
import type { Exchange } from "./contract.ts";
import { health } from "./health.ts";
import { ISSUER_PATH, issuerConfiguration, issuerKeys, KEYS_PATH } from "./issuer-discovery.ts";
import { MEDIA_TYPES, negotiate, type Offer } from "./negotiate.ts";
import { peerTunnel } from "./peer-tunnel.ts";
import { nothingThere } from "./refusals.ts";
import { render } from "./render.ts";
import { respondText, respondValue } from "./respond.ts";
import { nextQuestion, takeAnswer } from "./scheduling.ts";
import { tunnel } from "./tunnel.ts";
import { version } from "./version.ts";

export interface Endpoint {
  readonly methods: readonly string[];
  serve(exchange: Exchange): Promise<ResponseRecord> | ResponseRecord;
}

const reads = (serve: Endpoint["serve"]): Endpoint => ({ methods: ["GET", "HEAD"], serve });

const checks = reads(({ record, info, server }) => health(info.path, record.query, server.checks));

const exact: Readonly<Record<string, Endpoint>> = {
  "/": reads((exchange) => respondValue(200, { paths: knownPaths(exchange) })),
  "/version": reads(() => respondValue(200, version)),
  "/healthz": checks,
  "/livez": checks,
  "/readyz": checks,
  "/metrics": reads(async ({ server }) =>
    respondText(200, await server.metrics.text(server.resources, server.cache), METRICS_TYPE),
  ),
  "/api": reads((exchange) => discovery(exchange, "core")),
  "/apis": reads((exchange) => discovery(exchange, "groups")),
  [ISSUER_PATH]: reads(issuerConfiguration),
  [KEYS_PATH]: reads(issuerKeys),
  "/k8ts/v1/tunnel": { methods: ["GET"], serve: tunnel },
  [QUESTIONS_PATH]: { methods: ["GET"], serve: nextQuestion },
  [PEER_TUNNEL_PATH]: { methods: ["POST"], serve: peerTunnel },
};

/** Longest first where one begins with another. */
const prefixes: readonly (readonly [string, Endpoint])[] = [
  ["/healthz/", checks],
  ["/livez/", checks],
  ["/readyz/", checks],
  ["/api/", reads(resourceList)],
  ["/apis/", reads(resourceList)],
  ["/openapi/", reads(openApi)],
  [`${ANSWERS_PATH}/`, { methods: ["POST"], serve: takeAnswer }],
];

export function endpointOf(path: string): Endpoint | undefined {
  const plain = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  if (Object.hasOwn(exact, plain)) return exact[plain];
  return prefixes.find(([start]) => path.startsWith(start))?.[1];
}

function discovery({ record, server }: Exchange, api: "core" | "groups"): ResponseRecord {
  const { rows } = server.resources;
  const remotes = server.aggregation.versions();
  const negotiated = negotiate(record, { ...DOCUMENTS, forms: ["discovery"] });
  const { as, version: asked, media } = negotiated;
  if (as === "discovery") {
    const apiVersion = `apidiscovery.k8s.io/${asked}`;
    const value = { ...aggregatedDiscovery(rows, api, remotes), apiVersion };
    const response = withTag(record, render(respondValue(200, value), negotiated, server.protobuf));
    const type = `${MEDIA_TYPES[media]};g=apidiscovery.k8s.io;v=${asked};as=APIGroupDiscoveryList`;
    return { ...response, headers: { ...response.headers, "content-type": type, vary: "Accept" } };
  }
  const value = api === "core" ? apiVersions(rows, server.address) : apiGroupList(rows, remotes);
  return render(respondValue(200, value), negotiated, server.protobuf);
}

const DOCUMENTS: Offer = { forms: [], protobuf: () => true, watch: false };

/** A client that has the document already gets told so, without it. */
function withTag({ headers }: Exchange["record"], response: ResponseRecord): ResponseRecord {
  if (response.body.kind !== "object") return response;
  const bytes = Buffer.concat([...(response.body.encoded?.() ?? [Buffer.from(JSON.stringify(response.body.value()))])]);
  const etag = `"${createHash("sha512").update(bytes).digest("hex").toUpperCase()}"`;
  if (headers["if-none-match"] === etag) return { status: 304, headers: { etag }, body: { kind: "none" } };
  return { ...response, headers: { ...response.headers, etag } };
}

/** /api/v1, /apis/GROUP and /apis/GROUP/VERSION. */
function resourceList({ record, info, server }: Exchange): ResponseRecord {
  const { rows } = server.resources;
  const [root, first = "", second] = info.path.split("/").filter((part) => part !== "");
  const list =
    root === "api"
      ? apiResourceList(rows, "", first)
      : second === undefined
        ? apiGroup(rows, first, server.aggregation.versions())
        : apiResourceList(rows, first, second);
  if (!list) throw nothingThere();
  return render(respondValue(200, list), negotiate(record, DOCUMENTS), server.protobuf);
}

async function openApi({ record, server }: Exchange): Promise<ResponseRecord> {
  const response = await answerOpenApi(server.openApi, record);
  if (!response) throw nothingThere();
  return response;
}

function knownPaths({ server }: Exchange): string[] {
  const groups = new Set<string>();
  for (const { group, version: one } of [...server.resources.rows, ...server.aggregation.versions()]) {
    if (group === "") continue;
    groups.add(`/apis/${group}`);
    groups.add(`/apis/${group}/${one}`);
  }
  const checked = server.checks.map(({ name }) => `/readyz/${name}`);
  return [...Object.keys(exact), "/api/v1", "/openapi/v2", "/openapi/v3", ...groups, ...checked]
    .filter((path) => path !== "/")
    .sort();
}
