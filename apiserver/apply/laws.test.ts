/** Laws of server-side apply, over configurations made at random: what holds whatever is applied, by whom, in which order. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { Schema } from "../schema/contract.ts";
import { loadSchema } from "../schema/load.ts";
import type { FieldManagement } from "./contract.ts";
import { createFieldManagement } from "./create-field-management.ts";

const kind = { group: "apps", version: "v1", kind: "Deployment" };
let schema: Schema;
let fields: FieldManagement;

beforeAll(async () => {
  schema = await loadSchema();
  fields = createFieldManagement(schema);
});

type Json = Record<string, unknown>;

const names = ["a", "b", "c", "d"];
const labels = fc.dictionary(fc.constantFrom(...names), fc.constantFrom("1", "2"), { maxKeys: 3 });
const ports = fc.uniqueArray(
  fc.record(
    { containerPort: fc.constantFrom(80, 443, 8080), name: fc.constantFrom(...names) },
    { requiredKeys: ["containerPort"] },
  ),
  { selector: ({ containerPort }) => containerPort, maxLength: 3 },
);
const env = fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), value: fc.constantFrom("x", "y") }), {
  selector: ({ name }) => name,
  maxLength: 3,
});
const container = fc.record(
  {
    name: fc.constantFrom(...names),
    image: fc.constantFrom("i:1", "i:2"),
    args: fc.array(fc.constantFrom("p", "q")),
    ports,
    env,
  },
  { requiredKeys: ["name"] },
);
const spec = fc.record(
  {
    replicas: fc.integer({ min: 0, max: 3 }),
    paused: fc.boolean(),
    selector: fc.record({ matchLabels: labels }),
    template: fc.record(
      {
        metadata: fc.record({ labels }, { requiredKeys: [] }),
        spec: fc.record(
          {
            containers: fc.uniqueArray(container, { selector: ({ name }) => name, maxLength: 3 }),
            nodeSelector: labels,
            tolerations: fc.array(fc.record({ key: fc.constantFrom(...names) }), { maxLength: 2 }),
          },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const anyConfig = fc.record({ labels, spec }).map(({ labels: own, spec: wanted }) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", labels: own },
  spec: wanted,
}));
/** What is applied empty is owned, and is absent all the same: no law holds of it. */
const config = anyConfig.map((one) => withoutEmpty(one) as typeof one);

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]): [string, unknown] => [key, withoutEmpty(one)]);
  return Object.fromEntries(
    entries.filter(([, one]) => typeof one !== "object" || Object.keys(one as object).length > 0),
  );
}

const NONE = new Set<string>();

function apply(live: KubeObject | undefined, applied: unknown, manager: string, force = true): KubeObject {
  const writer = { manager, subresource: "", time: "2026-01-01T00:00:00Z", ignored: NONE };
  return fields.apply({ kind, live: live as StoredObject | undefined, config: applied, writer, force });
}

/** Without what says who owns it, and without empty remains, in one order. */
function content({ metadata, ...rest }: KubeObject): unknown {
  const { managedFields: _, ...kept } = metadata;
  return canonical({ ...rest, metadata: kept });
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(canonical).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, one]): [string, unknown] => [key, canonical(one)])
    .filter(([, one]) => one !== null && !(typeof one === "object" && Object.keys(one as object).length === 0));
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe("apply", () => {
  test("twice is as good as once, down to the bytes", () => {
    fc.assert(
      fc.property(config, config, (before, applied) => {
        const once = apply(apply(undefined, before, "other"), applied, "me");
        expect(JSON.stringify(apply(once, applied, "me"))).toBe(JSON.stringify(once));
      }),
    );
  });

  test("leaves the object with everything that was applied", () => {
    fc.assert(
      fc.property(config, config, (before, applied) => {
        const result = apply(apply(undefined, before, "me"), applied, "me");
        // The same again, as an applier without force who owns nothing: only what differs would conflict.
        expect(() => apply(result, applied, "witness", false)).not.toThrow();
      }),
    );
  });

  test("then nothing takes away all that nobody else owns", () => {
    fc.assert(
      fc.property(config, config, (theirs, mine) => {
        const before = apply(undefined, theirs, "other");
        const nothing = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" } };
        const disjoint = apply(before, mine, "me");
        const after = apply(disjoint, nothing, "me");
        const owners = (after.metadata.managedFields ?? []).map(({ manager }) => manager);
        expect(owners).not.toContain("me");
        // What is left is theirs; where both had a value, mine stands, for theirs was given up.
        expect(content(apply(after, theirs, "other"))).toEqual(content(before));
      }),
    );
  });

  test("of other fields commutes", () => {
    fc.assert(
      fc.property(spec, labels, fc.integer({ min: 0, max: 9 }), (wanted, own, replicas) => {
        const { replicas: _, ...rest } = wanted as Json;
        const base = { apiVersion: "apps/v1", kind: "Deployment" };
        const one = { ...base, metadata: { name: "web" }, spec: rest };
        const other = { ...base, metadata: { name: "web", labels: own }, spec: { replicas } };
        const both = apply(apply(undefined, one, "a", false), other, "b", false);
        const turned = apply(apply(undefined, other, "b", false), one, "a", false);
        expect(content(turned)).toEqual(content(both));
        expect(turned.metadata.managedFields).toEqual(both.metadata.managedFields);
      }),
    );
  });

  test("without force conflicts, or changes nothing that others own", () => {
    fc.assert(
      fc.property(config, config, (theirs, mine) => {
        const before = apply(undefined, theirs, "other");
        let after: KubeObject;
        try {
          after = apply(before, mine, "me", false);
        } catch (error) {
          expect(error).toMatchObject({ reason: "Conflict" });
          return;
        }
        const entry = (object: KubeObject) => object.metadata.managedFields?.find(({ manager }) => manager === "other");
        expect(entry(after)).toEqual(entry(before));
      }),
    );
  });
});

describe("track", () => {
  test("an update that changes nothing leaves the very same entries", () => {
    fc.assert(
      fc.property(config, (made) => {
        const live = apply(undefined, made, "me");
        const next = structuredClone(live);
        const writer = { manager: "other", subresource: "", time: "2027-01-01T00:00:00Z", ignored: NONE };
        fields.track(kind, live as StoredObject, next, writer);
        expect(next.metadata.managedFields).toBe(live.metadata.managedFields);
      }),
    );
  });

  test("no two owners of a changed field are left", () => {
    fc.assert(
      fc.property(config, config, (before, after) => {
        const live = { ...apply(undefined, before, "me"), status: {} } as unknown as StoredObject;
        const next = structuredClone(after) as unknown as KubeObject;
        const writer = { manager: "other", subresource: "", time: "2027-01-01T00:00:00Z", ignored: NONE };
        fields.track(kind, live, next, writer);
        // Whoever applies what the update left meets no conflict with itself, and the updater with its own neither.
        const replayed = apply(next, after, "other", true);
        expect(content({ ...replayed } as KubeObject)).toEqual(content(next));
      }),
    );
  });
});
