import { describe, expect, test } from "vitest";
import { type Configuration, readConfiguration } from "./configuration.ts";
import { decide, verdictsOf } from "./decide.ts";
import { podInfo } from "./pod-info.ts";
import { asking, cluster, node, pod, sampleHandle } from "./sample-cluster.ts";

const file = (rest: string) => `apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n${rest}`;
const where = cluster([node("a"), node("b")], [[pod("q", asking("1", "2Gi")), "a"]]);

function profiles(text: string): ReturnType<Configuration["profiles"]> {
  return readConfiguration(file(text)).profiles(sampleHandle(where));
}

const chosen = (text: string, name = "default-scheduler") => {
  const profile = profiles(text).find(({ schedulerName }) => schedulerName === name);
  if (!profile) throw new Error(`no profile ${name}`);
  return decide(podInfo(pod("p", asking("500m", "500Mi"))), where, profile, { random: () => 0 }).node?.name;
};

describe("a configuration", () => {
  test("of nothing is the default profile", () => {
    const [profile] = profiles("");
    expect(profile?.schedulerName).toBe("default-scheduler");
    expect(profile?.filtering.map(({ name }) => name).slice(0, 3)).toEqual([
      "NodeUnschedulable",
      "NodeName",
      "TaintToleration",
    ]);
    expect(chosen("")).toBe("b");
  });

  test("fills nodes up for one profile and spreads Pods for another", () => {
    const text = `profiles:
- schedulerName: packing
  pluginConfig:
  - name: NodeResourcesFit
    args: { scoringStrategy: { type: MostAllocated, resources: [{ name: cpu, weight: 1 }] } }
  plugins: { score: { disabled: [{ name: NodeResourcesBalancedAllocation }] } }
- schedulerName: default-scheduler
`;
    expect(chosen(text, "packing")).toBe("a");
    expect(chosen(text)).toBe("b");
    expect(readConfiguration(file(text)).schedulerNames).toEqual(["packing", "default-scheduler"]);
  });

  test("goes by the points of a line", () => {
    const shape = (first: number, last: number) => `profiles:
- pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: RequestedToCapacityRatio
        requestedToCapacityRatio: { shape: [{ utilization: 0, score: ${first} }, { utilization: 100, score: ${last} }] }
  plugins: { multiPoint: { disabled: [{ name: NodeResourcesBalancedAllocation }] } }
`;
    expect(chosen(shape(0, 10))).toBe("a");
    expect(chosen(shape(10, 0))).toBe("b");
  });

  test("keeps a plugin from filtering alone", () => {
    const full = cluster([node("a")], [[pod("q", asking("2")), "a"]]);
    const [profile] = readConfiguration(
      file("profiles: [{ plugins: { filter: { disabled: [{ name: NodeResourcesFit }] } } }]"),
    ).profiles(sampleHandle(full));
    expect(profile?.scoring.map(({ plugin }) => plugin.name)).toContain("NodeResourcesFit");
    expect(profile && decide(podInfo(pod("p", asking("2"))), full, profile, { random: () => 0 }).node?.name).toBe("a");
  });

  test("weighs scores, and says back-offs", () => {
    const text =
      "podInitialBackoffSeconds: 2\npodMaxBackoffSeconds: 20\nprofiles: [{ plugins: { multiPoint: { enabled: [{ name: ImageLocality, weight: 7 }] } } }]";
    expect(profiles(text)[0]?.scoring.find(({ plugin }) => plugin.name === "ImageLocality")?.weight).toBe(7);
    expect(readConfiguration(file(text)).backoffMs).toEqual({ first: 2_000, last: 20_000 });
  });

  test("spreads Pods without constraints of their own as its list says, and refuses where that is strict", () => {
    const text = (when: string) => `profiles:
- pluginConfig:
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{ maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ${when} }]
`;
    const labels = { app: "web" };
    const services = [{ metadata: { name: "web" }, spec: { selector: labels } }];
    const crowded = cluster([node("a"), node("b")], [[pod("w", { labels }), "a"]], { services });
    const refused = (when: string, sample = {}) => {
      const [profile] = readConfiguration(file(text(when))).profiles(sampleHandle(crowded));
      if (!profile) throw new Error("no profile");
      const decision = decide(podInfo(pod("p", { labels, ...sample })), crowded, profile, { random: () => 0 });
      return verdictsOf(decision).flatMap(({ node: where, refused: why }) => (why ? [`${where} ${why.reasons}`] : []));
    };
    expect(refused("DoNotSchedule")).toEqual(["a node(s) didn't match pod topology spread constraints"]);
    expect(refused("ScheduleAnyway")).toEqual([]);
    const own = { topologyKey: "kubernetes.io/hostname", maxSkew: 5, whenUnsatisfiable: "ScheduleAnyway" };
    expect(refused("DoNotSchedule", { topologySpreadConstraints: [own] })).toEqual([]);
  });

  test.each([
    ["another kind", "apiVersion: v1\nkind: Pod", "KubeSchedulerConfiguration is needed"],
    ["extenders", file("extenders: []"), "extenders: not supported"],
    [
      "an unknown plugin",
      file("profiles: [{ plugins: { score: { enabled: [{ name: Coscheduling }] } } }]"),
      "no such plugin",
    ],
    ["an unknown point", file("profiles: [{ plugins: { after: {} } }]"), "no extension point"],
    ["two profiles of a name", file("profiles: [{}, {}]"), "the same schedulerName"],
    ["a number that is none", file("podMaxBackoffSeconds: soon"), "a number from 1 on"],
  ])("with %s is refused", (_, text, message) => {
    expect(() => readConfiguration(text)).toThrow(message);
  });
});

test.each([
  ["NodeName", "{ x: 1 }", "NodeName takes no arguments"],
  ["NodeResourcesFit", "{ scoring: {} }", "scoring: no such field: there are ignoredResources"],
  ["NodeResourcesFit", "{ kind: FitArgs }", "kind: NodeResourcesFitArgs is needed"],
  [
    "NodeResourcesFit",
    "{ ignoredResourceGroups: [a/b] }",
    "ignoredResourceGroups[0]: resource group name can't contain '/'",
  ],
  [
    "NodeResourcesFit",
    "{ scoringStrategy: { type: Least } }",
    'scoringStrategy.type: one of "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio" is needed, not "Least"',
  ],
  [
    "NodeResourcesFit",
    "{ scoringStrategy: { type: MostAllocated, resources: [{ name: cpu, weight: 101 }] } }",
    "scoringStrategy.resources[0].weight: a number from 1 to 100 is needed",
  ],
  [
    "NodeResourcesFit",
    "{ scoringStrategy: { type: RequestedToCapacityRatio } }",
    "requestedToCapacityRatio: must be specified when type is RequestedToCapacityRatio",
  ],
  [
    "NodeResourcesFit",
    "{ scoringStrategy: { type: RequestedToCapacityRatio, requestedToCapacityRatio: { shape: [{ utilization: 9 }, { utilization: 3 }] } } }",
    "shape[1].utilization: values must be sorted in increasing order",
  ],
  ["NodeResourcesBalancedAllocation", "{ resources: [{ name: cpu, weight: 2 }] }", "resources[0].weight: must be 1"],
  ["InterPodAffinity", "{ hardPodAffinityWeight: 101 }", "hardPodAffinityWeight: a number from 0 to 100 is needed"],
  [
    "DefaultPreemption",
    "{ minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 }",
    "cannot be zero at the same time as minCandidateNodesAbsolute",
  ],
  ["VolumeBinding", "{ bindTimeoutSeconds: -1 }", "bindTimeoutSeconds: a number from 0 on is needed"],
  [
    "PodTopologySpread",
    "{ defaultConstraints: [{ maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway }] }",
    'defaultingType: must be "List" when .defaultConstraints are not empty',
  ],
  [
    "PodTopologySpread",
    "{ defaultingType: List, defaultConstraints: [{ maxSkew: 0, topologyKey: a, whenUnsatisfiable: ScheduleAnyway }] }",
    "defaultConstraints[0].maxSkew: a number from 1 on is needed",
  ],
  [
    "PodTopologySpread",
    "{ defaultingType: List, defaultConstraints: [{ maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, labelSelector: {} }] }",
    "labelSelector: constraint must not define a selector",
  ],
  [
    "NodeAffinity",
    "{ addedAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: a, operator: In }] }] } } }",
    "matchExpressions[0].values: must be specified when operator is In",
  ],
])("arguments of %s that are wrong are told: %s", (name, args, message) => {
  const text = file(`profiles: [{ pluginConfig: [{ name: ${name}, args: ${args} }] }]`);
  expect(() => readConfiguration(text)).toThrow(message);
  expect(() => readConfiguration(text)).toThrow(`pluginConfig.${name}.args`);
});
