/**
 * Columns: text in columns as kubectl's tab writer lays it out.
 *
 * A column is as wide as its widest cell and three spaces, at least six; the last one is not padded.
 * Rows without cells are empty lines.
 */
const MIN = 6;
const PADDING = 3;

export interface ColumnWriter {
  /** Rows as lines; later calls keep widths that earlier ones needed. */
  write(rows: readonly (readonly string[])[]): string;
}

/** For tables that grow while the user watches. */
export function createColumnWriter(): ColumnWriter {
  const widths: number[] = [];
  return {
    write: (rows) => {
      measure(rows, widths);
      return rows.map((row) => line(row, widths)).join("");
    },
  };
}

export function columns(rows: readonly (readonly string[])[]): string {
  return createColumnWriter().write(rows);
}

function measure(rows: readonly (readonly string[])[], widths: number[]): void {
  for (const row of rows) {
    for (const [index, cell] of row.slice(0, -1).entries()) {
      widths[index] = Math.max(widths[index] ?? MIN, width(cell) + PADDING);
    }
  }
}

function line(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, index) => (index === row.length - 1 ? cell : cell + pad(cell, widths[index]!)));
  return `${cells.join("")}\n`;
}

const width = (text: string) => [...text].length;
const pad = (cell: string, to: number) => " ".repeat(Math.max(0, to - width(cell)));
