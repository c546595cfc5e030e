/** Tables, columns, sorting and the formats of -o. */
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { columns, createColumnWriter } from "./columns.ts";
import { createPrinter } from "./printer.ts";
import { sortObjects } from "./sort.ts";
import { createTablePrinter, type TableOptions } from "./table.ts";

const object = (name: string, more: Record<string, unknown> = {}): KubeObject => ({
  kind: "Pod",
  apiVersion: "v1",
  ...more,
  metadata: { name, namespace: "default", labels: { app: name }, managedFields: [{}] as never },
});

test("columns are as wide as their widest cell and three spaces, six at least", () => {
  expect(
    columns([
      ["A", "LONGER", "LAST"],
      ["a", "b", "c"],
    ]),
  ).toBe("A     LONGER   LAST\na     b        c\n");
});

test("widths that earlier rows needed stay", () => {
  const writer = createColumnWriter();
  writer.write([["a-long-name", "x"]]);
  expect(writer.write([["b", "y"]])).toBe("b             y\n");
});

describe("a table", () => {
  const options: TableOptions = {
    wide: false,
    noHeaders: false,
    withNamespace: false,
    showLabels: false,
    labelColumns: [],
    kindPrefix: "",
  };
  const table = {
    kind: "Table" as const,
    columnDefinitions: [
      { name: "Name", type: "string", priority: 0 },
      { name: "Node", type: "string", priority: 1 },
    ],
    rows: [{ cells: ["web", null], object: object("web") }],
  };
  const print = (changed: Partial<TableOptions>) => createTablePrinter({ ...options, ...changed }).print(table);

  test.for([
    [{}, "NAME\nweb\n"],
    [{ wide: true }, "NAME   NODE\nweb    \n"],
    [{ noHeaders: true }, "web\n"],
    [{ withNamespace: true }, "NAMESPACE   NAME\ndefault     web\n"],
    [{ showLabels: true }, "NAME   LABELS\nweb    app=web\n"],
    [{ labelColumns: ["x.io/app", "app"] }, "NAME   APP   APP\nweb          web\n"],
    [{ kindPrefix: "pod" }, "NAME\npod/web\n"],
  ] as const)("%j", ([changed, text]) => {
    expect(print(changed)).toBe(text);
  });

  test("a cell cannot forge a row or move the cursor", () => {
    const rows = [{ cells: ["a\nb\u001b[31m", null] }];
    expect(createTablePrinter({ ...options, noHeaders: true }).print({ ...table, rows })).toBe("a...\n");
    const coloured = [{ cells: ["a\u001b[31m", null] }];
    expect(createTablePrinter({ ...options, noHeaders: true }).print({ ...table, rows: coloured })).toBe("a^[[31m\n");
  });
});

describe("-o", () => {
  const list = {
    kind: "List",
    apiVersion: "v1",
    metadata: {},
    items: [object("a"), object("b")],
  } as unknown as KubeObject;
  test.for([
    ["name", "pod/a\npod/b\n"],
    ["jsonpath={.items[*].metadata.name}", "a b"],
    ["custom-columns=NAME:.metadata.name,X:.spec.x", "NAME   X\na      <none>\nb      <none>\n"],
    ["jsonpath-as-json={.items[*].kind}", '[\n    "Pod",\n    "Pod"\n]\n'],
  ] as const)("%s", async ([output, text]) => {
    expect((await createPrinter(output)).print(list)).toBe(text);
  });

  test("json has four spaces, sorted keys and no managed fields", async () => {
    expect((await createPrinter("json")).print(object("a"))).toBe(
      `{
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "labels": {
            "app": "a"
        },
        "name": "a",
        "namespace": "default"
    }
}
`,
    );
  });

  test("yaml of objects that follow each other is separated", async () => {
    const printer = await createPrinter("yaml");
    expect(printer.printNext(object("a")) + printer.printNext(object("b"))).toMatch(
      /^apiVersion: v1\nkind: Pod\n[\s\S]*\n---\napiVersion/,
    );
  });

  test("an unknown format, or one that lacks its template, is refused", async () => {
    await expect(createPrinter("xml")).rejects.toThrow(
      'unable to match a printer suitable for the output format "xml"',
    );
    await expect(createPrinter("jsonpath")).rejects.toThrow("template format specified but no template given");
    await expect(createPrinter("custom-columns=x")).rejects.toThrow("expected <header>:<json-path-expr>");
  });
});

describe("--sort-by", () => {
  const names = (by: string, ...values: unknown[]) =>
    sortObjects(
      values.map((value, index) => object(String(index), { value })),
      by,
    ).map((one) => one["value"]);
  test("numbers and quantities by size, text as people count", () => {
    expect(names(".value", 10, 9, 100)).toEqual([9, 10, 100]);
    expect(names("{.value}", "1Gi", "10Mi", "2000Ki")).toEqual(["2000Ki", "10Mi", "1Gi"]);
    expect(names("value", "web-10", "web-9")).toEqual(["web-9", "web-10"]);
  });
  test("a field that no object has is an error", () => {
    expect(() => names(".nope", 1)).toThrow("couldn't find any field with path");
  });
});
