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
import { fromLabelSelector, type Labels, matches } from "../../machinery/objects/selectors.ts";
import {
  conditionsOf,
  type Direction,
  digest,
  type NeededSets,
  newNeededSets,
  type PeerGroup,
  type RuleContext,
} from "./conditions.ts";
import type { PolicyPod } from "./policy-pod.ts";

export interface PolicyState {
  readonly policies: readonly NetworkPolicy[];
  /** Name ► labels. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  readonly pods: readonly PolicyPod[];
  readonly nodeName: string;
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
  /** Address, or address and port, ► "". */
  readonly elements: ReadonlyMap<string, string>;
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
  const needed = newNeededSets();
  const byNamespace = Map.groupBy(state.policies, ({ metadata }) => metadata.namespace ?? "");
  const own = state.pods.filter((pod) => pod.nodeName === state.nodeName);
  const families = FAMILIES.filter((family) => own.some((pod) => ofFamily(pod, family).length));
  for (const pod of own) {
    const binding = (byNamespace.get(pod.namespace) ?? []).filter(({ spec }) =>
      matches(fromLabelSelector(spec?.podSelector ?? {}), pod.labels),
    );
    for (const direction of DIRECTIONS) {
      const policies = binding.filter((policy) => typesOf(policy).includes(direction));
      if (policies.length) bind(build, { needed, families }, pod, direction, policies);
    }
  }
  fillSets(build, needed, families, state, own);
  return build;
}

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

function fillSets(
  { sets }: Build,
  needed: NeededSets,
  families: readonly IpFamily[],
  state: PolicyState,
  own: readonly PolicyPod[],
): void {
  const podsOf = Map.groupBy(state.pods, ({ namespace }) => namespace);
  for (const [name, group] of needed.peers) {
    const members = membersOf(group, state.namespaces, podsOf);
    for (const family of families) {
      const addresses = members.flatMap((pod) => ofFamily(pod, family));
      sets.set(`${name}${SUFFIX[family]}`, { type: addressType(family), elements: keysOf(addresses) });
    }
  }
  for (const [name, { direction, protocol, port }] of needed.ports) {
    // What comes in comes to a Pod of this node; what leaves goes anywhere.
    const pods = direction === "ingress" ? own : state.pods;
    for (const family of families) {
      const places = pods.flatMap((pod) =>
        pod.ports
          .filter((one) => one.name === port && one.protocol === protocol)
          .flatMap((one) => ofFamily(pod, family).map((address) => `${address} . ${one.port}`)),
      );
      const type = `${addressType(family)} . inet_service`;
      sets.set(`${name}${SUFFIX[family]}`, { type, elements: keysOf(places) });
    }
  }
}

function membersOf(
  { namespaces, pods }: PeerGroup,
  labelsOf: ReadonlyMap<string, Labels>,
  podsOf: ReadonlyMap<string, readonly PolicyPod[]>,
): readonly PolicyPod[] {
  const meant =
    typeof namespaces === "string"
      ? [namespaces]
      : [...labelsOf].filter(([, labels]) => matches(namespaces, labels)).map(([name]) => name);
  return meant.flatMap((name) => (podsOf.get(name) ?? []).filter(({ labels }) => matches(pods, labels)));
}

const ofFamily = ({ addresses }: PolicyPod, family: IpFamily): readonly string[] =>
  addresses.filter((address) => familyOf(address) === family);

const addressType = (family: IpFamily) => (family === "IPv4" ? "ipv4_addr" : "ipv6_addr");

const keysOf = (keys: readonly string[]): ReadonlyMap<string, string> => new Map(keys.map((key) => [key, ""]));

/** Readable and unique: nft allows 128 characters. */
function policyChain({ metadata: { namespace, name } }: NetworkPolicy, direction: Direction): string {
  const readable = `${namespace}-${name}`.slice(0, 80).replaceAll(".", "-");
  return `${direction}-of-${digest(`${namespace}/${name}`)}-${readable}`;
}
