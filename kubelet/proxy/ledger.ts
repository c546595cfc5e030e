/**
 * Ledger: who asks for what of the table, what the kernel has, and the difference.
 *
 * Owners are Services and Pods. Where several ask for one key, the lowest rank has it, and it goes to the next one
 * when that gives it up. Only what an owner changed is looked at, so a change costs the same beside ten Services or
 * ten thousand. Pure but for what it remembers; how a difference is written: script.ts.
 */
import type { Claim, Contribution } from "./service-rules.ts";
import { type Chain, SETS, type SetName } from "./table.ts";

/** What the kernel has, as far as Services go. */
export interface Content {
  readonly chains: ReadonlySet<string>;
  /** Names of sets of clients. */
  readonly memories: ReadonlySet<string>;
  readonly elements: Readonly<Record<SetName, ReadonlyMap<string, string>>>;
}

export type Elements = readonly (readonly [key: string, value: string])[];

export interface Difference {
  readonly addChains: readonly Chain[];
  readonly dropChains: readonly string[];
  readonly addMemories: readonly { readonly name: string; readonly seconds: number }[];
  readonly dropMemories: readonly string[];
  readonly add: ReadonlyMap<SetName, Elements>;
  readonly drop: ReadonlyMap<SetName, Elements>;
}

export interface Ledger {
  /** What the owner asks for from now on; nothing when undefined. */
  /** Answers what it asked for before. */
  put(owner: string, contribution: Contribution | undefined): Contribution | undefined;
  difference(): Difference;
  /** The kernel has it. */
  settle(difference: Difference): void;
  /** This is what the kernel has, whatever was thought before. */
  learn(content: Content): void;
  /** Everything that is asked for. */
  wanted(): Content;
}

export const emptyContent = (): Content => ({
  chains: new Set(),
  memories: new Set(),
  elements: Object.fromEntries(SETS.map((set) => [set, new Map()])) as unknown as Content["elements"],
});

export const isEmpty = ({ add, drop, addChains, dropChains, addMemories, dropMemories }: Difference): boolean =>
  add.size + drop.size + addChains.length + dropChains.length + addMemories.length + dropMemories.length === 0;

/** Something several owners may use: there while one does. */
interface Shared<T> {
  readonly users: Map<string, { readonly thing: T; count: number }>;
  readonly known: Set<string>;
  readonly dirty: Set<string>;
}

const shared = <T>(): Shared<T> => ({ users: new Map(), known: new Set(), dirty: new Set() });

export function createLedger(): Ledger {
  const owners = new Map<string, Contribution>();
  const perSet = <T>(make: () => T) => Object.fromEntries(SETS.map((set) => [set, make()])) as Record<SetName, T>;
  const claims = perSet(() => new Map<string, Claim | Set<Claim>>());
  const known = perSet(() => new Map<string, string>());
  const dirty = perSet(() => new Set<string>());
  const chains = shared<Chain>();
  const memories = shared<{ readonly name: string; readonly seconds: number }>();

  const winner = (set: SetName, key: string): Claim | undefined => {
    const found = claims[set].get(key);
    if (!(found instanceof Set)) return found;
    return [...found].reduce((best, one) => (one.rank < best.rank ? one : best));
  };

  return {
    put(owner, contribution) {
      const old = owners.get(owner);
      for (const claim of contribution?.claims ?? []) claimed(claims[claim.set], claim);
      for (const claim of old?.claims ?? []) released(claims[claim.set], claim);
      for (const { set, key } of [...(old?.claims ?? []), ...(contribution?.claims ?? [])]) dirty[set].add(key);
      for (const chain of contribution?.chains ?? []) used(chains, chain);
      for (const chain of old?.chains ?? []) unused(chains, chain);
      for (const memory of contribution?.memories ?? []) used(memories, memory);
      for (const memory of old?.memories ?? []) unused(memories, memory);
      if (contribution && contribution.claims.length > 0) owners.set(owner, contribution);
      else owners.delete(owner);
      return old;
    },

    difference() {
      const [add, drop] = [new Map<SetName, Elements>(), new Map<SetName, Elements>()];
      for (const set of SETS) {
        const [more, less]: [[string, string][], [string, string][]] = [[], []];
        for (const key of dirty[set]) {
          const has = known[set].get(key);
          const wants = winner(set, key)?.value;
          if (has === wants) continue;
          if (has !== undefined) less.push([key, has]);
          if (wants !== undefined) more.push([key, wants]);
        }
        if (more.length > 0) add.set(set, more);
        if (less.length > 0) drop.set(set, less);
      }
      const chain = changed(chains);
      const memory = changed(memories);
      return {
        add,
        drop,
        addChains: chain.add,
        dropChains: chain.drop,
        addMemories: memory.add,
        dropMemories: memory.drop,
      };
    },

    settle({ add, drop, addChains, dropChains, addMemories, dropMemories }) {
      for (const [set, elements] of drop) for (const [key] of elements) known[set].delete(key);
      for (const [set, elements] of add) for (const [key, value] of elements) known[set].set(key, value);
      for (const set of SETS) dirty[set].clear();
      settled(chains, addChains, dropChains);
      settled(memories, addMemories, dropMemories);
    },

    learn(content) {
      for (const set of SETS) {
        known[set].clear();
        for (const [key, value] of content.elements[set]) known[set].set(key, value);
        for (const key of known[set].keys()) dirty[set].add(key);
        for (const key of claims[set].keys()) dirty[set].add(key);
      }
      learned(chains, content.chains);
      learned(memories, content.memories);
    },

    wanted() {
      const content = emptyContent();
      for (const set of SETS)
        for (const key of claims[set].keys())
          (content.elements[set] as Map<string, string>).set(key, winner(set, key)?.value ?? "");
      return { ...content, chains: new Set(chains.users.keys()), memories: new Set(memories.users.keys()) };
    },
  };
}

/** Nearly every key has one claim, which is kept without a set; an address of this node may have thousands. */
function claimed(of: Map<string, Claim | Set<Claim>>, claim: Claim): void {
  const found = of.get(claim.key);
  if (found === undefined) of.set(claim.key, claim);
  else if (found instanceof Set) found.add(claim);
  else of.set(claim.key, new Set([found, claim]));
}

function released(of: Map<string, Claim | Set<Claim>>, claim: Claim): void {
  const found = of.get(claim.key);
  if (found instanceof Set) found.delete(claim);
  if (found === claim || (found instanceof Set && found.size === 0)) of.delete(claim.key);
}

function used<T extends { readonly name: string }>({ users, dirty }: Shared<T>, thing: T): void {
  const found = users.get(thing.name);
  if (found) found.count++;
  else {
    users.set(thing.name, { thing, count: 1 });
    dirty.add(thing.name);
  }
}

function unused<T extends { readonly name: string }>({ users, dirty }: Shared<T>, { name }: T): void {
  const found = users.get(name);
  if (!found || --found.count > 0) return;
  users.delete(name);
  dirty.add(name);
}

function changed<T>({ users, known, dirty }: Shared<T>): { add: T[]; drop: string[] } {
  const add = [...dirty].flatMap((name) => (known.has(name) ? [] : (users.get(name)?.thing ?? [])));
  return { add, drop: [...dirty].filter((name) => known.has(name) && !users.has(name)) };
}

function settled<T>(of: Shared<T>, added: readonly { readonly name: string }[], dropped: readonly string[]): void {
  for (const name of dropped) of.known.delete(name);
  for (const { name } of added) of.known.add(name);
  of.dirty.clear();
}

function learned<T>({ users, known, dirty }: Shared<T>, names: ReadonlySet<string>): void {
  known.clear();
  for (const name of names) known.add(name);
  for (const name of [...names, ...users.keys()]) dirty.add(name);
}
