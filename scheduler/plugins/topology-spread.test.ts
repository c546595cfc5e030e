import { describe, expect, test } from "vitest";
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { failureMessage } from "../failure-message.ts";
import { cluster, node, type Placed, type PodSample, pod, schedule } from "../sample-cluster.ts";

type Constraint = NonNullable<PodSpec["topologySpreadConstraints"]>[number];

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";
const labels = { app: "web" };

const spread = (topologyKey: string, change: Partial<Constraint> = {}): Constraint => ({
  topologyKey,
  maxSkew: 1,
  whenUnsatisfiable: "DoNotSchedule",
  labelSelector: { matchLabels: labels },
  ...change,
});
const web = (name: string, sample: PodSample = {}) => pod(name, { labels, ...sample });
/** "aab": two Pods on a, one on b. */
const webs = (on: string): Placed[] => [...on].map((where, index) => [web(`w${index}`), where]);

/** a and b in zone x, c in zone y. */
const nodes = [node("a", { zone: "x" }), node("b", { zone: "x" }), node("c", { zone: "y" })];
const tainted = node("d", { zone: "z", spec: { taints: [{ key: "k", effect: "NoSchedule" }] } });
const fits = (sample: PodSample, placed: readonly Placed[], on = nodes) =>
  schedule(web("p", sample), cluster(on, placed))
    .verdicts.filter(({ refused }) => !refused)
    .map((verdict) => verdict.node)
    .sort();

describe("with DoNotSchedule a Pod may run on", () => {
  const only = (topologyKey: string, change: Partial<Constraint> = {}): PodSample => ({
    topologySpreadConstraints: [spread(topologyKey, change)],
  });
  test.each<readonly [string, PodSample, readonly Placed[], readonly string[]]>([
    ["any node, as the first", only(ZONE), [], ["a", "b", "c"]],
    ["the zone with fewer", only(ZONE), webs("a"), ["c"]],
    ["any zone when they are even", only(ZONE), webs("ac"), ["a", "b", "c"]],
    ["the node with fewer", only(HOST), webs("aab"), ["c"]],
    ["one more zone with a larger skew", only(ZONE, { maxSkew: 2 }), webs("a"), ["a", "b", "c"]],
    ["where both constraints agree", { topologySpreadConstraints: [spread(ZONE), spread(HOST)] }, webs("ac"), ["b"]],
    ["no more than the skew with too few domains", only(ZONE, { minDomains: 3 }), webs("ac"), []],
    [
      "any when its selector is not about it",
      only(ZONE, { labelSelector: { matchLabels: { app: "db" } } }),
      webs("aa"),
      ["a", "b", "c"],
    ],
    [
      "any, without a selector",
      { topologySpreadConstraints: [without(spread(ZONE), "labelSelector")] },
      webs("aa"),
      ["a", "b", "c"],
    ],
    [
      "the zone without its own version",
      { ...only(ZONE, { matchLabelKeys: ["version"] }), labels: { ...labels, version: "2" } },
      [
        [web("one", { labels: { ...labels, version: "1" } }), "c"],
        [web("two", { labels: { ...labels, version: "2" } }), "a"],
      ],
      ["c"],
    ],
    ["any, when the others are being deleted", only(ZONE), [[web("w", { deleting: true }), "a"]], ["a", "b", "c"]],
    [
      "any, when the others are in another namespace",
      only(ZONE),
      [[web("w", { namespace: "x" }), "a"]],
      ["a", "b", "c"],
    ],
  ])("%s", (_, sample, placed, expected) => {
    expect(fits(sample, placed)).toEqual(expected);
  });

  test.each<readonly [string, PodSample, readonly string[]]>([
    ["the nodes that it selects", { ...only(ZONE), nodeSelector: { [ZONE]: "x" } }, ["a", "b"]],
    [
      "all nodes when it says so",
      { ...only(ZONE, { nodeAffinityPolicy: "Ignore" }), nodeSelector: { [ZONE]: "x" } },
      [],
    ],
  ])("domains are made by %s", (_, sample, expected) => {
    expect(fits(sample, webs("a"))).toEqual(expected);
  });

  test.each<readonly [string, string, readonly string[]]>([
    ["count", "Ignore", []],
    ["do not count when it says so", "Honor", ["a", "b", "c"]],
  ])("nodes with a taint %s as domains", (_, nodeTaintsPolicy, expected) => {
    expect(fits(only(ZONE, { nodeTaintsPolicy }), webs("ac"), [...nodes, tainted])).toEqual(expected);
  });

  test("says why no node will do", () => {
    const decision = schedule(
      web("p", { ...only(ZONE), nodeSelector: { place: "here" } }),
      cluster(
        [
          node("a", { zone: "x", labels: { place: "here" } }),
          node("b", { labels: { place: "here" } }),
          node("c", { zone: "y", labels: { place: "here" }, spec: { unschedulable: true } }),
        ],
        webs("a"),
      ),
    );
    expect(failureMessage(decision)).toBe(
      "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, " +
        "1 node(s) didn't match pod topology spread constraints (missing required label), 1 node(s) were unschedulable.",
    );
    expect(decision.helpedBy).toContain("pod-placed");
  });
});

describe("as a preference a Pod goes", () => {
  const rs = (name: string) => ({ metadata: { name }, spec: { selector: { matchLabels: labels } } });
  const service = { metadata: { name: "web" }, spec: { selector: labels } };
  const soft = (change: Partial<Constraint> = {}): PodSample => ({
    topologySpreadConstraints: [spread(ZONE, { whenUnsatisfiable: "ScheduleAnyway", ...change })],
  });
  const big = { cpu: "64", memory: "512Gi", pods: "110" };
  const roomy = [
    node("a", { zone: "x", allocatable: big }),
    node("b", { zone: "x", allocatable: big }),
    node("c", { zone: "y", allocatable: big }),
  ];
  test.each<readonly [string, PodSample, readonly Placed[], object, string]>([
    ["to the zone with fewer", soft(), webs("b"), {}, "c"],
    ["to a node that is in a zone", soft(), [[web("w"), "a"]], {}, "c"],
    ["away from its ReplicaSet's Pods", { owner: "web" }, webs("a"), { replicasets: [rs("web")] }, "c"],
    ["away from its Service's Pods", {}, webs("a"), { services: [service] }, "c"],
    ["anywhere, in no group", {}, webs("cc"), {}, "a"],
    [
      "nowhere in particular, with hard constraints of its own",
      { topologySpreadConstraints: [spread(HOST, { maxSkew: 9 })] },
      webs("c"),
      { services: [service] },
      "a",
    ],
  ])("%s", (_, sample, placed, others, chosen) => {
    expect(schedule(web("p", sample), cluster(roomy, placed, others)).node).toBe(chosen);
  });

  test("first past a node that lacks the label", () => {
    const pair = [node("d", { allocatable: big }), node("a", { zone: "x", allocatable: big })];
    expect(schedule(web("p", soft()), cluster(pair, webs("a"))).node).toBe("a");
  });

  test("to all nodes alike, one after the other", () => {
    const placed: Placed[] = [];
    for (let n = 0; n < 9; n++) {
      const name = `p${n}`;
      const { node: chosen } = schedule(web(name), cluster(roomy, placed, { services: [service] }));
      placed.push([web(name), chosen as string]);
    }
    const perZone = placed.map(([, on]) => (on === "c" ? "y" : "x"));
    expect(perZone.filter((zone) => zone === "y").length).toBeGreaterThanOrEqual(3);
    expect(new Set(placed.map(([, on]) => on)).size).toBe(3);
  });
});

function without<T extends object, K extends keyof T>(object: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = object;
  return rest;
}
