import { describe, expect, test } from "vitest";
import type { Namespace, PodSpec } from "../../machinery/objects/kinds.ts";
import { failureMessage } from "../failure-message.ts";
import { cluster, node, type Placed, type PodSample, pod, schedule } from "../sample-cluster.ts";

type Affinity = NonNullable<PodSpec["affinity"]>;
type Term = NonNullable<NonNullable<Affinity["podAffinity"]>["requiredDuringSchedulingIgnoredDuringExecution"]>[number];

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";
const app = (name: string) => ({ matchLabels: { app: name } });
const term = (labelSelector: Term["labelSelector"], topologyKey = ZONE, more: Partial<Term> = {}): Term => ({
  topologyKey,
  ...(labelSelector ? { labelSelector } : {}),
  ...more,
});

const near = (...terms: Term[]): PodSample => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const apart = (...terms: Term[]): PodSample => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});
const preferring = (weight: number, podAffinityTerm: Term): PodSample => ({
  affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] } },
});
const avoiding = (weight: number, podAffinityTerm: Term): PodSample => ({
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] } },
});

const named = (name: string, label: string, sample: PodSample = {}) => pod(name, { labels: { app: label }, ...sample });
const namespaces = (labels: Record<string, Record<string, string>>) => ({
  namespaces: Object.entries(labels).map(
    ([name, own]): Namespace => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "", labels: own },
    }),
  ),
});

/** a and b in zone x, c in zone y, d in none. */
const nodes = [node("a", { zone: "x" }), node("b", { zone: "x" }), node("c", { zone: "y" }), node("d")];
const fits = (sample: PodSample, placed: readonly Placed[], others = {}) =>
  schedule(pod("p", sample), cluster(nodes, placed, others))
    .verdicts.filter(({ refused }) => !refused)
    .map((verdict) => verdict.node)
    .sort();

describe("a Pod may run on", () => {
  const db = [named("db", "db"), "a"] as const;
  test.each<readonly [string, PodSample, readonly Placed[], readonly string[]]>([
    ["its mate's zone", near(term(app("db"))), [db], ["a", "b"]],
    ["its mate's node", near(term(app("db"), HOST)), [db], ["a"]],
    ["no node without its mate", near(term(app("db"))), [], []],
    ["no node when its mate is in no domain", near(term(app("db"))), [[named("db", "db"), "d"]], []],
    [
      "no node when two mates are two Pods",
      near(term(app("db")), term(app("web"))),
      [db, [named("w", "web"), "a"]],
      [],
    ],
    [
      "any node in a domain, as the first of its kind",
      { ...near(term(app("web"))), labels: { app: "web" } },
      [],
      ["a", "b", "c"],
    ],
    [
      "the zone of the first of its kind",
      { ...near(term(app("web"))), labels: { app: "web" } },
      [[named("w", "web"), "c"]],
      ["c"],
    ],
    ["zones without what it avoids", apart(term(app("db"))), [db], ["c", "d"]],
    ["nodes without what it avoids", apart(term(app("db"), HOST)), [db], ["b", "c", "d"]],
    [
      "zones whose Pods do not avoid it",
      { labels: { app: "web" } },
      [[named("db", "db", apart(term(app("web")))), "a"]],
      ["c", "d"],
    ],
    [
      "any node, when Pods avoid another",
      { labels: { app: "web" } },
      [[named("db", "db", apart(term(app("cache")))), "a"]],
      ["a", "b", "c", "d"],
    ],
    ["any node, with a term without a selector", apart(term(undefined)), [db], ["a", "b", "c", "d"]],
    ["zones without any Pod, with an empty selector", apart(term({})), [db], ["c", "d"]],
    [
      "zones without its own version",
      { ...apart(term(app("web"), ZONE, { matchLabelKeys: ["version", "absent"] })), labels: { version: "2" } },
      [
        [named("one", "web", { labels: { app: "web", version: "1" } }), "a"],
        [named("two", "web", { labels: { app: "web", version: "2" } }), "c"],
      ],
      ["a", "b", "d"],
    ],
    [
      "zones without other tenants",
      { ...apart(term(app("web"), ZONE, { mismatchLabelKeys: ["tenant"] })), labels: { tenant: "me" } },
      [
        [named("mine", "web", { labels: { app: "web", tenant: "me" } }), "a"],
        [named("other", "web", { labels: { app: "web", tenant: "you" } }), "c"],
      ],
      ["a", "b", "d"],
    ],
  ])("%s", (_, sample, placed, expected) => {
    expect(fits(sample, placed)).toEqual(expected);
  });
});

describe("a term is about the Pods of", () => {
  const there = [named("db", "db", { namespace: "data" }), "a"] as const;
  const known = namespaces({ default: {}, data: { team: "red" } });
  test.each<readonly [string, Partial<Term>, boolean]>([
    ["its own namespace", {}, false],
    ["the namespaces it names", { namespaces: ["data"] }, true],
    ["the namespaces it selects", { namespaceSelector: { matchLabels: { team: "red" } } }, true],
    ["none that it does not select", { namespaceSelector: { matchLabels: { team: "blue" } } }, false],
    ["all, with an empty selector", { namespaceSelector: {} }, true],
    [
      "both those it names and those it selects",
      { namespaces: ["data"], namespaceSelector: { matchLabels: { a: "b" } } },
      true,
    ],
  ])("%s", (_, where, concerned) => {
    expect(fits(near(term(app("db"), ZONE, where)), [there], known)).toEqual(concerned ? ["a", "b"] : []);
    // The other way round the term's own namespace is "data", and the Pod to be placed is in "default".
    const back = where.namespaces ? { ...where, namespaces: ["default"] } : where;
    const avoided = [named("db", "db", { namespace: "data", ...apart(term(app("web"), ZONE, back)) }), "a"] as const;
    const labelled = namespaces({ default: { team: "red" }, data: {} });
    expect(fits({ labels: { app: "web" } }, [avoided], labelled)).toEqual(
      concerned ? ["c", "d"] : ["a", "b", "c", "d"],
    );
  });
});

test("a term that selects namespaces is not about its own", () => {
  const selecting = term(app("db"), ZONE, { namespaceSelector: { matchLabels: { team: "red" } } });
  expect(fits(near(selecting), [[named("db", "db"), "a"]], namespaces({ default: {}, data: { team: "red" } }))).toEqual(
    [],
  );
});

test.each<readonly [PodSample, readonly Placed[], string]>([
  [near(term(app("db"))), [], "4 node(s) didn't match pod affinity rules"],
  [apart(term(app("db"), "all")), [[named("db", "db"), "a"]], "4 node(s) didn't match pod anti-affinity rules"],
  [
    { labels: { app: "web" } },
    [[named("db", "db", apart(term(app("web"), "all"))), "a"]],
    "4 node(s) didn't satisfy existing pods anti-affinity rules",
  ],
])("says why no node will do: %#", (sample, placed, reason) => {
  const all = nodes.map(({ metadata }) => node(metadata.name, { labels: { ...metadata.labels, all: "" } }));
  const decision = schedule(pod("p", sample), cluster(all, placed));
  expect(failureMessage(decision)).toBe(`0/4 nodes are available: ${reason}.`);
});

describe("of nodes that fit, a Pod goes", () => {
  const pair = [node("a"), node("b")];
  test.each<readonly [string, PodSample, readonly Placed[], string]>([
    ["near what it prefers", preferring(50, term(app("db"), HOST)), [[named("db", "db"), "b"]], "b"],
    ["away from what it would avoid", avoiding(50, term(app("db"), HOST)), [[named("db", "db"), "a"]], "b"],
    [
      "where another prefers it",
      { labels: { app: "web" } },
      [[named("db", "db", preferring(50, term(app("web"), HOST))), "b"]],
      "b",
    ],
    [
      "away from where another would avoid it",
      { labels: { app: "web" } },
      [[named("db", "db", avoiding(50, term(app("web"), HOST))), "a"]],
      "b",
    ],
    [
      "where another required one like it",
      { labels: { app: "web" } },
      [[named("db", "db", near(term(app("web"), HOST))), "b"]],
      "b",
    ],
  ])("%s", (_, sample, placed, chosen) => {
    expect(schedule(pod("p", sample), cluster(pair, placed)).node).toBe(chosen);
  });
});
