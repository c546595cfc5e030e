/**
 * Decide: where one Pod goes, by the plugins of its profile. Pure, and at once.
 *
 * A node passes when no filter refuses it; the first refusal counts, in the plugins' order. Of many nodes only
 * as many are looked for as make a good choice, going on where the last search ended, so that all have their turn.
 * Pods for which room is made on a node (nominated) count there, for Pods that are no more important.
 * What follows from a decision: attempt.ts. Its words: failure-message.ts.
 */
import type { Cluster } from "./cluster.ts";
import type { NamedFilter, Nominations, Refused } from "./framework.ts";
import type { PodInfo } from "./pod-info.ts";
import type { Profile, Scoring } from "./profile.ts";
import { copyOf, type NodeInfo, putPod } from "./snapshot.ts";
import { type ClassVerdicts, kept, type VerdictMemo } from "./verdict-memo.ts";

/** A plugin's no to a node, or to all of them. One value for all nodes with the same. */
export interface Refusal extends Refused {
  readonly plugin: string;
}

/** What one plugin says of the nodes that fit, in their order: from 0 to 100, before its weight. */
export interface PluginScores {
  readonly plugin: string;
  readonly weight: number;
  readonly scores: Float64Array;
}

export interface Decision {
  /** Absent: no node fits. */
  readonly node?: NodeInfo;
  /** How many nodes there are. */
  readonly nodes: number;
  /** The nodes that were asked, beginning where the search began. */
  readonly asked: readonly NodeInfo[];
  /** For each of them why not; undefined: it fits. */
  readonly refusals: readonly (Refusal | undefined)[];
  /** Refused before any node was asked. */
  readonly nowhere?: Refusal;
  /** Why the others of all nodes need not be asked. */
  readonly others?: Refusal;
  readonly fitting: readonly NodeInfo[];
  /** Empty where only one node fits. */
  readonly scores: readonly PluginScores[];
  /** Names of plugins whose hints may help, where no node fits. */
  readonly refusedBy: ReadonlySet<string>;
  /** The filters that concern the Pod. */
  readonly filters: readonly NamedFilter[];
}

export interface Search {
  random(): number;
  /** Where among the nodes to begin. */
  readonly start?: number;
  /** Ask this node alone. */
  readonly only?: string;
  /** Look at every node, for whoever wants to know of all. */
  readonly all?: boolean;
  readonly nominations?: Nominations & { readonly size: number };
  /** What was said of nodes for Pods before. */
  readonly memo?: VerdictMemo;
}

export function decide(pod: PodInfo, cluster: Cluster, profile: Profile, search: Search): Decision {
  const nodes = cluster.nodes.length;
  const nothing = {
    nodes,
    asked: [],
    refusals: [],
    fitting: [],
    scores: [],
    filters: [],
    refusedBy: new Set<string>(),
  };
  if (nodes === 0) return nothing;
  const prepared = prepare(pod, cluster, profile);
  if ("reasons" in prepared) return { ...nothing, nowhere: prepared, refusedBy: new Set([prepared.plugin]) };

  const { filters, only, limiting } = prepared;
  const others: Refusal | undefined = only && absent(limiting);
  const candidates = candidatesOf(cluster, only, search.only);
  const wanted = search.all ? nodes : enough(candidates.length, profile.percentageOfNodesToScore);
  const known = candidates === cluster.nodes ? search.memo?.of(pod, profile) : undefined;
  const found = findFitting(pod, cluster, candidates, filters, search, wanted, known);
  const common = { ...found, nodes, filters, ...(others && candidates.length < nodes ? { others } : {}) };
  if (found.fitting.length === 0) {
    return { ...common, scores: [], refusedBy: pluginsOf(found.refusals, limiting) };
  }
  const scores = scoresOf(pod, cluster, found, profile.scoring, known);
  return { ...common, node: pick(found.fitting, scores, search), scores, refusedBy: nothing.refusedBy };
}

function pluginsOf(refusals: readonly (Refusal | undefined)[], others: readonly string[]): ReadonlySet<string> {
  const plugins = new Set(others);
  let last: Refusal | undefined;
  for (const refusal of refusals) {
    if (refusal && refusal !== last) plugins.add(refusal.plugin);
    last = refusal;
  }
  return plugins;
}

function candidatesOf(cluster: Cluster, only: ReadonlySet<string> | undefined, one: string | undefined) {
  const named = (names: Iterable<string>) => [...names].flatMap((name) => cluster.node(name) ?? []);
  if (one !== undefined) return only?.has(one) === false ? [] : named([one]);
  return only ? named(only) : cluster.nodes;
}

interface Prepared {
  readonly filters: readonly NamedFilter[];
  readonly only: ReadonlySet<string> | undefined;
  /** The plugins that said `only`. */
  readonly limiting: readonly string[];
}

function prepare(pod: PodInfo, cluster: Cluster, { filtering }: Profile): Prepared | Refusal {
  const filters: NamedFilter[] = [];
  const limiting: string[] = [];
  let only: ReadonlySet<string> | undefined;
  for (const plugin of filtering) {
    const filter = plugin.preFilter?.(pod, cluster);
    if (!filter) continue;
    if ("reasons" in filter) return { plugin: plugin.name, ...filter };
    filters.push({ plugin: plugin.name, filter });
    if (!filter.only) continue;
    limiting.push(plugin.name);
    only = only ? only.intersection(filter.only) : filter.only;
    if (only.size === 0) return { plugin: plugin.name, reasons: [contradiction(limiting)], final: true };
  }
  return { filters, only, limiting };
}

const contradiction = (plugins: readonly string[]): string =>
  plugins.length === 1
    ? `node(s) didn't satisfy plugin ${plugins[0]}`
    : `node(s) didn't satisfy plugin(s) [${[...plugins].sort().join(" ")}] simultaneously`;

const absent = (plugins: readonly string[]): Refusal => ({
  plugin: plugins[0] ?? "",
  reasons: [`node(s) didn't satisfy plugin(s) [${[...plugins].sort().join(" ")}]`],
  final: true,
});

const FEWEST = 100;

/** As Kubernetes: of many nodes a share, the smaller the more there are. */
export function enough(nodes: number, percentage: number): number {
  if (nodes < FEWEST || percentage >= 100) return nodes;
  const share = percentage > 0 ? percentage : Math.max(50 - Math.floor(nodes / 125), 5);
  return Math.max(Math.floor((nodes * share) / 100), FEWEST);
}

interface Found extends Pick<Decision, "asked" | "refusals" | "fitting"> {
  /** The slots of those that fit, where verdicts are kept. */
  readonly slots: readonly number[];
}

function findFitting(
  pod: PodInfo,
  cluster: Cluster,
  nodes: readonly NodeInfo[],
  filters: readonly NamedFilter[],
  { start = 0, nominations, memo }: Search,
  wanted: number,
  known: ClassVerdicts | undefined,
): Found {
  const asked: NodeInfo[] = [];
  const refusals: (Refusal | undefined)[] = [];
  const fitting: NodeInfo[] = [];
  const slots: number[] = [];
  const name = createNaming(memo?.named);
  const [local, others] = parted(filters, known);
  /** Where nobody is to come, the filters that have been asked already are not asked again. */
  const judge = (node: NodeInfo, all: readonly NamedFilter[], left = all) => {
    const nominated = nominations?.size ? nominations.on(node.name) : NOBODY;
    return nominated.length > 0 ? refusalWith(pod, node, nominated, all, name) : firstRefusal(node, left, name);
  };
  const judgeLocal = (node: NodeInfo) => judge(node, local);
  const fast = known && !nominations?.size ? slotChecks(others) : undefined;
  const own = nominations?.of(pod.pod.metadata.uid);
  const { slots: everySlot, generations } = cluster;
  for (let n = 0, at = start % nodes.length; n < nodes.length && fitting.length < wanted; n++, at++) {
    if (at === nodes.length) at = 0;
    const node = nodes[at] as NodeInfo;
    const slot = everySlot[at] as number;
    // for its own nomination it is not as others that ask for the same
    const mine = own !== undefined && node.name === own;
    let refusal =
      known && !mine ? kept(known.refusals, slot, generations[slot] as number, node, judgeLocal) : undefined;
    if (mine) refusal = judge(node, filters);
    else if (!refusal && fast) refusal = firstAtSlot(slot, fast, name);
    else if (!refusal && others.length > 0) refusal = judge(node, filters, others);
    asked.push(node);
    refusals.push(refusal);
    if (refusal) continue;
    fitting.push(node);
    if (known) slots.push(slot);
  }
  return { asked, refusals, fitting, slots };
}

type SlotCheck = { readonly plugin: string; readonly check: (slot: number) => Refused | undefined };

/** Undefined where one of the filters has to see the nodes. */
function slotChecks(filters: readonly NamedFilter[]): readonly SlotCheck[] | undefined {
  const checks: SlotCheck[] = [];
  for (const { plugin, filter } of filters) {
    if (!filter.checkSlot) return undefined;
    checks.push({ plugin, check: filter.checkSlot });
  }
  return checks;
}

function firstAtSlot(slot: number, checks: readonly SlotCheck[], name: Naming): Refusal | undefined {
  for (const { plugin, check } of checks) {
    const no = check(slot);
    if (no) return name(plugin, no);
  }
  return undefined;
}

/** Filters that go by the node alone come first in every profile: what they said need not be said again. */
function parted(filters: readonly NamedFilter[], known: ClassVerdicts | undefined) {
  if (!known) return [[], filters] as const;
  const ends = filters.findIndex(({ filter }) => !filter.local);
  return ends < 0 ? ([filters, []] as const) : ([filters.slice(0, ends), filters.slice(ends)] as const);
}

const NOBODY: readonly PodInfo[] = [];

type Naming = (plugin: string, no: Refused) => Refusal;

/** One Refusal for each Refused that a plugin shares between nodes. */
function createNaming(named = new WeakMap<Refused, Refusal>()): Naming {
  let last: { readonly no: Refused; readonly refusal: Refusal } | undefined;
  return (plugin, no) => {
    if (last?.no === no && last.refusal.plugin === plugin) return last.refusal;
    let refusal = named.get(no);
    if (refusal?.plugin !== plugin) {
      refusal = { plugin, reasons: no.reasons, final: no.final };
      named.set(no, refusal);
    }
    last = { no, refusal };
    return refusal;
  };
}

function firstRefusal(node: NodeInfo, filters: readonly NamedFilter[], name: Naming): Refusal | undefined {
  for (const { plugin, filter } of filters) {
    const no = filter.check(node);
    if (no) return name(plugin, no);
  }
  return undefined;
}

/** The Pod must fit with the Pods that are to come, and without them: they may be late, and it may need them near. */
function refusalWith(
  pod: PodInfo,
  node: NodeInfo,
  nominated: readonly PodInfo[],
  filters: readonly NamedFilter[],
  name: Naming,
): Refusal | undefined {
  const { uid } = pod.pod.metadata;
  const coming = nominated.filter((other) => other.priority >= pod.priority && other.pod.metadata.uid !== uid);
  if (coming.length > 0) {
    const later = copyOf(node);
    for (const other of coming) {
      putPod(later, other);
      for (const { filter } of filters) filter.add?.(other, later);
    }
    const refusal = firstRefusal(later, filters, name);
    for (const other of coming) for (const { filter } of filters) filter.remove?.(other, later);
    if (refusal) return refusal;
  }
  return firstRefusal(node, filters, name);
}

/** Whether the Pod fits on a node that is as given, Pods that are to come to it counted. */
export function fits(
  pod: PodInfo,
  node: NodeInfo,
  filters: readonly NamedFilter[],
  nominations: Nominations,
): Refusal | undefined {
  const nominated = nominations.on(node.name);
  return nominated.length === 0
    ? firstRefusal(node, filters, createNaming())
    : refusalWith(pod, node, nominated, filters, createNaming());
}

function scoresOf(
  pod: PodInfo,
  cluster: Cluster,
  { fitting, slots }: Found,
  scoring: readonly Scoring[],
  known: ClassVerdicts | undefined,
): readonly PluginScores[] {
  if (fitting.length <= 1) return [];
  const all: PluginScores[] = [];
  for (const { plugin, weight } of scoring) {
    const scorer = plugin.preScore?.(pod, cluster, fitting, known && slots);
    if (!scorer) continue;
    const scores = new Float64Array(fitting.length);
    const judge = (node: NodeInfo) => scorer.score(node);
    if (scorer.local && known) {
      const column = known.scores(plugin.name);
      for (let n = 0; n < scores.length; n++) {
        const slot = slots[n] as number;
        scores[n] = kept(column, slot, cluster.generations[slot] as number, fitting[n] as NodeInfo, judge);
      }
    } else if (scorer.scoreSlot && known)
      for (let n = 0; n < scores.length; n++) scores[n] = scorer.scoreSlot(slots[n] as number);
    else for (let n = 0; n < scores.length; n++) scores[n] = judge(fitting[n] as NodeInfo);
    scorer.normalize?.(scores);
    for (let n = 0; n < scores.length; n++) scores[n] = Math.floor(scores[n] as number);
    all.push({ plugin: plugin.name, weight, scores });
  }
  return all;
}

/** One of the best, so that equal nodes share the load. */
function pick(fitting: readonly NodeInfo[], all: readonly PluginScores[], { random }: Search): NodeInfo {
  const totals = new Float64Array(fitting.length);
  for (const { weight, scores } of all)
    for (let n = 0; n < totals.length; n++) totals[n] = (totals[n] as number) + weight * (scores[n] as number);
  let [most, equals] = [Number.NEGATIVE_INFINITY, 0];
  for (const total of totals) {
    if (total > most) [most, equals] = [total, 1];
    else if (total === most) equals++;
  }
  let chosen = Math.floor(random() * equals);
  for (let n = 0; n < totals.length; n++) if (totals[n] === most && chosen-- === 0) return fitting[n] as NodeInfo;
  return fitting[0] as NodeInfo;
}

/** One node's verdict, for people. */
export interface Verdict {
  readonly node: string;
  /** Absent: the Pod fits. */
  readonly refused?: Refusal;
  /** What each plugin made of it, and all together; absent where there was no choice. */
  readonly scores?: Readonly<Record<string, number>>;
  readonly total?: number;
}

/** Of the nodes that were asked. */
export function verdictsOf({ asked, refusals, scores }: Decision): readonly Verdict[] {
  let at = 0;
  return asked.map(({ name: node }, n) => {
    const refusal = refusals[n];
    if (refusal) return { node, refused: refusal };
    const place = at++;
    if (scores.length === 0) return { node };
    const total = scores.reduce((sum, one) => sum + one.weight * (one.scores[place] ?? 0), 0);
    return { node, total, scores: Object.fromEntries(scores.map((one) => [one.plugin, one.scores[place] ?? 0])) };
  });
}

/** The largest becomes 100, or 0 where `reverse` makes the smallest the best. */
export function proportional(scores: Float64Array, reverse = false): void {
  let most = 0;
  for (const score of scores) if (score > most) most = score;
  for (let n = 0; n < scores.length; n++) {
    const share = most === 0 ? 0 : (100 * (scores[n] as number)) / most;
    scores[n] = reverse ? 100 - share : share;
  }
}
