/**
 * Schemas of definitions: read when they are used, kept within a bound, worked out again when they come back.
 */
import { describe, expect, test } from "vitest";
import { kindOf, startCustomServer } from "../../e2e/harness/custom-server.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { definition, versionOf, withSpec } from "./fixture.ts";
import { outlineOf } from "./outline.ts";
import { createSchemaPool } from "./schemas.ts";

/** A definition's bytes, and how often they were read. */
function stored(bytes: number) {
  const text = JSON.stringify(definition({ versions: [versionOf("v1", withSpec({})), versionOf("v2", withSpec({}))] }));
  let reads = 0;
  return {
    glance(): StoredObject {
      reads++;
      return JSON.parse(text) as StoredObject;
    },
    json: () => new Uint8Array(bytes),
    get reads() {
      return reads;
    },
  };
}

describe("a pool of schemas", () => {
  test("reads a definition when a schema of it is first needed, once for all versions", () => {
    const pool = createSchemaPool(100);
    const one = stored(10);
    const source = pool.source(one);
    expect([one.reads, pool.bytes]).toEqual([0, 0]);
    expect(source.of("v1")).toBe(source.of("v1"));
    expect(source.of("v2")).toMatchObject({ type: "object" });
    expect(source.of("v3")).toBeUndefined();
    expect([one.reads, pool.bytes]).toEqual([1, 10]);
  });

  test("lets go of what was used least lately, never of what is being used", () => {
    const pool = createSchemaPool(25);
    const all = [stored(10), stored(10), stored(10), stored(1_000)];
    const [a, b, c, huge] = all.map((one) => pool.source(one));
    a?.of("v1");
    b?.of("v1");
    a?.of("v1");
    c?.of("v1");
    expect(pool.bytes).toBe(20);
    a?.of("v1");
    b?.of("v1");
    expect(all.map(({ reads }) => reads)).toEqual([1, 2, 1, 0]);
    huge?.of("v1");
    expect(huge?.of("v1")).toBeDefined();
    expect([all[3]?.reads, pool.bytes]).toEqual([1, 1_000]);
    huge?.drop();
    expect(pool.bytes).toBe(0);
  });
});

test("an outline has no schemas and nothing that is as long as they are", () => {
  const { metadata, ...rest } = definition({ schema: withSpec({ a: { type: "string" } }) }) as { metadata: object };
  const whole = {
    ...rest,
    metadata: { ...metadata, managedFields: [{}], annotations: { short: "x", long: "x".repeat(5_000) } },
  } as unknown as StoredObject;
  const { spec, metadata: kept } = outlineOf(whole);
  expect(spec.versions).toEqual([{ name: "v1", served: true, storage: true }]);
  expect(kept).toEqual({ name: "things.example.com", annotations: { short: "x" } });
});

test("kinds beyond the bound go on being judged by their schemas", async () => {
  const server = await startCustomServer();
  const description = "x".repeat(400_000);
  const kinds = [];
  for (let count = 0; count < 44; count++) {
    const schema = withSpec({ a: { type: "string", pattern: `^${count}$`, default: `${count}`, description } });
    kinds.push(await kindOf(server, schema));
  }
  for (const [count, { create }] of kinds.entries()) {
    expect((await create({})).value.spec).toEqual({ a: `${count}` });
    expect((await create({ a: "x" }, "two")).value.details.causes[0].message).toContain(`should match '^${count}$'`);
  }
  await server.pipeline.close();
});
