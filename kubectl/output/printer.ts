/**
 * Printer: objects as `-o` asks for them. Tables of `get` are in table.ts.
 *
 * Several objects print as one List in yaml and json, one after the other in the other formats.
 */
import { readFile } from "node:fs/promises";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import { CommandError } from "../errors.ts";
import { columns } from "./columns.ts";
import { customHeader, customRow, parseCustomColumns, readCustomColumns } from "./custom-columns.ts";
import { compileTemplate } from "./jsonpath.ts";
import { ordered } from "./ordered.ts";

export interface Printer {
  /** Text of one object or List. */
  print(object: KubeObject): string;
  /** Text of one object of many, as a watch brings them. */
  printNext(object: KubeObject): string;
}

export interface PrinterOptions {
  readonly noHeaders?: boolean;
  readonly showManagedFields?: boolean;
}

const FORMATS = [
  "custom-columns",
  "custom-columns-file",
  "json",
  "jsonpath",
  "jsonpath-as-json",
  "jsonpath-file",
  "name",
  "wide",
  "yaml",
];

/** For "" and "wide" there is none: what prints then is up to the command. */
export async function createPrinter(output: string, options: PrinterOptions = {}): Promise<Printer> {
  const equals = output.indexOf("=");
  const format = equals < 0 ? output : output.slice(0, equals);
  const rest = equals < 0 ? "" : output.slice(equals + 1);
  const make = Object.hasOwn(makers, format) ? makers[format] : undefined;
  if (!make) {
    const known = FORMATS.join(",");
    throw new CommandError(
      `unable to match a printer suitable for the output format "${output}", allowed formats are: ${known}`,
    );
  }
  const printer = await make(rest, options);
  const prepared = (object: KubeObject) => (options.showManagedFields ? object : withoutManagedFields(object));
  return {
    print: (object) => printer.print(prepared(object)),
    printNext: (object) => printer.printNext(prepared(object)),
  };
}

type Maker = (rest: string, options: PrinterOptions) => Promise<Printer>;

const same = (print: (object: KubeObject) => string): Printer => ({ print, printNext: print });

const makers: Readonly<Record<string, Maker>> = {
  json: async () => same((object) => `${JSON.stringify(ordered(object), undefined, 4)}\n`),
  yaml: async () => {
    let first = true;
    return {
      print: (object) => writeYaml(object),
      printNext: (object) => {
        const text = writeYaml(object);
        const whole = first ? text : `---\n${text}`;
        first = false;
        return whole;
      },
    };
  },
  name: async () =>
    same((object) =>
      itemsOf(object)
        .map((item) => `${nameOf(item)}\n`)
        .join(""),
    ),
  jsonpath: async (rest) => same(compileTemplate(needed(rest))),
  "jsonpath-file": async (rest) => same(compileTemplate(await readFile(needed(rest), "utf8"))),
  "jsonpath-as-json": async (rest) => {
    const { compilePath } = await import("./jsonpath.ts");
    const values = compilePath(needed(rest));
    return same((object) => `${JSON.stringify(values(object), undefined, 4)}\n`);
  },
  "custom-columns": async (rest, options) => inColumns(parseCustomColumns(rest), options),
  "custom-columns-file": async (rest, options) => inColumns(await readCustomColumns(rest), options),
};

function inColumns(specs: ReturnType<typeof parseCustomColumns>, { noHeaders }: PrinterOptions): Printer {
  let headed = noHeaders === true;
  const print = (object: KubeObject) => {
    const rows = itemsOf(object).map((item) => customRow(specs, item));
    const text = columns(headed ? rows : [customHeader(specs), ...rows]);
    headed = true;
    return text;
  };
  return same(print);
}

function needed(rest: string): string {
  if (rest === "") throw new CommandError("template format specified but no template given");
  return rest;
}

export function itemsOf(object: KubeObject): readonly KubeObject[] {
  const items = object["items"];
  return Array.isArray(items) && object.kind.endsWith("List") ? (items as KubeObject[]) : [object];
}

/** "pod/web", "deployment.apps/web". */
export function nameOf({ apiVersion = "", kind = "", metadata }: KubeObject): string {
  const group = apiVersion.includes("/") ? `.${apiVersion.slice(0, apiVersion.indexOf("/"))}` : "";
  return `${kind.toLowerCase()}${group}/${metadata.name ?? ""}`;
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const items = object["items"];
  const clean = Array.isArray(items) ? { ...object, items: (items as KubeObject[]).map(withoutManagedFields) } : object;
  if (!clean.metadata || !("managedFields" in clean.metadata)) return clean;
  const { managedFields: _, ...metadata } = clean.metadata;
  return { ...clean, metadata };
}
