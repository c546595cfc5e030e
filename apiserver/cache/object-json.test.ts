import { expect, test } from "vitest";
import { storedJson, versionedLength, writeVersioned } from "./object-json.ts";

const metadata = { name: "a" };

test.each<[string, Record<string, unknown>, string]>([
  ["in the usual order", { kind: "A", apiVersion: "v1", metadata, spec: 1 }, '"name":"a"},"spec":1}'],
  ["in another order", { spec: 1, metadata, apiVersion: "v1", kind: "A" }, '"name":"a"},"spec":1}'],
  ["with nothing else", { metadata, apiVersion: "v1", kind: "A" }, '"name":"a"}}'],
  ["with keys that are numbers", { kind: "A", apiVersion: "v1", metadata, 0: {} }, '"name":"a"},"0":{}}'],
  ["with empty metadata", { kind: "A", apiVersion: "v1", metadata: {} }, "}}"],
])("the JSON of an object %s has its version put in", (_name, object, rest) => {
  const { json, versionAt } = storedJson(object as never);
  const bytes = Buffer.from(json);
  const target = Buffer.alloc(versionedLength(bytes, "42"));
  const end = writeVersioned(target, 0, bytes, versionAt, "42");
  const comma = rest.startsWith("}") ? "" : ",";
  expect(target.toString("utf8", 0, end)).toBe(
    `{"kind":"A","apiVersion":"v1","metadata":{"resourceVersion":"42"${comma}${rest}`,
  );
});
