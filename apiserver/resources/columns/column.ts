/**
 * Columns: how a kind says what `kubectl get` shows of it, one line a column.
 *
 * The server sends every column; kubectl leaves out those of priority 1 unless -o wide asks for them.
 * Headings and cells are those of Kubernetes' own printers. What the columns of a kind are stands beside.
 */
import { age, humanDuration } from "../../../machinery/objects/duration.ts";
import type { KubeObject, StoredObject } from "../../../machinery/objects/wire.ts";
import type { Column, Columns } from "../contract.ts";

export interface ColumnOf<T> extends Column {
  cell(object: T, now: number): unknown;
}

type Cell<T> = (object: T, now: number) => unknown;

const make =
  (type: Column["type"], priority: number) =>
  <T>(name: string, description: string, cell: Cell<T>): ColumnOf<T> => ({ name, type, description, priority, cell });

export const text = make("string", 0);
export const number = make("integer", 0);
/** Only with -o wide. */
export const wideText = make("string", 1);
export const wideNumber = make("integer", 1);

export const nameColumn: ColumnOf<StoredObject> = {
  ...text<StoredObject>("Name", "Name, unique in its namespace", ({ metadata }) => metadata.name),
  format: "name",
};
export const ageColumn: ColumnOf<StoredObject> = text("Age", "Time since creation", ({ metadata }, now) =>
  age(metadata.creationTimestamp, now),
);
export const createdAtColumn: ColumnOf<StoredObject> = {
  ...text<StoredObject>("Created At", "Time of creation", ({ metadata }) => metadata.creationTimestamp),
  type: "date",
};

/** The table of a kind. `T` is what its cells may rely on: decoding has checked the shape. */
export function columns<T extends StoredObject | KubeObject>(...list: readonly ColumnOf<never>[]): Columns {
  const own = list as readonly unknown[] as readonly ColumnOf<T>[];
  return {
    columns: own.map(({ cell: _, ...column }) => column),
    cells: (object, now) => own.map((column) => column.cell(object as unknown as T, now)),
  };
}

/** Of kinds that have nothing else to show. */
export const defaultColumns: Columns = columns(nameColumn, createdAtColumn);

export const none = "<none>";
export const unset = "<unset>";

/** The first three, and how many more there are. */
export function firstThree(list: readonly string[], empty: string): string {
  if (list.length === 0) return empty;
  const shown = list.slice(0, 3).join(",");
  return list.length > 3 ? `${shown} + ${list.length - 3} more...` : shown;
}

export function labelList(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.join(",") : none;
}

export function since(time: string | undefined, now: number): string {
  return age(time, now);
}

export function between(from: string, to: string): string {
  return humanDuration(Date.parse(to) - Date.parse(from));
}
