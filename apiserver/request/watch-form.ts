/**
 * Watch form: how events are shown to a watcher, and as which bytes: lines of JSON or frames of protobuf.
 *
 * One encoding serves all watchers of a form: the cache shares what has the same key. Errors are a Status in every form.
 */
import type { WatchEventType } from "../../machinery/client/transport/contract.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObject, Representation } from "../cache/contract.ts";
import type { Protobuf } from "../schema/protobuf.ts";
import type { ResourceExchange } from "./contract.ts";
import { MEDIA_TYPES } from "./negotiate.ts";
import { includeObjectOf, metadataOf, tableOf } from "./table.ts";

/** What a watch is answered as. */
export function watchContentType({ negotiated }: Pick<ResourceExchange, "negotiated">): string {
  const type = MEDIA_TYPES[negotiated.media];
  return negotiated.media === "json" ? type : `${type};stream=watch`;
}

/** Undefined for the objects themselves as JSON. */
export function watchRepresentation(exchange: ResourceExchange): Representation | undefined {
  const shown = shownAs(exchange);
  if (exchange.negotiated.media !== "protobuf") return shown;
  const { protobuf } = exchange.server;
  const { group, version, kind } = exchange.row;
  const type = { apiVersion: group === "" ? version : `${group}/${version}`, kind };
  if (shown) return inProtobuf(shown, protobuf);
  return { key: "protobuf", convert: (object) => object, encode: objectFrame(protobuf, type) };
}

function inProtobuf({ key, convert, first }: Representation, protobuf: Protobuf): Representation {
  const encode = frameOf(protobuf);
  return { key: `protobuf/${key}`, convert, encode, ...(first ? { first: inProtobuf(first, protobuf) } : {}) };
}

function shownAs({ row, negotiated, record, server }: ResourceExchange): Representation | undefined {
  const { as, version } = negotiated;
  if (as === "object") return undefined;
  if (as === "metadata")
    return {
      key: `metadata/${version}`,
      convert: (object, type) => (type === "ERROR" ? object : metadataOf(object, version)),
    };
  const include = includeObjectOf(record.query);
  const table = (columns: boolean) => (object: StoredObject, type: WatchEventType) => {
    if (type === "ERROR") return object;
    const { resourceVersion } = object.metadata;
    const items = type === "BOOKMARK" ? [] : [object];
    const whole = tableOf(row, { metadata: { resourceVersion }, items }, version, include, server.clock.now());
    return columns ? whole : { ...whole, columnDefinitions: null };
  };
  // as in Kubernetes, the columns are told once
  const key = `table/${version}/${include}`;
  return { key, convert: table(false), first: { key: `${key}/first`, convert: table(true) } };
}

const frameOf =
  (protobuf: Protobuf) =>
  (type: WatchEventType, shown: () => unknown): Uint8Array =>
    protobuf.watchFrame(type, protobuf.write(shown() as StoredObject));

/** From the bytes that the version keeps, so that watchers that begin with everything there is share them. */
const objectFrame =
  (protobuf: Protobuf, kind: { readonly apiVersion: string; readonly kind: string }) =>
  (type: WatchEventType, shown: () => unknown, source: CachedObject | undefined): Uint8Array => {
    if (!source) return frameOf(protobuf)(type, shown);
    return protobuf.watchFrame(type, protobuf.wrap(kind, source.encodedAs(protobuf.item)));
  };
