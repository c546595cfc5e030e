/** A strategic merge patch applied on this side. */
import { expect, test } from "vitest";
import type { OpenApiSchema, TypeSchema } from "../openapi.ts";
import { applyStrategic, applyStrategicAt } from "./apply-strategic.ts";

const keyed = (mergeKey: string, items: OpenApiSchema): OpenApiSchema => ({
  type: "array",
  items,
  "x-kubernetes-patch-strategy": "merge",
  "x-kubernetes-patch-merge-key": mergeKey,
});
const container: OpenApiSchema = {
  properties: {
    env: keyed("name", { properties: { value: { type: "string" } } }),
    args: { type: "array", items: { type: "string" } },
    securityContext: { properties: { privileged: { type: "boolean" } } },
  },
};
const schema: TypeSchema = {
  root: { properties: { spec: { properties: { containers: keyed("name", container) } } } },
  resolve: (one) => one,
  target: () => undefined,
  nameOf: () => undefined,
  strategic: true,
};

const before = {
  spec: { containers: [{ name: "a", args: ["x"], env: [{ name: "A", value: "1" }], securityContext: { uid: 1 } }] },
};

test("lists merge by their key, others are replaced, null and delete remove", () => {
  const patch = {
    spec: {
      containers: [
        {
          name: "a",
          args: ["y"],
          env: [
            { name: "B", value: "2" },
            { name: "A", $patch: "delete" },
          ],
          securityContext: null,
        },
        { name: "b" },
      ],
    },
  };
  expect(applyStrategic(before, patch, schema)).toEqual({
    spec: { containers: [{ name: "a", args: ["y"], env: [{ name: "B", value: "2" }] }, { name: "b" }] },
  });
  expect(before.spec.containers[0]?.args).toEqual(["x"]);
});

test("a part of the object has its type by its path", () => {
  const part = before.spec.containers[0] as never;
  expect(applyStrategicAt(part, { env: [{ name: "B", value: "2" }] }, ["spec", "containers"], schema)).toMatchObject({
    env: [
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ],
  });
});
