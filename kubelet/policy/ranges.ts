/** Ranges: which addresses the ipBlocks of a rule mean, as few ranges that do not touch. Pure. */

import type { IpFamily } from "../../machinery/objects/ip.ts";
import { numberToAddress } from "../../machinery/objects/ip-numbers.ts";
import type { IPBlock } from "../../machinery/objects/kinds.ts";
import { parseCidr, WIDTH } from "../network/cidr.ts";

/** Both ends belong to it. */
export interface Range<T extends bigint | number> {
  readonly from: T;
  readonly to: T;
}

/** As nft writes them: "10.0.0.0-10.0.255.255", "10.0.0.1". What is not a range is no peer. */
export function blockRanges(blocks: readonly IPBlock[], family: IpFamily): readonly string[] {
  const ranges = blocks.flatMap(({ cidr, except = [] }) => {
    const whole = rangeOf(cidr, family);
    if (!whole) return [];
    return except.reduce((left: readonly Range<bigint>[], one) => without(left, rangeOf(one, family)), [whole]);
  });
  return merged(ranges).map(({ from, to }) =>
    from === to ? numberToAddress(from, family) : `${numberToAddress(from, family)}-${numberToAddress(to, family)}`,
  );
}

function rangeOf(text: string, family: IpFamily): Range<bigint> | undefined {
  try {
    const cidr = parseCidr(text);
    if (cidr.family !== family) return undefined;
    return { from: cidr.base, to: cidr.base + (1n << BigInt(WIDTH[family] - cidr.bits)) - 1n };
  } catch {
    return undefined; // the API server refuses it: an object from before
  }
}

function without(ranges: readonly Range<bigint>[], hole: Range<bigint> | undefined): readonly Range<bigint>[] {
  if (!hole) return ranges;
  return ranges.flatMap(({ from, to }) => {
    if (hole.to < from || hole.from > to) return [{ from, to }];
    return [
      ...(hole.from > from ? [{ from, to: hole.from - 1n }] : []),
      ...(hole.to < to ? [{ from: hole.to + 1n, to }] : []),
    ];
  });
}

/** nft refuses ranges that overlap. */
export function merged<T extends bigint | number>(ranges: readonly Range<T>[]): readonly Range<T>[] {
  const result: { from: T; to: T }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))) {
    const last = result.at(-1);
    if (!last || from > last.to) result.push({ from, to });
    else if (to > last.to) last.to = to;
  }
  return result;
}
