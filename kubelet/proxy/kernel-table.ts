/**
 * Kernel table: reads what the kernel has of our table, as nft lists it.
 *
 * Chains are known by their names, which say what is in them, and by how many rules they have. A table of
 * another form, or none, is undefined: a new one takes its place.
 */
import type { IpFamily } from "../../machinery/objects/ip.ts";
import { listed, NftError } from "../network/nft.ts";
import { type Content, emptyContent } from "./ledger.ts";
import { BASE_CHAINS, formOf, SETS, type SetName, TABLE, WORDS } from "./table.ts";

export interface KernelTable extends Content {
  /** Chain ► number of its rules, those of the base too. */
  readonly rules: ReadonlyMap<string, number>;
}

export async function readTable(
  family: IpFamily,
  pods: string | undefined,
  what: "elements" | "no elements",
): Promise<KernelTable | undefined> {
  let text: string;
  try {
    text = await listed(["list", "table", WORDS[family].nft, TABLE], what);
  } catch (error) {
    if (/No such file or directory/.test((error as { stderr?: string }).stderr ?? "")) return undefined;
    throw new NftError(`nft could not list the table: ${(error as Error).message}`, { cause: error });
  }
  const table = parseTable(text);
  return table.rules.has(formOf(family, pods)) ? table : undefined;
}

export function parseTable(text: string): KernelTable {
  const content = emptyContent();
  const [chains, memories, rules] = [new Set<string>(), new Set<string>(), new Map<string, number>()];
  // "\t" begins an object, "\t\t" what is in it, "\t}" ends it
  for (const [, kind, name = "", body = ""] of text.matchAll(/^\t(map|set|chain) (\S+) \{\n([\s\S]*?)^\t\}$/gm)) {
    if (kind === "chain") {
      rules.set(name, body.split("\n").filter((line) => line.trim() !== "" && !/^\s*type /.test(line)).length);
      if (!BASE_CHAINS.has(name) && !name.startsWith("form-")) chains.add(name);
    } else if (isSet(name)) elementsOf(body, content.elements[name] as Map<string, string>);
    else memories.add(name);
  }
  return { ...content, chains, memories, rules };
}

function elementsOf(body: string, into: Map<string, string>): void {
  const begin = body.indexOf("elements = {");
  if (begin < 0) return;
  const end = body.lastIndexOf("}");
  for (const element of body.slice(begin + 12, end).split(",")) {
    const [key = "", value = ""] = element.split(" : ");
    if (key.trim() !== "") into.set(key.trim(), value.trim());
  }
}

const isSet = (name: string): name is SetName => (SETS as readonly string[]).includes(name);
