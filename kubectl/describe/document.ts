/**
 * Document: the text of `describe`, laid out as Go's tab writer does it.
 *
 * Cells end with a tab; cells of the same column in lines that follow each other are equally wide,
 * two spaces wider than the widest. A line without the column ends its block. `part()` ends all of them.
 */
const PADDING = 2;

export interface Document {
  /** One or more whole lines, indented by two spaces a level. */
  write(level: number, text: string): void;
  /** What was written so far aligns no more with what follows. */
  part(): void;
  text(): string;
  /** With its tabs, not laid out. */
  raw(): string;
}

export function createDocument(): Document {
  const parts: string[] = [""];
  return {
    write: (level, text) => {
      parts[parts.length - 1] += "  ".repeat(level) + text;
    },
    part: () => void parts.push(""),
    text: () => parts.map(aligned).join(""),
    raw: () => parts.join(""),
  };
}

type Lines = readonly (readonly string[])[];

function aligned(text: string): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const out: string[] = lines.map(() => "");
  layout(lines, out, [], 0, lines.length);
  return out.join("\n");
}

/** Writes lines `from` to `to`, whose first columns have the given widths already. */
function layout(lines: Lines, out: string[], widths: readonly number[], from: number, to: number): void {
  const column = widths.length;
  let start = from;
  for (let at = from; at < to; at++) {
    if (column >= lines[at]!.length - 1) continue;
    writeLines(lines, out, widths, start, at);
    const begin = at;
    let width = 0;
    for (; at < to && column < lines[at]!.length - 1; at++) {
      const cell = [...lines[at]![column]!].length;
      width = Math.max(width, cell + PADDING);
    }
    layout(lines, out, [...widths, width], begin, at);
    start = at;
    at--;
  }
  writeLines(lines, out, widths, start, to);
}

function writeLines(lines: Lines, out: string[], widths: readonly number[], from: number, to: number): void {
  for (let at = from; at < to; at++) {
    out[at] = lines[at]!.map((cell, index) => {
      const width = widths[index];
      return width === undefined ? cell : cell + " ".repeat(Math.max(0, width - [...cell].length));
    }).join("");
  }
}
