/** What is served, against every path and method of the stable groups that the published client has. */
import { readdirSync, readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { ResourceRow, Verb } from "./contract.ts";
import { builtinResources } from "./table.ts";

/** Left out on purpose. */
const DIFFERENT: readonly RegExp[] = [
  // one document for all paths behind a proxy; its verbs are those of the path itself
  /\/proxy\/\{path\}$/,
  /^(HEAD|OPTIONS) .*\/proxy$/,
  // documents of discovery
  /^GET \/apis?(\/[^/]+)?\/v\d\/$/,
];

function published(): ReadonlySet<string> {
  const home = findPackageJSON("@kubernetes/client-node", import.meta.url);
  const directory = join(dirname(home as string), "dist/gen/apis");
  const operations = new Set<string>();
  for (const file of readdirSync(directory).filter((name) => /V\d+Api\.js$/.test(name))) {
    const source = readFileSync(join(directory, file), "utf8");
    for (const [, path, method] of source.matchAll(/localVarPath = '([^']+)'[\s\S]*?HttpMethod\.(\w+)/g))
      operations.add(`${method} ${path}`);
  }
  return operations;
}

const METHODS: Readonly<Record<Verb, string>> = {
  create: "POST",
  get: "GET",
  list: "GET",
  watch: "",
  update: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  deletecollection: "DELETE",
};
const SINGLE: ReadonlySet<Verb> = new Set(["get", "update", "patch", "delete"]);
const SHARED: readonly Verb[] = ["get", "update", "patch"];

function* served(row: ResourceRow): Iterable<string> {
  const root = row.group === "" ? `/api/${row.version}` : `/apis/${row.group}/${row.version}`;
  const collection = `${root}/${row.namespaced ? "namespaces/{namespace}/" : ""}${row.plural}`;
  for (const verb of row.verbs.filter((one) => METHODS[one] !== "")) {
    yield `${METHODS[verb]} ${collection}${SINGLE.has(verb) ? "/{name}" : ""}`;
    if (verb === "list" && row.namespaced) yield `GET ${root}/${row.plural}`;
  }
  const subresources = [
    ...row.subresources,
    ...(row.hasStatus ? [{ name: "status", verbs: SHARED }] : []),
    ...(row.scale ? [{ name: "scale", verbs: SHARED }] : []),
  ];
  for (const { name, verbs } of subresources)
    for (const verb of verbs) yield `${METHODS[verb]} ${collection}/{name}/${name}`;
}

test("every published operation is served, and no other", () => {
  const theirs = [...published()].filter((one) => !DIFFERENT.some((left) => left.test(one)));
  const ours = builtinResources.flatMap((row) => [...served(row)]);
  expect(theirs.length).toBeGreaterThan(570);
  expect([...new Set(ours)].sort()).toEqual(theirs.sort());
});
