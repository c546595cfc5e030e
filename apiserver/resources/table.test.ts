import { describe, expect, test } from "vitest";
import { loadSchema } from "../schema/load.ts";
import { metricRows } from "./rows-metrics.ts";
import { minimal, tryCreate, tryUpdate } from "./sample-objects.ts";
import { builtinResources, ResourceTable } from "./table.ts";

const rows = builtinResources.map((row) => [`${row.group || "core"}/${row.version} ${row.plural}`, row] as const);

describe("the table of resources", () => {
  test("names each resource, kind and short name once", () => {
    const seen = new Set<string>();
    for (const row of builtinResources) {
      for (const name of [row.plural, ...row.shortNames]) {
        const key = `${row.group}/${row.version}/${name}`;
        expect(seen.has(key), key).toBe(false);
        seen.add(key);
      }
    }
  });

  test("has a type in the schema for every kind and every subresource that is not only options", async () => {
    const schema = await loadSchema();
    for (const row of builtinResources) {
      expect(schema.kind(row.group, row.version, row.kind), row.kind).toBeDefined();
      for (const { group, version, kind } of row.subresources) {
        expect(schema.kind(group, version, kind), kind).toBeDefined();
      }
    }
  });

  test("serves every kind of the groups that k8ts promises", async () => {
    const promised: Readonly<Record<string, number>> = {
      "": 17,
      apps: 5,
      batch: 2,
      "discovery.k8s.io": 1,
      "coordination.k8s.io": 1,
      "events.k8s.io": 1,
      "networking.k8s.io": 5,
      "rbac.authorization.k8s.io": 4,
      "storage.k8s.io": 6,
      policy: 1,
      "scheduling.k8s.io": 1,
      "authentication.k8s.io": 2,
      "authorization.k8s.io": 4,
    };
    for (const [group, count] of Object.entries(promised)) {
      expect(
        builtinResources.filter((row) => row.group === group),
        group,
      ).toHaveLength(count);
    }
  });

  test("finds rows by plural and by kind, and takes and gives up rows", () => {
    const table = new ResourceTable();
    const deployments = table.find("apps", "v1", "deployments");
    expect(deployments?.kind).toBe("Deployment");
    expect(table.ofKind("", "v1", "Pod")?.plural).toBe("pods");
    expect(table.find("apps", "v1beta1", "deployments")).toBeUndefined();
    table.remove(deployments!);
    expect(table.find("apps", "v1", "deployments")).toBeUndefined();
    table.add(deployments!);
    expect(table.rows).toHaveLength(builtinResources.length + metricRows.length);
  });

  test.each(rows)("%s survives objects that lack everything", (_name, row) => {
    const { object, errors } = tryCreate(row.plural, {}, row);
    row.columns.cells(object, 0);
    row.strategy.selectableFields?.({ apiVersion: "", kind: "", metadata: {} });
    row.strategy.gracePeriodSeconds?.(object, undefined);
    expect(Array.isArray(errors)).toBe(true);
  });

  test.each(rows)("%s gives a cell for every column", (_name, row) => {
    const { object } = tryCreate(row.plural, minimal[row.plural] ?? {}, row);
    const stored = row.storedAs ? row.storedAs.fromStored(object) : object;
    expect(row.columns.cells(stored, 0)).toHaveLength(row.columns.columns.length);
  });
});

describe.each(Object.keys(minimal))("a minimal object of %s", (plural) => {
  test("is valid, and its defaults are set once and for all", () => {
    const first = tryCreate(plural, minimal[plural]!);
    expect(first.errors).toEqual([]);
    const again = tryUpdate(plural, first.object, () => {});
    expect(again.errors).toEqual([]);
    expect(again.object).toEqual(first.object);
  });
});
