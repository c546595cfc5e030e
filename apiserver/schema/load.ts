/**
 * Loading: the Schema of the built-in types, from facts/ (structure) and the published models (required, texts).
 *
 * It holds no descriptions, so that a server that nobody asks for OpenAPI stays small.
 * Where each part comes from: facts.ts, models.ts.
 */
import type { Logger } from "../../machinery/process/logging.ts";
import type { Descriptions, Field, GroupVersionKind, Message, Schema } from "./contract.ts";
import { CustomMessages } from "./custom-messages.ts";
import { type FactMessage, type Facts, META_PACKAGE, readFacts } from "./facts.ts";
import { metricMessages } from "./metric-messages.ts";
import { readModels, type Texts } from "./models.ts";

export interface LoadOptions {
  /** `homePaths(home).cache`; without it the models are read each time. */
  readonly cacheDir?: string;
  readonly log?: Logger;
}

export async function loadSchema(options: LoadOptions = {}): Promise<Schema> {
  const [facts, models] = await Promise.all([readFacts(), readModels(options)]);

  const known = new Set(Object.keys(models.required));
  const classes = new Map(facts.messages.map((fact) => [fact.name, classOf(fact, known)]));
  const requiredIn = (name: string): ReadonlySet<string> => new Set(models.required[classes.get(name) ?? ""]);
  const messages = new Map(facts.messages.map((fact) => [fact.name, message(fact, requiredIn(fact.name))]));
  const kinds = kindsOf(facts);
  const everywhere = new Map(
    facts.messages.filter(inEveryGroup).map((fact) => [fact.name.slice(META_PACKAGE.length + 1), fact.name]),
  );
  const names = new Map([...kinds].map(([key, name]) => [name, parseKey(key)]));

  const custom = new CustomMessages();
  for (const { kind, name, messages: parts } of metricMessages) custom.add(kind, name, () => parts);
  const find = (name: string) => messages.get(name) ?? custom.message(name);

  return {
    message: find,
    kind: (group, version, kind) =>
      find(
        kinds.get(keyOf(group, version, kind)) ?? everywhere.get(kind) ?? custom.nameOf(keyOf(group, version, kind)),
      ),
    messages: () => messages.values(),
    kindOf: (name) => names.get(name) ?? custom.kindOf(name),
    add: (kind, name, parts) => custom.add(kind, name, parts),
    descriptions: async () => describe(classes, await models.readTexts()),
  };
}

function message(fact: FactMessage, required: ReadonlySet<string>): Message {
  const fields = fact.fields.map((field): [string, Field] => [
    field.name,
    { ...field, required: required.has(field.name) },
  ]);
  return { name: fact.name, fields: new Map(fields), atomic: fact.atomic };
}

/** "V1Pod", or "CoreV1Event" where two groups have the name. Undefined for types that the models lack. */
function classOf({ name }: FactMessage, known: ReadonlySet<string>): string | undefined {
  const [group, version, kind] = name.split(".").slice(-3) as [string, string, string];
  const short = `${capital(version)}${kind}`;
  return [`${capital(group)}${short}`, short].find((candidate) => known.has(candidate));
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** "apps/v1/Deployment" ► message. */
function kindsOf(facts: Facts): Map<string, string> {
  const kinds = new Map<string, string>();
  for (const fact of facts.messages) {
    const groupVersion = facts.groupVersions[fact.package];
    if (groupVersion === undefined || !fact.typed) continue;
    const [group, version] = groupVersion.includes("/") ? groupVersion.split("/") : ["", groupVersion];
    kinds.set(keyOf(group!, version!, fact.name.slice(fact.package.length + 1)), fact.name);
  }
  return kinds;
}

/** Status, DeleteOptions and the like are registered in each group and version. */
function inEveryGroup(fact: FactMessage): boolean {
  return fact.package === META_PACKAGE && (fact.typed || fact.name.endsWith(".WatchEvent"));
}

const keyOf = (group: string, version: string, kind: string): string => `${group}/${version}/${kind}`;

function parseKey(key: string): GroupVersionKind {
  const [group, version, kind] = key.split("/") as [string, string, string];
  return { group, version, kind };
}

function describe(classes: ReadonlyMap<string, string | undefined>, texts: Texts): Descriptions {
  const text = (name: string, field: string): string => texts[classes.get(name) ?? ""]?.[field] ?? "";
  return {
    message: (name) => text(name, ""),
    field: (name, { name: field, type }) =>
      text(name, field.replace(/^\$/, "")) || (type.kind === "message" ? text(type.name, "") : ""),
  };
}
