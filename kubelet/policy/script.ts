/**
 * Script: the nft commands that bring the kernel from one set of policy rules to another. Pure.
 *
 * Only what changed is named, in one transaction: no packet sees a half-done change. Without a known state
 * before, the tables are made anew, in one transaction as well. Where bridged packets do not pass the IP
 * hooks (no br_netfilter), the same rules stand in a second table on the bridge.
 */
import { noRules, type PolicyRules, TABLE_SETS, type TableSet } from "./rules.ts";

export const TABLE = "k8ts-policy";

export type Family = "inet" | "bridge";

/** Just before others' filters, what leaves before what comes in. */
const HOOKS: Readonly<Record<Family, { readonly egress: string; readonly ingress: string }>> = {
  inet: { egress: "filter - 5", ingress: "filter - 4" },
  bridge: { egress: "-5", ingress: "-4" },
};

/** Without these, IPv6 neighbours do not find each other. */
const NEIGHBOURS =
  "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept ;";

/**
 * What was let in may be answered, whatever has changed since; a Pod reaches itself through its own Service.
 * What the node itself sends to its Pods, or they to it, is not forwarded and passes nothing of this.
 */
const PASSING = `ct state established,related accept ; ${NEIGHBOURS} ip saddr . ip daddr @self4 accept ; ip6 saddr . ip6 daddr @self6 accept ;`;

const base = (family: Family) => `
  map ingress4 { type ipv4_addr : verdict ; }
  map ingress6 { type ipv6_addr : verdict ; }
  map egress4 { type ipv4_addr : verdict ; }
  map egress6 { type ipv6_addr : verdict ; }
  set self4 { type ipv4_addr . ipv4_addr ; }
  set self6 { type ipv6_addr . ipv6_addr ; }
  chain leaving { type filter hook forward priority ${HOOKS[family].egress} ; ${PASSING} ip saddr vmap @egress4 ; ip6 saddr vmap @egress6 ; }
  chain coming { type filter hook forward priority ${HOOKS[family].ingress} ; ${PASSING} ip daddr vmap @ingress4 ; ip6 daddr vmap @ingress6 ; }
`;

/** The whole tables, whatever was there before; atomic. */
export function replaceAll(rules: PolicyRules, families: readonly Family[]): string {
  const tables = families.map((family) => `table ${family} ${TABLE} {${base(family)}}\n`);
  return removeAll() + tables.join("") + change(noRules, rules, families);
}

/** Both, whether they are there or not. */
export function removeAll(): string {
  return (["inet", "bridge"] as const)
    .map((family) => `add table ${family} ${TABLE}\ndelete table ${family} ${TABLE}\n`)
    .join("");
}

/** "" when nothing changed. */
export function change(before: PolicyRules, after: PolicyRules, families: readonly Family[]): string {
  return families.map((family) => changeOf(before, after, `${family} ${TABLE}`)).join("");
}

function changeOf(before: PolicyRules, after: PolicyRules, table: string): string {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  for (const [name, { type, elements }] of after.sets) {
    if (!before.sets.has(name)) say(`add set ${table} ${name} { type ${type} ; }`);
    changeElements(`${table} ${name}`, before.sets.get(name)?.elements ?? new Map(), elements, say);
  }
  const changed = [...after.chains].filter(([name, rules]) => before.chains.get(name)?.join("\n") !== rules.join("\n"));
  for (const [name] of changed) say(`add chain ${table} ${name}`);
  for (const [name, rules] of changed) {
    if (before.chains.has(name)) say(`flush chain ${table} ${name}`);
    for (const rule of rules) say(`add rule ${table} ${name} ${rule}`);
  }
  for (const set of TABLE_SETS) changeTableSet(table, set, before, after, say);

  const gone = [...before.chains.keys()].filter((name) => !after.chains.has(name));
  for (const name of gone) say(`flush chain ${table} ${name}`);
  for (const name of gone) say(`delete chain ${table} ${name}`);
  for (const name of before.sets.keys()) if (!after.sets.has(name)) say(`delete set ${table} ${name}`);
  return lines.length ? `${lines.join("\n")}\n` : "";
}

const changeTableSet = (
  table: string,
  set: TableSet,
  before: PolicyRules,
  after: PolicyRules,
  say: (line: string) => void,
) => changeElements(`${table} ${set}`, before.elements[set], after.elements[set], say);

/** A key whose value changed must be deleted and added: a map refuses a second value. */
function changeElements(
  set: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  say: (line: string) => void,
): void {
  if (before === after) return;
  const written = ([key, value]: readonly [string, string]) => (value ? `${key} : ${value}` : key);
  const gone = [...before].filter(([key, value]) => after.get(key) !== value);
  const come = [...after].filter(([key, value]) => before.get(key) !== value);
  if (gone.length) say(`delete element ${set} { ${gone.map(written).join(", ")} }`);
  if (come.length) say(`add element ${set} { ${come.map(written).join(", ")} }`);
}
