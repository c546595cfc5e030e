/**
 * Script: the nft commands that bring the kernel from one set of rules to another. Pure.
 *
 * Only what changed is named, in one transaction: connections of other Services are never touched,
 * and no packet sees a half-done change. Without a known state before, the table is made anew.
 */
import { type ElementSet, MASQUERADE_MARK, type Rules } from "./rules.ts";

export const TABLE = "k8ts-proxy";

const SETS: Readonly<Record<ElementSet, string>> = {
  services: "map services { type ipv4_addr . inet_proto . inet_service : verdict ; }",
  "node-ports": "map node-ports { type inet_proto . inet_service : verdict ; }",
  refused: "map refused { type ipv4_addr . inet_proto . inet_service : verdict ; }",
  "refused-node-ports": "map refused-node-ports { type inet_proto . inet_service : verdict ; }",
  hairpins: "set hairpins { type ipv4_addr . ipv4_addr ; }",
};

const setNames = Object.keys(SETS) as ElementSet[];

/** Looks up the address first, then, for addresses of this machine, the node port. */
const dispatch = (map: ElementSet, ports: ElementSet, only = "") =>
  `${only}ip daddr . meta l4proto . th dport vmap @${map} ; ${only}fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @${ports} ;`;

const refuse = dispatch("refused", "refused-node-ports", "ct state new ");

const BASE = `
  ${Object.values(SETS).join("\n  ")}
  chain no-endpoints { reject ; }
  chain translate-incoming { type nat hook prerouting priority dstnat ; ${dispatch("services", "node-ports")} }
  chain translate-own { type nat hook output priority -100 ; ${dispatch("services", "node-ports")} }
  chain masquerade-marked {
    type nat hook postrouting priority srcnat ;
    meta mark & ${MASQUERADE_MARK} == ${MASQUERADE_MARK} meta mark set meta mark xor ${MASQUERADE_MARK} masquerade fully-random ;
    ct status dnat ip saddr . ip daddr @hairpins masquerade fully-random ;
  }
  chain refuse-incoming { type filter hook input priority filter - 1 ; ${refuse} }
  chain refuse-forwarded { type filter hook forward priority filter - 1 ; ${refuse} }
  chain refuse-own { type filter hook output priority filter - 1 ; ${refuse} }
`;

/** The whole table, whatever was there before; atomic. */
export function replaceAll(rules: Rules): string {
  const empty = `add table ip ${TABLE}\ndelete table ip ${TABLE}\ntable ip ${TABLE} {${BASE}}\n`;
  return empty + change(noRules, rules);
}

/** "" when nothing changed. */
export function change(before: Rules, after: Rules): string {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);

  for (const [map, seconds] of after.affinities) {
    if (before.affinities.has(map)) continue;
    say(
      `add map ip ${TABLE} ${map} { type ipv4_addr : ipv4_addr . inet_service ; flags dynamic,timeout ; timeout ${seconds}s ; size 65535 ; }`,
    );
  }
  const changed = [...after.chains].filter(([name, rules]) => before.chains.get(name)?.join("\n") !== rules.join("\n"));
  for (const [name] of changed) say(`add chain ip ${TABLE} ${name}`);
  for (const [name, rules] of changed) {
    if (before.chains.has(name)) say(`flush chain ip ${TABLE} ${name}`);
    for (const rule of rules) say(`add rule ip ${TABLE} ${name} ${rule}`);
  }
  for (const set of setNames) changeElements(set, before.elements[set], after.elements[set], say);

  const goneChains = [...before.chains.keys()].filter((name) => !after.chains.has(name));
  for (const name of goneChains) say(`flush chain ip ${TABLE} ${name}`);
  for (const name of goneChains) say(`delete chain ip ${TABLE} ${name}`);
  for (const map of before.affinities.keys()) if (!after.affinities.has(map)) say(`delete map ip ${TABLE} ${map}`);
  return lines.length ? `${lines.join("\n")}\n` : "";
}

/** A key whose value changed must be deleted and added: a map refuses a second value. */
function changeElements(
  set: ElementSet,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  say: (line: string) => void,
): void {
  const written = (key: string, value: string) => (value ? `${key} : ${value}` : key);
  for (const [key, value] of before) {
    if (after.get(key) !== value) say(`delete element ip ${TABLE} ${set} { ${written(key, value)} }`);
  }
  for (const [key, value] of after) {
    if (before.get(key) !== value) say(`add element ip ${TABLE} ${set} { ${written(key, value)} }`);
  }
}

export const noRules: Rules = {
  chains: new Map(),
  affinities: new Map(),
  elements: {
    services: new Map(),
    "node-ports": new Map(),
    refused: new Map(),
    "refused-node-ports": new Map(),
    hairpins: new Map(),
  },
};
