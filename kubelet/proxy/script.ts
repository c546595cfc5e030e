/**
 * Script: the nft commands that bring the table from one state to another. Pure.
 *
 * Only what changed is named, in one transaction: connections of other Services are never touched, and no packet sees
 * a half-done change. What is new comes before what leads to it, and goes after it.
 */
import type { IpFamily } from "../../machinery/objects/ip.ts";
import type { Difference, Elements } from "./ledger.ts";
import { base, formOf, type SetName, TABLE, WORDS } from "./table.ts";

/** Elements of one command: the kernel takes many at once. */
const AT_ONCE = 500;
/** Clients that a set remembers. */
const CLIENTS = 65_535;

/** A new table in place of any that is there. */
export function newTable(family: IpFamily, pods: string | undefined): string {
  const name = `${WORDS[family].nft} ${TABLE}`;
  return `add table ${name}\ndelete table ${name}\ntable ${name} {${base(family)}  chain ${formOf(family, pods)} { }\n}\n`;
}

export function dropTable(family: IpFamily): string {
  const name = `${WORDS[family].nft} ${TABLE}`;
  return `add table ${name}\ndelete table ${name}\n`;
}

/** "" when nothing changed. */
export function scriptOf(family: IpFamily, difference: Difference): string {
  const { nft, type } = WORDS[family];
  const table = `${nft} ${TABLE}`;
  const lines: string[] = [];
  const { addChains, dropChains, addMemories, dropMemories, add, drop } = difference;
  for (const { name, seconds } of addMemories)
    lines.push(
      `add set ${table} ${name} { type ${type} ; flags dynamic,timeout ; timeout ${seconds}s ; size ${CLIENTS} ; }`,
    );
  for (const { name } of addChains) lines.push(`add chain ${table} ${name}`);
  for (const { name, rules } of addChains) for (const rule of rules) lines.push(`add rule ${table} ${name} ${rule}`);
  for (const [set, elements] of drop) lines.push(...commands("delete", table, set, elements));
  for (const [set, elements] of add) lines.push(...commands("add", table, set, elements));
  for (const name of dropChains) lines.push(`flush chain ${table} ${name}`);
  for (const name of dropChains) lines.push(`delete chain ${table} ${name}`);
  for (const name of dropMemories) lines.push(`delete set ${table} ${name}`);
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}

function commands(verb: "add" | "delete", table: string, set: SetName, elements: Elements): string[] {
  const texts = elements.map(([key, value]) => (value ? `${key} : ${value}` : key));
  const lines: string[] = [];
  for (let at = 0; at < texts.length; at += AT_ONCE)
    lines.push(`${verb} element ${table} ${set} { ${texts.slice(at, at + AT_ONCE).join(", ")} }`);
  return lines;
}
