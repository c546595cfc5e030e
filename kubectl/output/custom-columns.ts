/** Custom columns: `-o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image`. */
import { readFile } from "node:fs/promises";
import { CommandError } from "../errors.ts";
import { compilePath, textOf } from "./jsonpath.ts";

export interface CustomColumn {
  readonly header: string;
  readonly values: (object: unknown) => readonly unknown[];
}

export function parseCustomColumns(spec: string): readonly CustomColumn[] {
  if (spec === "") throw new CommandError("custom-columns format specified but no custom columns given");
  return spec.split(",").map((part) => {
    const colon = part.indexOf(":");
    if (colon < 0) {
      throw new CommandError(`unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`);
    }
    return { header: part.slice(0, colon), values: compilePath(part.slice(colon + 1)) };
  });
}

/** A file of two lines: headers, then paths, in columns. */
export async function readCustomColumns(file: string): Promise<readonly CustomColumn[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "no such file or directory" : error.message;
    throw new CommandError(`error reading template ${file}, open ${file}: ${why}`);
  });
  const [headers = "", paths = ""] = text.split("\n");
  const names = headers.trim().split(/\s+/);
  const specs = paths.trim().split(/\s+/);
  if (names.length !== specs.length) {
    throw new CommandError(
      `number of headers (${names.length}) and field specifications (${specs.length}) don't match`,
    );
  }
  return names.map((header, index) => ({ header, values: compilePath(specs[index]!) }));
}

export const customHeader = (columns: readonly CustomColumn[]): string[] => columns.map(({ header }) => header);

export function customRow(columns: readonly CustomColumn[], object: unknown): string[] {
  return columns.map(({ values }) => {
    const found = values(object).filter((value) => value !== null && value !== undefined);
    return found.length > 0 ? found.map(textOf).join(",") : "<none>";
  });
}
