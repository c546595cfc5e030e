/**
 * OpenAPI service: builds the documents when somebody first asks, in slices, and keeps them compressed.
 *
 * Texts and definitions are megabytes while they are built and some hundred kilobytes after; a server that
 * nobody asks holds nothing. Who asks while a document is being built waits for that one build. `reset` when
 * the table of resources changed. The answers to requests: openapi-handler.ts.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Clock } from "../../machinery/process/clock.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { Descriptions, GroupVersionKind, Schema } from "./contract.ts";
import { META_PACKAGE } from "./facts.ts";
import { beside, type ForeignOpenApi, type ForeignV2 } from "./openapi-foreign.ts";
import { pathsOf } from "./openapi-operations.ts";
import { encodeEntries, encodeEntry, encodeMessage } from "./openapi-protobuf.ts";
import {
  DIALECT_V2,
  DIALECT_V3,
  type Dialect,
  definition,
  type JsonSchema,
  PATCH,
  reachable,
} from "./openapi-schemas.ts";
import { documentV2, pathItemV2 } from "./openapi-v2.ts";
import { documentName, documentV3, indexV3, pathItemV3, SECURITY_SCHEMES } from "./openapi-v3.ts";

export interface OpenApiDocument {
  readonly contentType: string;
  /** Of the content, in hexadecimal. */
  readonly hash: string;
  readonly gzip: Uint8Array;
  bytes(): Promise<Uint8Array>;
}

export interface OpenApi {
  v2(form: "json" | "protobuf"): Promise<OpenApiDocument>;
  v3Index(): Promise<OpenApiDocument>;
  /** `name` as in the index: "api/v1", "apis/apps/v1". */
  v3(name: string): Promise<OpenApiDocument | undefined>;
  /** Forgets all documents: the rows are others now. */
  reset(): void;
}

export interface OpenApiOptions {
  readonly schema: Schema;
  readonly rows: () => readonly ResourceRow[];
  /** "v1.36.0" */
  readonly version: string;
  readonly clock: Clock;
  /** What other servers behind this one say. */
  readonly foreign?: () => readonly ForeignOpenApi[];
}

export const JSON_TYPE = "application/json";
/** As answers name it; clients ask for it under this name, too, and under one that is no valid media type. */
export const PROTOBUF_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
export const PROTOBUF_ALIAS = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** Longest time that building may hold up everybody else. */
const SLICE_MS = 5;

export function createOpenApi(options: OpenApiOptions): OpenApi {
  const { schema, version, clock } = options;
  let built = new Map<string, Promise<unknown>>();
  /** Documents of version 3 whose rows may be the same after a reset. */
  const kept = new Map<string, { readonly rows: readonly ResourceRow[]; readonly document: OpenApiDocument }>();

  /** One build per key; a failed one is tried again by the next who asks. */
  function once<T>(key: string, build: () => Promise<T>): Promise<T> {
    const running = built.get(key) as Promise<T> | undefined;
    if (running) return running;
    const generation = built;
    const started = build();
    generation.set(key, started);
    started.catch(() => generation.delete(key));
    return started;
  }

  const v3Documents = () => once("v3", () => buildAllV3(options));

  /** Documents with other servers' parts, of which only the latest are kept. */
  let told = "";
  function onceWith<T>(key: string, others: readonly string[], build: () => Promise<T>): Promise<T> {
    const tag = others.join();
    if (tag !== told) for (const one of ["json", "protobuf", "index"]) built.delete(one);
    told = tag;
    return once(key, build);
  }

  const foreign = async () => {
    const all = (options.foreign?.() ?? []).map(async (one) => ({ one, hash: await one.hash() }));
    return (await Promise.all(all)).filter((found): found is { one: ForeignOpenApi; hash: string } => !!found.hash);
  };

  return {
    async v2(form) {
      const parts = (await Promise.all((options.foreign?.() ?? []).map((one) => one.v2()))).filter(
        (one) => one !== undefined,
      );
      const hashes = parts.map(({ hash }) => hash);
      return onceWith(form, hashes, () =>
        form === "json" ? buildV2Json(options, parts) : buildV2Protobuf(options, parts),
      );
    },
    async v3Index() {
      const others = await foreign();
      return onceWith(
        "index",
        others.map(({ hash }) => hash),
        async () => {
          const documents = await v3Documents();
          const hashes = new Map([...documents].map(([name, { hash }]) => [name, hash]));
          for (const { one, hash } of others) hashes.set(one.name, hash);
          return compressed([Buffer.from(JSON.stringify(indexV3(hashes)))], JSON_TYPE);
        },
      );
    },
    async v3(name) {
      const other = (await foreign()).find(({ one }) => one.name === name);
      if (!other) return (await v3Documents()).get(name);
      const text = await other.one.v3();
      return text === undefined ? undefined : { ...(await compressed([utf8(text)], JSON_TYPE)), hash: other.hash };
    },
    reset() {
      built = new Map();
    },
  };

  async function buildV2Json({ rows }: OpenApiOptions, others: readonly ForeignV2[]): Promise<OpenApiDocument> {
    const source = await sourceOf(rows(), DIALECT_V2);
    const paths = await inSlices(
      pathsOf(rows(), schema),
      jsonEntry((item) => item.path, pathItemV2),
    );
    const definitions = await inSlices(
      source.names,
      jsonEntry((name) => name, source.definition),
    );
    const entry = ([name, value]: readonly [string, JsonSchema]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`;
    paths.push(...(await inSlices(foreignPaths(others), entry)));
    definitions.push(...(await inSlices(foreignDefinitions(source.names, others), entry)));
    const head = JSON.stringify(documentV2(version)).slice(0, -1);
    return compressed(
      [`${head},"paths":{`, paths.join(","), '},"definitions":{', definitions.join(","), "}}"].map(utf8),
      JSON_TYPE,
    );
  }

  async function buildV2Protobuf({ rows }: OpenApiOptions, others: readonly ForeignV2[]): Promise<OpenApiDocument> {
    const source = await sourceOf(rows(), DIALECT_V2);
    const paths = await inSlices(pathsOf(rows(), schema), (item) =>
      encodeEntry("PathItem", item.path, pathItemV2(item)),
    );
    const definitions = await inSlices(source.names, (name) => encodeEntry("Schema", name, source.definition(name)));
    paths.push(...(await encodeForeign("PathItem", foreignPaths(others))));
    definitions.push(...(await encodeForeign("Schema", foreignDefinitions(source.names, others))));
    const { security: _security, ...head } = documentV2(version);
    const parts = [
      encodeMessage("Document", head),
      ...encodeEntries("paths", paths),
      ...encodeEntries("definitions", definitions),
    ];
    return compressed(parts, PROTOBUF_TYPE);
  }

  /** What has no place in the binary form is left out: it stands in the JSON. */
  async function encodeForeign(type: "PathItem" | "Schema", entries: readonly (readonly [string, JsonSchema])[]) {
    const encoded = await inSlices(entries, ([name, value]) => {
      try {
        return encodeEntry(type, name, value);
      } catch {
        return undefined;
      }
    });
    return encoded.filter((one) => one !== undefined);
  }

  async function buildAllV3({ rows }: OpenApiOptions): Promise<ReadonlyMap<string, OpenApiDocument>> {
    const descriptions = await schema.descriptions();
    const documents = new Map<string, OpenApiDocument>();
    for (const [name, group] of Map.groupBy(rows(), documentName)) {
      const known = kept.get(name);
      const same = known?.rows.length === group.length && group.every((row, at) => row === known.rows[at]);
      documents.set(name, same ? known.document : await buildV3(group, descriptions));
      kept.set(name, { rows: group, document: documents.get(name) as OpenApiDocument });
    }
    for (const name of kept.keys()) if (!documents.has(name)) kept.delete(name);
    return documents;
  }

  async function buildV3(rows: readonly ResourceRow[], descriptions: Descriptions): Promise<OpenApiDocument> {
    const source = await sourceOf(rows, DIALECT_V3, descriptions);
    const paths = await inSlices(
      pathsOf(rows, schema),
      jsonEntry((item) => item.path, pathItemV3),
    );
    const definitions = await inSlices(
      source.names,
      jsonEntry((name) => name, source.definition),
    );
    const head = JSON.stringify(documentV3(version)).slice(0, -1);
    const texts = [
      `${head},"paths":{`,
      paths.join(","),
      '},"components":{"schemas":{',
      definitions.join(","),
      `},"securitySchemes":${JSON.stringify(SECURITY_SCHEMES)}}}`,
    ];
    return compressed(texts.map(utf8), JSON_TYPE);
  }

  async function sourceOf(rows: readonly ResourceRow[], dialect: Dialect, known?: Descriptions) {
    const descriptions = known ?? (await schema.descriptions());
    const kindsOf = kindsServed(schema, rows);
    const customs = new Map(rows.flatMap(({ custom }) => (custom ? [[custom.openApiName, custom] as const] : [])));
    return {
      names: [...reachable(schema, rootsOf(rows, schema), customs)].sort(),
      definition: (name: string) =>
        customs.get(name)?.openApi(dialect) ?? definition(name, { schema, descriptions, dialect, kindsOf }),
    };
  }

  /** Maps items to parts, letting others run in between. */
  async function inSlices<T, R>(items: Iterable<T>, each: (item: T) => R): Promise<R[]> {
    const results: R[] = [];
    let since = clock.monotonic();
    for (const item of items) {
      results.push(each(item));
      if (clock.monotonic() - since < SLICE_MS) continue;
      await clock.sleep(0);
      since = clock.monotonic();
    }
    return results;
  }
}

const foreignPaths = (others: readonly ForeignV2[]) =>
  beside(
    [],
    others.map(({ paths }) => paths),
  );

const foreignDefinitions = (ours: readonly string[], others: readonly ForeignV2[]) =>
  beside(
    ours,
    others.map(({ definitions }) => definitions),
  );

const utf8 = (text: string): Uint8Array => Buffer.from(text);

function jsonEntry<T>(nameOf: (item: T) => string, render: (item: T) => JsonSchema): (item: T) => string {
  return (item) => `${JSON.stringify(nameOf(item))}:${JSON.stringify(render(item))}`;
}

/** Kinds that clients meet at every path: errors, options, watches, discovery. */
const META_ROOTS = ["Status", "DeleteOptions", "WatchEvent", "APIGroupList", "APIResourceList", "APIVersions"];
const IN_EVERY_GROUP: ReadonlySet<string> = new Set(["DeleteOptions", "WatchEvent"]);

function rootsOf(rows: readonly ResourceRow[], schema: Schema): string[] {
  const kinds = rows.flatMap(({ group, version, kind, listKind, verbs, scale, subresources, custom }) => [
    ...(custom ? [] : [{ group, version, kind }]),
    ...(verbs.includes("list") ? [{ group, version, kind: listKind }] : []),
    ...(scale ? [{ group: "autoscaling", version: "v1", kind: "Scale" }] : []),
    // Options of connections stand in the query of an operation: no document defines them.
    ...subresources.filter((one) => !one.kind.endsWith("Options")),
  ]);
  const names = kinds.map(({ group, version, kind }) => schema.kind(group, version, kind)?.name);
  const customs = rows.flatMap(({ custom }) => (custom ? [custom.openApiName] : []));
  return [
    ...names.filter((name) => name !== undefined),
    ...customs,
    ...META_ROOTS.map((kind) => `${META_PACKAGE}.${kind}`),
    PATCH,
  ];
}

/** Options and events are kinds of every group; Status and discovery only of core. */
function kindsServed(schema: Schema, rows: readonly ResourceRow[]): (message: string) => GroupVersionKind[] {
  const groups = new Map(rows.map(({ group, version }) => [`${group}/${version}`, { group, version }]));
  return (message) => {
    const own = schema.kindOf(message);
    if (own) return [{ group: own.group, kind: own.kind, version: own.version }];
    const kind = message.startsWith(`${META_PACKAGE}.`) ? message.slice(META_PACKAGE.length + 1) : "";
    if (IN_EVERY_GROUP.has(kind)) return [...groups.values()].map(({ group, version }) => ({ group, kind, version }));
    return META_ROOTS.includes(kind) || kind === "APIGroup" ? [{ group: "", kind, version: "v1" }] : [];
  };
}

const compress = promisify(gzip);
const decompress = promisify(gunzip);

async function compressed(parts: readonly Uint8Array[], contentType: string): Promise<OpenApiDocument> {
  const whole = Buffer.concat(parts);
  const hash = createHash("sha512").update(whole).digest("hex").toUpperCase();
  const packed = await compress(whole);
  return { contentType, hash, gzip: packed, bytes: () => decompress(packed) };
}
