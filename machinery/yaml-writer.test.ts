import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readOneYaml } from "./yaml.ts";
import { writeYaml, writeYamlDocuments } from "./yaml-writer.ts";

describe("written YAML", () => {
  test("looks as kubectl's", () => {
    const text = writeYaml({
      kind: "Pod",
      apiVersion: "v1",
      metadata: { name: "web", creationTimestamp: "2026-01-02T03:04:05Z", labels: { "app.kubernetes.io/name": "web" } },
      spec: {
        containers: [
          { name: "c", image: "nginx:1.27", args: ["-c", "echo 'hi'; sleep 1"], env: [{ name: "ON", value: "true" }] },
        ],
        securityContext: {},
        tolerations: [],
      },
      data: { script: "#!/bin/sh\necho hi\n", noEnd: "a\nb", tab: "a\tb", empty: "", no: null, n: 1.5 },
    });
    expect(text).toBe(`apiVersion: v1
data:
  empty: ""
  "n": 1.5
  "no": null
  noEnd: |-
    a
    b
  script: |
    #!/bin/sh
    echo hi
  tab: "a\\tb"
kind: Pod
metadata:
  creationTimestamp: "2026-01-02T03:04:05Z"
  labels:
    app.kubernetes.io/name: web
  name: web
spec:
  containers:
  - args:
    - -c
    - echo 'hi'; sleep 1
    env:
    - name: "ON"
      value: "true"
    image: nginx:1.27
    name: c
  securityContext: {}
  tolerations: []
`);
  });

  test("folds long lines after column 80 and keeps their value", () => {
    const message = `containers with unready status: [${"word ".repeat(30)}end]`;
    const text = writeYaml({ message });
    expect(text.split("\n").length).toBeGreaterThan(2);
    expect(readOneYaml(text)).toEqual({ message });
  });

  test("separates documents", () => {
    expect(writeYamlDocuments([{ a: 1 }, { b: [] }])).toBe("a: 1\n---\nb: []\n");
  });

  test("reads back as the same value", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom("a", " ", "\n", ":", "#", "-", "'", '"', "1", "\t", "é", "{", "?", "|", "\\", "~"),
      }),
      fc.constantFrom(
        "0644",
        "yes",
        "12:30",
        "2020-01-01",
        "- a",
        "? b",
        "a: b",
        " lead",
        "trail ",
        "\nlead",
        "a\n\n",
        "a \nb",
      ),
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        text,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(text, tie("any"), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (one) => {
        expect(JSON.stringify(sorted(readOneYaml(writeYaml(one)) ?? null))).toBe(JSON.stringify(sorted(one)));
      }),
      { numRuns: 500 },
    );
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sorted(inner)]);
}
