/**
 * Table: prints the Table representation of the server as `kubectl get` does.
 *
 * Which cells there are is the server's business; which columns show and how is settled here.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { createColumnWriter } from "./columns.ts";

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly priority: number;
}

export interface TableRow {
  readonly cells: readonly unknown[];
  readonly object?: Partial<KubeObject>;
}

export interface Table {
  readonly kind: "Table";
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly columnDefinitions?: readonly TableColumn[];
  readonly rows?: readonly TableRow[];
}

export interface TableOptions {
  readonly wide: boolean;
  readonly noHeaders: boolean;
  readonly withNamespace: boolean;
  readonly showLabels: boolean;
  readonly labelColumns: readonly string[];
  /** "pod" or "deployment.apps" before each name; "" for none. */
  readonly kindPrefix: string;
}

export interface TablePrinter {
  /** Rows as text; the header comes with the first that has columns. */
  print(table: Table): string;
}

export const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "Table";

export function createTablePrinter(options: TableOptions): TablePrinter {
  const writer = createColumnWriter();
  let columns: readonly TableColumn[] = [];
  let headed = options.noHeaders;
  return {
    print: (table) => {
      if (table.columnDefinitions?.length) columns = table.columnDefinitions;
      const shown = columns.flatMap(({ priority }, index) => (priority === 0 || options.wide ? [index] : []));
      const rows = (table.rows ?? []).map((row) => cellsOf(row, shown, columns, options));
      if (headed) return writer.write(rows);
      headed = true;
      return writer.write([header(shown, columns, options), ...rows]);
    },
  };
}

function header(shown: readonly number[], columns: readonly TableColumn[], options: TableOptions): string[] {
  return [
    ...(options.withNamespace ? ["NAMESPACE"] : []),
    ...shown.map((index) => columns[index]!.name.toUpperCase()),
    ...options.labelColumns.map((label) => label.slice(label.lastIndexOf("/") + 1).toUpperCase()),
    ...(options.showLabels ? ["LABELS"] : []),
  ];
}

function cellsOf(
  { cells, object }: TableRow,
  shown: readonly number[],
  columns: readonly TableColumn[],
  options: TableOptions,
): string[] {
  const labels = object?.metadata?.labels ?? {};
  const texts = shown.map((index) => {
    const text = cellText(cells[index]);
    const isName = options.kindPrefix !== "" && columns[index]!.name === "Name";
    return isName ? `${options.kindPrefix}/${text}` : text;
  });
  return [
    ...(options.withNamespace ? [object?.metadata?.namespace ?? ""] : []),
    ...texts,
    ...options.labelColumns.map((label) => labels[label] ?? ""),
    ...(options.showLabels ? [labelsText(labels)] : []),
  ];
}

/** A cell as one line; what does not fit on it is cut, so that nothing can forge a row. */
function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const end = text.search(/[\f\n\r]/);
  const whole = end < 0 ? text : `${text.slice(0, end)}...`;
  return whole.replace(
    /[\u0000-\u0008\u000e-\u001f\u007f]/g,
    (sign) => `^${String.fromCharCode(sign.charCodeAt(0) ^ 64)}`,
  );
}

export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.sort().join(",") : "<none>";
}
