/** --sort-by: orders by the value of a path: numbers and quantities by size, text as people count, times by age. */
import { parseQuantity } from "../../machinery/objects/quantity.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { CommandError } from "../errors.ts";
import { compilePath } from "./jsonpath.ts";
import type { TableRow } from "./table.ts";

export function sortObjects(objects: readonly KubeObject[], by: string): readonly KubeObject[] {
  return sorted(objects, by, (object) => object);
}

export function sortRows(rows: readonly TableRow[], by: string): readonly TableRow[] {
  return sorted(rows, by, ({ object }) => object);
}

function sorted<T>(items: readonly T[], by: string, objectOf: (item: T) => unknown): readonly T[] {
  if (by === "" || items.length === 0) return items;
  const values = compilePath(by);
  const keyed = items.map((item) => ({ item, key: values(objectOf(item))[0] }));
  if (keyed.every(({ key }) => key === undefined)) {
    throw new CommandError(
      `couldn't find any field with path ${JSON.stringify(by.startsWith("{") ? by : `{${by}}`)} in the list of objects`,
    );
  }
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ item }) => item);
}

const QUANTITY = /^[+-]?\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?$/;

function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [one, other] = [String(a), String(b)];
  if (QUANTITY.test(one) && QUANTITY.test(other)) {
    const difference = parseQuantity(one).nanos - parseQuantity(other).nanos;
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  return one.localeCompare(other, "en", { numeric: true });
}
