/** kubectl explain: the fields of a type, out of the server's OpenAPI. */
import { defineCommand } from "../command.ts";
import { findType, type ResourceType } from "../discovery.ts";
import { CommandError, PlainError } from "../errors.ts";
import { type OpenApiSchema, schemaOf, type TypeSchema } from "../openapi.ts";

const WIDTH = 80;

export const explain = defineCommand({
  usage: "explain TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group] [options]",
  summary: "Describe fields and structure of various resources.",
  examples: ["kubectl explain pods", "kubectl explain pods.spec.containers", "kubectl explain deployment --recursive"],
  flags: {
    recursive: { type: "boolean", help: "When true, print the name of all the fields recursively." },
    "api-version": { type: "string", default: "", help: "Use given api-version (group/version) of the resource." },
    output: { type: "string", default: "plaintext", help: "Format in which to render the schema." },
  },
  async run({ args, flags, out, cluster }) {
    const [subject, ...more] = args;
    if (subject === undefined) {
      throw new CommandError(
        'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete list of supported resources.',
      );
    }
    if (more.length > 0) throw new CommandError("We accept only this format: explain RESOURCE");
    const opened = await cluster();
    const discovery = await opened.discovery();
    const { type, path } = subjectOf(
      subject,
      (text) => findType(discovery.resources, text),
      discovery.resources,
      flags["api-version"],
    );
    const schema = await schemaOf(opened, type);
    if (!schema)
      throw new CommandError(
        `Couldn't find resource for "${type.group ? `${type.group}/` : ""}${type.version}, Kind=${type.kind}"`,
      );
    out(header(type));
    out(render(schema, path, flags.recursive));
  },
});

function subjectOf(
  text: string,
  resolve: (text: string) => ResourceType | undefined,
  resources: readonly ResourceType[],
  apiVersion: string,
): { type: ResourceType; path: readonly string[] } {
  const parts = text.split(".");
  // "deployments.apps.spec" names a group as well; a field never has the name of a group of its type.
  for (let length = parts.length; length >= 1; length--) {
    const name = parts.slice(0, length).join(".");
    const found =
      length === 1 ||
      resources.some((one) => `${one.plural}.${one.group}` === name || `${one.singular}.${one.group}` === name);
    if (!found) continue;
    const type = resolve(name);
    if (!type) break;
    const path = parts.slice(length);
    if (apiVersion === "") return { type, path };
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    const other = resources.find((one) => one.plural === type.plural && one.version === version && one.group === group);
    if (!other) throw new CommandError(`couldn't find resource for "${apiVersion}, Kind=${type.kind}"`);
    return { type: other, path };
  }
  throw new PlainError(`the server doesn't have a resource type "${parts[0]}"`);
}

function header({ group, kind, version }: ResourceType): string {
  return `${group ? `GROUP:      ${group}\n` : ""}KIND:       ${kind}\nVERSION:    ${version}\n\n`;
}

function render(schema: TypeSchema, path: readonly string[], recursive: boolean): string {
  let here = schema.root;
  let field: OpenApiSchema | undefined;
  for (const name of path) {
    field = elementOf(here, schema).properties?.[name];
    if (!field) throw new CommandError(`field ${JSON.stringify(name)} does not exist`);
    here = schema.resolve(field)!;
  }
  const element = elementOf(here, schema);
  const properties = Object.keys(element.properties ?? {});
  const choices = here.enum?.length ? ["ENUM:", ...here.enum.map((value) => `    ${shownChoice(value)}`)] : [""];
  const lines = [
    ...(field ? [`FIELD: ${path.at(-1)} <${typeText(field, schema)}>`, ...choices, ""] : []),
    "DESCRIPTION:",
    ...wrapped(descriptionOf(here, element, schema.target(field)), 4),
    "    ",
    ...(properties.length > 0
      ? ["FIELDS:", ...(recursive ? tree(element, schema, 1, []) : fields(element, schema))]
      : []),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

const shownChoice = (value: unknown) => (value === "" ? '""' : String(value));

/** What a list or map holds, at the bottom; the schema itself otherwise. */
function elementOf(schema: OpenApiSchema, types: TypeSchema): OpenApiSchema {
  const { additionalProperties } = schema;
  const inner = schema.items ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  return inner && !schema.properties ? elementOf(types.resolve(inner)!, types) : schema;
}

/** The field's own words, then those of its type, then those of what a list holds. */
function descriptionOf(here: OpenApiSchema, element: OpenApiSchema, target: OpenApiSchema | undefined): string {
  const texts = [here.description, target?.description, element === here ? undefined : element.description];
  const [first, ...rest] = texts.filter((text) => text !== undefined && text !== "");
  return [first ?? "<empty>", ...rest.filter((text) => text !== first || target !== undefined)].join("\n");
}

function typeText(field: OpenApiSchema, types: TypeSchema): string {
  const resolved = types.resolve(field)!;
  const { items, additionalProperties, type, properties, oneOf } = resolved;
  if (items) return `[]${typeText(items, types)}`;
  if (typeof additionalProperties === "object") return `map[string]${typeText(additionalProperties, types)}`;
  const plain = type !== undefined && type !== "object" && !properties && !oneOf;
  return (plain ? type : types.nameOf(field)) ?? "Object";
}

const MOST_CHOICES = 4;

function enumText({ enum: values }: OpenApiSchema, indent: string): string {
  if (!values?.length) return "";
  const shown = values.slice(0, MOST_CHOICES).map(shownChoice).join(", ");
  return `\n${indent}enum: ${shown}${values.length > MOST_CHOICES ? ", ...." : ""}`;
}

function fields(element: OpenApiSchema, types: TypeSchema): string[] {
  const required = new Set(element.required ?? []);
  return sortedFields(element).flatMap(([name, field]) => {
    const resolved = types.resolve(field)!;
    const head = `  ${name}\t<${typeText(field, types)}>${required.has(name) ? " -required-" : ""}`;
    const choices = enumText(resolved, "  ");
    const text = field.description ?? resolved.description ?? "<no description>";
    return [`${head}${choices}`, ...wrapped(text, 4), ""];
  });
}

function sortedFields({ properties = {} }: OpenApiSchema): [string, OpenApiSchema][] {
  return Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1));
}

function tree(element: OpenApiSchema, types: TypeSchema, level: number, above: readonly OpenApiSchema[]): string[] {
  const required = new Set(element.required ?? []);
  return sortedFields(element).flatMap(([name, field]) => {
    const indent = "  ".repeat(level);
    const resolved = types.resolve(field)!;
    const head = `${indent}${name}\t<${typeText(field, types)}>${required.has(name) ? " -required-" : ""}${enumText(resolved, indent)}`;
    const inner = elementOf(resolved, types);
    const known = above.some((one) => one.properties === inner.properties);
    return inner.properties && !known ? [head, ...tree(inner, types, level + 1, [...above, inner])] : [head];
  });
}

/** Words on lines no longer than the width; a paragraph's own line breaks and double spaces stay. */
function wrapped(text: string, indent: number): string[] {
  const before = " ".repeat(indent);
  return text.split("\n").flatMap((paragraph) => {
    const lines: string[] = [];
    let line = "";
    for (const [, space = "", word = ""] of paragraph.trim().matchAll(/(\s*)(\S+)/g)) {
      if (line !== "" && indent + line.length + space.length + word.length > WIDTH) {
        lines.push(before + line);
        line = word;
      } else line += space + word;
    }
    return [...lines, line === "" ? "" : before + line];
  });
}
