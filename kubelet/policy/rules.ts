/**
 * Rules: what nftables should hold for the policies that bind Pods of this node. Pure.
 *
 * A packet's Pod is looked up in one map, so that its cost does not grow with the number of Pods. Pods bound
 * by the same policies share a chain; it goes through theirs and drops what none allows. Whom a selector
 * means is a set that all rules with this selector share. What a rule's parts become: conditions.ts; which
 * change leads to which commands: script.ts.
 * https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";
import type { NetworkPolicy } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, matches, type Selector } from "../../machinery/objects/selectors.ts";
import { type ClusterSets, type Elements, elementsOf, keysOf } from "./cluster-sets.ts";
import { conditionsOf, type Direction, digest, type NeededSets, type RuleContext, type SetWish } from "./conditions.ts";
import type { PolicyPod } from "./policy-pod.ts";

export interface PolicyState {
  readonly policies: readonly NetworkPolicy[];
  /** Pods of this node. */
  readonly own: readonly PolicyPod[];
  /** All Pods of the cluster, by what rules ask of them. */
  readonly sets: Pick<ClusterSets, "elements">;
}

export interface PolicyRules {
  /** Chain ► its rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Set ► what it holds. */
  readonly sets: ReadonlyMap<string, PolicySet>;
  /** Map of the table ► address ► verdict; "self…" are sets of an address with itself. */
  readonly elements: Readonly<Record<TableSet, ReadonlyMap<string, string>>>;
}

export interface PolicySet {
  readonly type: string;
  readonly elements: Elements;
}

export const TABLE_SETS = ["ingress4", "ingress6", "egress4", "egress6", "self4", "self6"] as const;
export type TableSet = (typeof TABLE_SETS)[number];

const SUFFIX: Readonly<Record<IpFamily, "4" | "6">> = { IPv4: "4", IPv6: "6" };
const FAMILIES = Object.keys(SUFFIX) as IpFamily[];
const DIRECTIONS: readonly Direction[] = ["ingress", "egress"];

type Build = {
  readonly chains: Map<string, readonly string[]>;
  readonly sets: Map<string, PolicySet>;
  readonly elements: Record<TableSet, Map<string, string>>;
};

export function rulesOf(state: PolicyState): PolicyRules {
  const build = newRules();
  const needed: NeededSets = new Map();
  const families = FAMILIES.filter((family) =>
    state.own.some(({ addresses }) => addresses.some((address) => familyOf(address) === family)),
  );
  const byNamespace = Map.groupBy(state.policies.map(readPolicy), ({ namespace }) => namespace);
  for (const pod of state.own) {
    const binding = (byNamespace.get(pod.namespace) ?? []).filter(({ pods }) => matches(pods, pod.labels));
    for (const direction of DIRECTIONS) {
      const policies = binding.filter(({ directions }) => directions.includes(direction)).map(({ policy }) => policy);
      if (policies.length) bind(build, { needed, families }, pod, direction, policies);
    }
  }
  for (const [name, wish] of needed) {
    for (const family of families)
      build.sets.set(`${name}${SUFFIX[family]}`, {
        type: typeOf(wish, family),
        elements: held(name, wish, family, state),
      });
  }
  return build;
}

interface ReadPolicy {
  readonly policy: NetworkPolicy;
  readonly namespace: string;
  readonly pods: Selector;
  readonly directions: readonly Direction[];
}

const readPolicy = (policy: NetworkPolicy): ReadPolicy => ({
  policy,
  namespace: policy.metadata.namespace ?? "",
  pods: fromLabelSelector(policy.spec?.podSelector ?? {}),
  directions: typesOf(policy),
});

export const noRules: PolicyRules = newRules();

function newRules(): Build {
  const elements = Object.fromEntries(TABLE_SETS.map((name) => [name, new Map<string, string>()]));
  return { chains: new Map(), sets: new Map(), elements: elements as Record<TableSet, Map<string, string>> };
}

function typesOf({ spec }: NetworkPolicy): readonly Direction[] {
  const types = spec?.policyTypes ?? (spec?.egress?.length ? ["Ingress", "Egress"] : ["Ingress"]);
  return types.map((type) => (type === "Egress" ? "egress" : "ingress"));
}

function bind(
  { chains, elements }: Build,
  context: Pick<RuleContext, "needed" | "families">,
  pod: PolicyPod,
  direction: Direction,
  policies: readonly NetworkPolicy[],
): void {
  const names = policies.map((policy) => policyChain(policy, direction)).sort();
  const shared = `${direction}-${digest(names.join())}`;
  for (const policy of chains.has(shared) ? [] : policies) {
    const name = policyChain(policy, direction);
    if (!chains.has(name)) chains.set(name, allowing(policy, { ...context, direction }));
  }
  chains.set(shared, [...names.filter((name) => chains.get(name)?.length).map((name) => `jump ${name}`), "drop"]);
  for (const address of pod.addresses) {
    const family = familyOf(address);
    if (!family) continue;
    elements[`${direction}${SUFFIX[family]}`].set(address, `goto ${shared}`);
    elements[`self${SUFFIX[family]}`].set(`${address} . ${address}`, "");
  }
}

/** One nft rule for each way in which a rule of the policy lets something through. */
function allowing({ metadata, spec }: NetworkPolicy, context: Omit<RuleContext, "namespace">): readonly string[] {
  const rules =
    context.direction === "ingress"
      ? (spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
      : (spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
  const namespace = metadata.namespace ?? "";
  return rules.flatMap((rule) => conditionsOf(rule, { ...context, namespace }).map(accepted));
}

const accepted = (conditions: string) => (conditions ? `${conditions} accept` : "accept");

/** What comes in comes to a Pod of this node; what leaves goes anywhere. */
function held(name: string, wish: SetWish, family: IpFamily, { own, sets }: PolicyState): Elements {
  if (wish.kind === "peers" || wish.direction === "egress") return sets.elements(name, wish, family);
  return elementsOf(
    own.flatMap((pod) => keysOf(wish, pod)),
    family,
  );
}

const typeOf = ({ kind }: SetWish, family: IpFamily): string =>
  `${family === "IPv4" ? "ipv4_addr" : "ipv6_addr"}${kind === "ports" ? " . inet_service" : ""}`;

/** Readable and unique: nft allows 128 characters. */
function policyChain({ metadata: { namespace, name } }: NetworkPolicy, direction: Direction): string {
  const readable = `${namespace}-${name}`.slice(0, 80).replaceAll(".", "-");
  return `${direction}-of-${digest(`${namespace}/${name}`)}-${readable}`;
}
