/**
 * Registry: brings definitions into the table of resources and takes them out again.
 *
 * A definition is served while it is established. When what it says changes, its rows are replaced at once and their
 * watches end, so that clients begin anew under the new schema. Nothing is parsed or compiled before it is used.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { CachedObject } from "../cache/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { ResourceTable } from "../resources/table.ts";
import type { Schema } from "../schema/contract.ts";
import type { Decoders } from "../schema/decode.ts";
import { META_PACKAGE } from "../schema/facts.ts";
import type { WebhookClient } from "../webhooks/contract.ts";
import { type Converter, noConversion } from "./conversion.ts";
import { rowOf } from "./kind.ts";
import { listMessagesOf, messageName, messagesOf } from "./messages.ts";
import { isEstablished, isTerminating } from "./naming.ts";
import type { Outline } from "./outline.ts";
import { createSchemaPool, type SchemaSource } from "./schemas.ts";
import { createWebhookConverter } from "./webhook.ts";

export interface RegistryOptions {
  readonly table: ResourceTable;
  readonly schema: Schema;
  readonly decoders: Decoders;
  readonly clock: Clock;
  /** Stays the caller's. */
  readonly webhooks: WebhookClient;
  /** Called when rows came or went. */
  readonly changed: () => void;
  /** Called for what is not served any more in any version. */
  readonly gone: (resource: { readonly group: string; readonly plural: string }) => void;
}

export interface Registry {
  /** Takes the definition as it is now; `whole` is where its schemas are read when somebody needs them. */
  set(definition: Outline, whole: Pick<CachedObject, "glance" | "json">): void;
  remove(name: string): void;
  close(): void;
}

interface Entry {
  definition: Outline;
  readonly schemas: SchemaSource;
  readonly rows: readonly ResourceRow[];
  end(): void;
}

export function createRegistry(options: RegistryOptions): Registry {
  const { table, schema, decoders, clock, webhooks, changed, gone } = options;
  const entries = new Map<string, Entry>();

  const pool = createSchemaPool();

  const converterOf = ({ spec: { conversion } }: Outline): Converter =>
    conversion?.strategy === "Webhook" ? createWebhookConverter({ conversion, clock, webhooks }) : noConversion;

  const open = (definition: Outline, schemas: SchemaSource): Entry => {
    const stop = new AbortController();
    const converter = converterOf(definition);
    const decodeMeta = decoders(`${META_PACKAGE}.ObjectMeta`);
    const shared = {
      converter,
      decodeMeta,
      schemas,
      ended: stop.signal,
      terminating: () => isTerminating(entry.definition),
    };
    const { group, names, versions } = definition.spec;
    // built-in kinds come first: a definition cannot take their place
    const free = (version: string) =>
      !table.find(group, version, names.plural) && !table.ofKind(group, version, names.kind);
    const served = versions.filter((one) => one.served && free(one.name));
    const rows = served.map((version) => rowOf({ definition, version, ...shared }));
    const forget = served.flatMap((version) => {
      const kind = { group, version: version.name, kind: names.kind };
      const list = { ...kind, kind: names.listKind ?? `${names.kind}List` };
      const [name, listName] = [messageName(kind), messageName(list)];
      return [
        schema.add(kind, name, () => messagesOf(name, schemas.of(version.name)!)),
        schema.add(list, listName, () => listMessagesOf(listName, name)),
      ];
    });
    const entry: Entry = {
      definition,
      schemas,
      rows,
      end() {
        for (const one of forget) one();
        stop.abort();
        schemas.drop();
      },
    };
    return entry;
  };

  const remove = (name: string): void => {
    const entry = entries.get(name);
    if (!entry) return;
    entries.delete(name);
    for (const row of entry.rows) table.remove(row);
    entry.end();
    const [row] = entry.rows;
    if (row) gone(row);
    changed();
  };

  return {
    set(definition, whole) {
      const { name } = definition.metadata;
      const old = entries.get(name);
      if (!isEstablished(definition)) return remove(name);
      if (old && sameRows(old.definition, definition)) {
        const ending = isTerminating(definition) !== isTerminating(old.definition);
        old.definition = definition;
        if (ending) changed();
        return;
      }
      for (const row of old?.rows ?? []) table.remove(row);
      const entry = open(definition, pool.source(whole));
      entries.set(name, entry);
      for (const row of entry.rows) table.add(row);
      old?.end();
      changed();
    },
    remove,
    close() {
      for (const entry of entries.values()) entry.end();
      entries.clear();
    },
  };
}

/** A generation has one spec. */
const sameRows = (a: Outline, b: Outline): boolean =>
  a.metadata.uid === b.metadata.uid &&
  a.metadata.generation === b.metadata.generation &&
  equalJson(a.status?.acceptedNames, b.status?.acceptedNames);
