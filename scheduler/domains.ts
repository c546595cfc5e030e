/**
 * Domains: which nodes are in which domain, as numbers, so that a look at thousands of nodes touches none of them.
 *
 * A column has the number of each node's domain by the node's slot; 0 says that it is in none. What is counted by domain
 * is at hand by the same numbers. A number goes with the last node of its domain, after what was counted there.
 */
import type { NodeInfo } from "./snapshot.ts";

export interface Column {
  readonly slots: readonly number[];
  /** 0 where no node is in the domain. */
  number(domain: string): number;
}

export interface Domains {
  of(topologyKey: string): Column;
  came(node: NodeInfo): void;
  left(node: NodeInfo): void;
}

interface Kept extends Column {
  came(node: NodeInfo): void;
  left(node: NodeInfo): void;
}

/** A column is made when it is first asked for. */
export function createDomains(nodes: () => Iterable<NodeInfo>): Domains {
  const columns = new Map<string, Kept>();
  return {
    of(topologyKey) {
      const known = columns.get(topologyKey);
      if (known) return known;
      const column = createColumn(topologyKey);
      for (const node of nodes()) column.came(node);
      columns.set(topologyKey, column);
      return column;
    },
    came(node) {
      for (const column of columns.values()) column.came(node);
    },
    left(node) {
      for (const column of columns.values()) column.left(node);
    },
  };
}

function createColumn(topologyKey: string): Kept {
  const slots: number[] = [];
  const known = new Map<string, { readonly number: number; nodes: number }>();
  const free: number[] = [];
  const domainOf = ({ node }: NodeInfo) => node.metadata.labels?.[topologyKey];
  return {
    slots,
    number: (domain) => known.get(domain)?.number ?? 0,
    came(node) {
      const domain = domainOf(node);
      if (domain === undefined) return put(slots, node.slot, 0);
      const found = known.get(domain) ?? { number: free.pop() ?? known.size + 1, nodes: 0 };
      found.nodes++;
      known.set(domain, found);
      put(slots, node.slot, found.number);
    },
    left(node) {
      put(slots, node.slot, 0);
      const domain = domainOf(node);
      const found = domain === undefined ? undefined : known.get(domain);
      if (domain === undefined || !found || --found.nodes > 0) return;
      known.delete(domain);
      free.push(found.number);
    },
  };
}

/** What is counted by domain. */
export interface DomainCounts {
  readonly by: ReadonlyMap<string, number>;
  /** The same by the numbers of the column. */
  numbers(): readonly number[];
  set(domain: string, count: number): void;
  delete(domain: string): void;
}

export function createDomainCounts(column: () => Column): DomainCounts {
  const by = new Map<string, number>();
  let numbers: number[] | undefined;
  const note = (domain: string, count: number) => {
    const number = numbers ? column().number(domain) : 0;
    if (numbers && number > 0) put(numbers, number, count);
  };
  return {
    by,
    numbers() {
      if (numbers) return numbers;
      numbers = [];
      for (const [domain, count] of by) note(domain, count);
      return numbers;
    },
    set(domain, count) {
      by.set(domain, count);
      note(domain, count);
    },
    delete(domain) {
      by.delete(domain);
      note(domain, 0);
    },
  };
}

/** Without holes. */
function put(numbers: number[], at: number, value: number): void {
  while (numbers.length <= at) numbers.push(0);
  numbers[at] = value;
}
