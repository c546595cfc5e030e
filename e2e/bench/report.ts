/**
 * Report: what was measured, beside what it is measured against, as one table.
 *
 * A ratio is only ever between two numbers of the same run. An aim that is missed is said, never an error.
 */

export interface Row {
  /** "creates/s  Pod, embedded, https" */
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The ceiling or the other way to do the same, measured in the same run. */
  readonly reference?: { readonly name: string; readonly value: number } | undefined;
  /** Where both were measured in turns: the middle one of the rounds' ratios, which a busy moment does not bend. */
  readonly ratio?: number | undefined;
  readonly aim?: Aim | undefined;
  /** What helps to judge the number: spread, CPU time, percentiles. */
  readonly note?: string | undefined;
}

export interface Aim {
  /** Of what the bound speaks: the ratio to the reference, or the value itself. */
  readonly of: "ratio" | "value";
  readonly bound: "at least" | "at most";
  readonly number: number;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

export const atLeast = (ratio: number): Aim => ({ of: "ratio", bound: "at least", number: ratio });
export const ratioAtMost = (ratio: number): Aim => ({ of: "ratio", bound: "at most", number: ratio });
export const atMost = (value: number): Aim => ({ of: "value", bound: "at most", number: value });

const HEADER = ["", "MEASURED", "REFERENCE", "", "RATIO", "AIM", "", "NOTE"];

export function table({ title, rows }: Section): string {
  const cells = rows.map((row) => {
    const { what, value, unit, reference, aim, note = "" } = row;
    const ratio = ratioOf(row);
    return [
      what,
      `${shown(value)} ${unit}`,
      reference ? shown(reference.value) : "",
      reference?.name ?? "",
      ratio === undefined ? "" : ratio.toFixed(2),
      aim ? aimText(aim, unit) : "",
      aim ? (met(row, aim) ? "met" : "MISSED") : "",
      note,
    ];
  });
  const all = [HEADER, ...cells];
  const widths = HEADER.map((_, column) => Math.max(...all.map((line) => (line[column] ?? "").length)));
  const left = new Set([0, 3, 6, 7]);
  const lines = all.map((line) =>
    line
      .map((cell, column) => (left.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return `\n${title}\n${lines.map((line) => `  ${line}`).join("\n")}\n`;
}

const ratioOf = ({ value, reference, ratio }: Row): number | undefined =>
  reference && (ratio ?? value / reference.value);

function met(row: Row, { of, bound, number }: Aim): boolean {
  const judged = of === "value" ? row.value : (ratioOf(row) ?? row.value);
  return bound === "at least" ? judged >= number : judged <= number;
}

function aimText({ of, bound, number }: Aim, unit: string): string {
  return `${bound === "at least" ? "≥" : "≤"} ${of === "ratio" ? number.toFixed(2) : `${number} ${unit}`}`;
}

/** Three digits that matter. */
function shown(value: number): string {
  if (!Number.isFinite(value)) return "?";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
