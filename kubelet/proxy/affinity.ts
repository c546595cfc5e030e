/**
 * Affinity: chains of a Service whose clients stay with the endpoint that they had. Pure.
 *
 * Each endpoint has a set of the clients that it served lately, which outlives changes of the other endpoints.
 * Such a Service has chains of its own; their names say what is in them, so they never change.
 */
import type { IpFamily } from "../../machinery/objects/ip.ts";
import { digest } from "./digest.ts";
import type { Target } from "./endpoints.ts";
import { type Chain, WORDS } from "./table.ts";

/** A set of clients, each forgotten after some time. */
export interface Memory {
  readonly name: string;
  readonly seconds: number;
}

export interface Sticky {
  readonly chain: Chain;
  /** The chain and what it stands on, which come before it. */
  readonly chains: readonly Chain[];
  readonly memories: readonly Memory[];
}

/** `service` names the Service's port: endpoints of several Services do not share clients. */
export function stickyChain(
  family: IpFamily,
  service: string,
  protocol: string,
  targets: readonly Target[],
  seconds: number,
  before: readonly string[],
): Sticky {
  const { nft } = WORDS[family];
  const each = [...targets]
    .sort((a, b) => (a.address < b.address ? -1 : 1))
    .map(({ address, port }) => {
      const name = digest(`${service} ${address} ${port} ${seconds}`);
      const to = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
      const rules = [`update @clients-${name} { ${nft} saddr }`, `meta l4proto ${protocol} dnat ${nft} to ${to}`];
      return { memory: { name: `clients-${name}`, seconds }, chain: { name: `endpoint-${name}`, rules } };
    });
  const known = each.map(({ memory, chain }) => `${nft} saddr @${memory.name} goto ${chain.name}`);
  const any = each.map(({ chain }, index) => `${index} : goto ${chain.name}`).join(", ");
  const rules = [...before, ...known, `numgen random mod ${each.length} vmap { ${any} }`];
  const chain = { name: `sticky-${digest(`${service}\n${rules.join("\n")}`)}`, rules };
  return {
    chain,
    chains: [...each.map((one) => one.chain), chain],
    memories: each.map(({ memory }) => memory),
  };
}
