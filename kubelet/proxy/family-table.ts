/**
 * Family table: the table of one family, kept equal to what is asked for.
 *
 * What the kernel has is read once at the start, after a failure and now and then; only what differs is written.
 * A table that is not there, or of another form, or whose chains were changed by others, is replaced as a whole.
 */
import type { IpFamily } from "../../machinery/objects/ip.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { type KernelTable, readTable } from "./kernel-table.ts";
import { type Content, createLedger, emptyContent, isEmpty, type Ledger } from "./ledger.ts";
import { newTable, scriptOf } from "./script.ts";
import type { Contribution } from "./service-rules.ts";
import { BASE_CHAINS, SETS } from "./table.ts";

export interface FamilyTable {
  /** What the owner asks for from now on; answers what it asked for before. */
  put(owner: string, contribution: Contribution | undefined): Contribution | undefined;
  /** What the kernel has from a process before this one; read once, `prepare` goes by it. */
  inherited(): Promise<Content | undefined>;
  /** The commands that are missing, and what to call once the kernel has taken them. */
  prepare(): Promise<{ readonly script: string; settle(): void }>;
  /** What the kernel has is not known any more. */
  doubt(): void;
  /** Looks whether somebody else changed it: at its chains alone, or at everything. */
  check(depth: "chains" | "everything"): Promise<void>;
}

export function createFamilyTable(family: IpFamily, pods: string | undefined, log: Logger): FamilyTable {
  const ledger = createLedger();
  /** Chain ► number of its rules. */
  const sizes = new Map<string, number>();
  let known: "no" | "there" | "absent" = "no";
  let found: { readonly table: KernelTable | undefined } | undefined;

  return {
    put(owner, contribution) {
      for (const { name, rules } of contribution?.chains ?? []) sizes.set(name, rules.length);
      return ledger.put(owner, contribution);
    },

    async inherited() {
      found = { table: await readTable(family, pods, "elements") };
      return found.table;
    },

    async prepare() {
      const none = { script: "", settle: () => undefined };
      let fresh = "";
      if (known !== "there") {
        const read = async () => found?.table ?? (await readTable(family, pods, "elements"));
        const kernel = known === "no" ? await read() : undefined;
        found = undefined;
        known = "absent";
        ledger.learn(emptyContent());
        if (kernel && isWhole(kernel, sizes)) {
          ledger.learn(kernel);
          known = "there";
        } else if (kernel === undefined && isEmpty(ledger.difference())) return none;
        else fresh = newTable(family, pods);
      }
      const difference = ledger.difference();
      const script = fresh + scriptOf(family, difference);
      const settle = () => {
        ledger.settle(difference);
        known = "there";
      };
      if (script === "") settle();
      return script === "" ? none : { script, settle };
    },

    doubt() {
      known = "no";
    },

    async check(depth) {
      if (known !== "there") return;
      const kernel = await readTable(family, pods, depth === "everything" ? "elements" : "no elements");
      const why = kernel ? differs(kernel, ledger, sizes, depth) : "it is gone";
      if (!why) return;
      log.warn("somebody changed the table of Services: it is set right", { family, why });
      known = "no";
    },
  };
}

/** All chains that the table has are as we make them. */
const isWhole = ({ rules }: KernelTable, sizes: ReadonlyMap<string, number>): boolean =>
  [...BASE_CHAINS].every(([name, size]) => rules.get(name) === size) &&
  [...rules].every(([name, size]) => !sizes.has(name) || sizes.get(name) === size);

function differs(
  kernel: KernelTable,
  ledger: Ledger,
  sizes: ReadonlyMap<string, number>,
  depth: "chains" | "everything",
): string | undefined {
  if (!isWhole(kernel, sizes)) return "a chain has other rules";
  const wanted = ledger.wanted();
  if (!same(wanted.chains, kernel.chains)) return "chains are missing, or too many";
  if (!same(wanted.memories, kernel.memories)) return "sets of clients are missing, or too many";
  if (depth === "chains") return undefined;
  for (const set of SETS) {
    const [has, wants] = [kernel.elements[set], wanted.elements[set]];
    if (has.size !== wants.size) return `${set} has ${has.size} elements, not ${wants.size}`;
    for (const [key, value] of wants) if (has.get(key) !== value) return `${set} has another value for ${key}`;
  }
  return undefined;
}

const same = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  one.size === other.size && [...one].every((name) => other.has(name));
