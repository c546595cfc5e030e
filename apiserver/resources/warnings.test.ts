import { expect, test } from "vitest";
import { deployment, type Loose, podSpec, template, tryCreate, withContainer } from "./sample-objects.ts";

const named = (name: string): Loose => ({
  name: "c",
  image: "x:1",
  env: [
    { name, value: "1" },
    { name, value: "2" },
  ],
});

test.each<[string, Loose, readonly string[]]>([
  [
    "old labels of nodes",
    podSpec({ nodeSelector: { "beta.kubernetes.io/os": "linux" } }),
    ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
  ],
  [
    "volumes that are gone",
    podSpec({ volumes: [{ name: "v", gitRepo: { repository: "r" } }] }),
    ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
  ],
  [
    "addresses twice",
    podSpec({ hostAliases: [{ ip: "10.0.0.1" }, { ip: "10.0.0.1" }] }),
    ['spec.hostAliases[1].ip: duplicate ip "10.0.0.1"'],
  ],
  [
    "secrets twice",
    podSpec({ imagePullSecrets: [{ name: "a" }, { name: "a" }, {}] }),
    ['spec.imagePullSecrets[1].name: duplicate name "a"', 'spec.imagePullSecrets[2].name: invalid empty name ""'],
  ],
  [
    "part of a byte",
    withContainer({ resources: { requests: { memory: "100m" } } }),
    ['spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer'],
  ],
  [
    "a hidden variable",
    podSpec({ containers: [named("A")] }),
    ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
  ],
  [
    "a used variable",
    withContainer({
      env: [
        { name: "A", value: "1" },
        { name: "A", value: "$(A)2" },
      ],
    }),
    [],
  ],
  [
    "ports twice",
    withContainer({ ports: [{ containerPort: 80 }, { containerPort: 80, name: "b" }] }),
    ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
  ],
  [
    "no selector",
    podSpec({ topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }] }),
    ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
  ],
  [
    "a grace period before the end",
    podSpec({ terminationGracePeriodSeconds: -1 }),
    ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
  ],
])("a Pod is warned of %s", (_what, spec, warnings) => {
  expect(tryCreate("pods", { spec }).warnings).toEqual(warnings);
});

test("a Pod's name is its host's", () => {
  expect(tryCreate("pods", { metadata: { name: "a.b" }, spec: podSpec() }).warnings[0]).toContain(
    "metadata.name: this is used in the Pod's hostname",
  );
});

test("a template is warned where it stands", () => {
  const { warnings } = tryCreate(
    "deployments",
    deployment({ template: template(podSpec({ containers: [named("A")] })) }),
  );
  expect(warnings).toEqual([
    expect.stringContaining("spec.template.spec.containers[0].env[1]: hides previous definition"),
  ]);
});
