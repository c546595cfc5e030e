/**
 * Columns: what `kubectl get` shows of a custom kind: its name, what the definition's columns find, else its age.
 *
 * A path that finds nothing or something of another type is an empty cell, never an error.
 */

import { age } from "../../machinery/objects/duration.ts";
import { isBigInteger } from "../../machinery/objects/json.ts";
import { compilePath, textOf } from "../../machinery/objects/jsonpath.ts";
import { JsonPathError } from "../../machinery/objects/jsonpath-parse.ts";
import { nameColumn } from "../resources/columns/column.ts";
import type { Column, Columns } from "../resources/contract.ts";
import type { PrinterColumn } from "./contract.ts";

const AGE: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since creation",
  jsonPath: ".metadata.creationTimestamp",
};

type Find = (object: unknown) => readonly unknown[];

/** Paths are compiled when somebody first asks for a table. */
export function columnsOf(defined: readonly PrinterColumn[] | undefined): Columns {
  const own = defined?.length ? defined : [AGE];
  let finds: readonly Find[] | undefined;
  const { cell: _, ...name } = nameColumn;
  return {
    columns: [name, ...own.map(column)],
    cells(object, now) {
      finds ??= own.map(({ jsonPath }) => compilePath(jsonPath));
      return [object.metadata.name, ...finds.map((find, at) => cell(own[at]!.type, found(find, object), now))];
    },
  };
}

function column({ name, type, format, description, priority = 0, jsonPath }: PrinterColumn): Column {
  return {
    name,
    type: type as Column["type"],
    ...(format ? { format } : {}),
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority,
  };
}

function found(find: Find, object: unknown): unknown {
  try {
    return find(object)[0];
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

function cell(type: string, value: unknown, now: number): unknown {
  if (value === undefined || value === null) return null;
  switch (type) {
    case "string":
      return textOf(value);
    case "integer":
      return isBigInteger(value) ? value : typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      return isBigInteger(value) || typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      if (typeof value !== "string") return null;
      return Number.isNaN(Date.parse(value)) ? "<invalid>" : age(value, now);
    default:
      return null;
  }
}

/** What is wrong with a path; undefined for a good one. */
export function pathProblem(jsonPath: string): string | undefined {
  try {
    compilePath(jsonPath);
    return undefined;
  } catch (error) {
    if (error instanceof JsonPathError) return error.message;
    throw error;
  }
}
