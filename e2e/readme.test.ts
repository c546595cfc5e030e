import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { builtinResources } from "../apiserver/resources/table.ts";

const readme = readFileSync(join(import.meta.dirname, "..", "README.md"), "utf8");

test("README lists exactly the kinds that nothing acts on", () => {
  const part = /<!-- stored-only -->([\s\S]*)<!-- \/stored-only -->/.exec(readme)?.[1] ?? "";
  const rows = [...part.matchAll(/^\| (\S+) \| (.+) \|$/gm)].filter(
    ([, group]) => group !== "group" && group !== "---",
  );
  const listed = rows.flatMap(([, group, kinds]) => (kinds ?? "").split(", ").map((kind) => `${group}/${kind}`));
  const actual = builtinResources
    .filter((row) => row.storedOnly)
    .map(({ group, kind }) => `${group || "core"}/${kind}`);
  expect(listed.toSorted()).toEqual([...new Set(actual)].toSorted());
});

test("README names every package", () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"),
  ) as Record<string, Record<string, string>>;
  const named = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(
    (name) => !name.startsWith("@types/"),
  );
  expect(named.filter((name) => !readme.includes(name))).toEqual([]);
});
