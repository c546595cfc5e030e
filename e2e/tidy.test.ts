/**
 * Tidy: the rules of the house that a machine can check.
 *
 * Layering, file heads, forbidden calls, lengths, and files that nobody imports.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
});
const files = tracked.split("\n").filter((file) => file.endsWith(".ts") && exists(file));
const isTest = (file: string) => /\.(test|cases|e2e)\.ts$/.test(file) || file.startsWith("e2e/");
const sources = files.filter((file) => !isTest(file));
const text = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));

/** What a file imports: paths from the root, types too. */
const imports = new Map(
  files.map((file) => [
    file,
    [...(text.get(file) ?? "").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) =>
      normalize(join(dirname(file), match[1] as string)),
    ),
  ]),
);

const FOLDERS = ["apiserver", "controllers", "kubectl", "kubelet", "machinery", "scheduler"];

describe("tidy", () => {
  test("a folder imports itself and machinery only", () => {
    const wrong = sources
      .filter((file) => FOLDERS.includes(top(file)))
      .flatMap((file) =>
        (imports.get(file) ?? [])
          .filter((target) => top(target) !== top(file) && top(target) !== "machinery")
          .map((target) => `${file} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test("machinery/cluster imports no component and no other machinery imports it", () => {
    const wrong = sources
      .filter((file) => file.startsWith("machinery/") && !file.startsWith("machinery/cluster/"))
      .flatMap((file) => (imports.get(file) ?? []).filter((target) => target.startsWith("machinery/cluster/")));
    expect(wrong).toEqual([]);
  });

  test("a file opens with what it is", () => {
    expect(sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(text.get(file) ?? ""))).toEqual([]);
  });

  test("a file stays under 400 lines", () => {
    const tables = new Set(["kubelet/cri/messages.ts"]); // one long list of types, named by their specification
    expect(sources.filter((file) => !tables.has(file) && (text.get(file) ?? "").split("\n").length > 401)).toEqual([]);
  });

  test("a file's name says its concern", () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|types|managers?|misc)\.ts$/.test(file))).toEqual([]);
  });

  test("time, timers and randomness come from the clock", () => {
    const forbidden =
      /\bDate\.now\(|\bnew Date\(\)|\bset(Timeout|Interval)\(|\bMath\.random\(|\bperformance\.now\(|\brandom(UUID|Bytes)\(/;
    const allowed = new Set(["machinery/process/clock.ts"]);
    const wrong = sources
      .filter((file) => !allowed.has(file))
      .flatMap((file) =>
        lines(file).filter(
          ([, line]) => forbidden.test(line) && !/\.set(Timeout|Interval)\(/.test(line) && !/^\s*(\*|\/\/)/.test(line),
        ),
      );
    expect(wrong).toEqual([]);
  });

  test("only main.ts ends the process", () => {
    expect(
      sources
        .filter((file) => file !== "main.ts")
        .flatMap((file) => lines(file).filter(([, line]) => /\bprocess\.exit\(/.test(line))),
    ).toEqual([]);
  });

  test("nothing is left for later, skipped or silenced", () => {
    const forbidden =
      /\b(TODO|FIXME|XXX)\b|@ts-(ignore|nocheck|expect-error)|\b(it|test|describe)\.(only|todo)\(|\bas any\b|catch\s*(\(\w+\))?\s*\{\s*\}/;
    const wrong = files
      .filter((file) => file !== "e2e/tidy.test.ts")
      .flatMap((file) => lines(file).filter(([, line]) => forbidden.test(line)));
    expect(wrong).toEqual([]);
  });

  test("every file is used by another, or is where something begins", () => {
    const used = new Set([...imports.values()].flat());
    const begins = new Set(["main.ts", "vitest.config.ts"]);
    expect(sources.filter((file) => !used.has(file) && !begins.has(file))).toEqual([]);
  });

  test("the project speaks of itself alone", () => {
    const all = tracked.split("\n").filter((file) => file && exists(file) && !file.endsWith("package-lock.json"));
    const wrong = all.filter(
      (file) =>
        file !== "e2e/tidy.test.ts" &&
        /(^|[^\w.])\/(work|farm)\/|\/tmp\/bash_jobs|registry\.npmjs|\bsubagents?\b/.test(
          readFileSync(join(root, file), "utf8"),
        ),
    );
    expect(wrong).toEqual([]);
  });
});

function top(file: string): string {
  return file.split("/")[0] ?? "";
}

function lines(file: string): readonly (readonly [place: string, line: string])[] {
  return (text.get(file) ?? "").split("\n").map((line, index) => [`${file}:${index + 1}`, line] as const);
}

function exists(file: string): boolean {
  try {
    readFileSync(join(root, file));
    return true;
  } catch {
    return false; // deleted, but not committed yet
  }
}
