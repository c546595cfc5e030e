/** Blocks of addresses: cut, held, freed; in both families. */
import { describe, expect, it, test } from "vitest";
import { createAddressBlocks } from "./address-blocks.ts";

describe("blocks of a range", () => {
  it("are given in order, each to one, and come back", () => {
    const blocks = createAddressBlocks("10.42.0.0/22", 24);
    const take = (owner: string) => {
      const block = blocks.free();
      blocks.hold(owner, block ? [block] : []);
      return block;
    };
    expect(["a", "b", "c", "d", "e"].map(take)).toEqual([
      "10.42.0.0/24",
      "10.42.1.0/24",
      "10.42.2.0/24",
      "10.42.3.0/24",
      undefined,
    ]);
    blocks.hold("b", []);
    blocks.hold("c", []);
    expect(take("f")).toBe("10.42.1.0/24");
  });

  it("are taken by whatever overlaps them, as often as it is held", () => {
    const blocks = createAddressBlocks("10.42.0.0/16", 24);
    blocks.hold("wide", ["10.42.0.0/23"]);
    blocks.hold("narrow", ["10.42.1.128/25", "10.42.2.5/32"]);
    blocks.hold("elsewhere", ["10.43.0.0/16", "fd00::/64", "nonsense"]);
    expect(blocks.free()).toBe("10.42.3.0/24");
    blocks.hold("wide", []);
    expect(blocks.free()).toBe("10.42.0.0/24");
    blocks.hold("x", ["10.42.0.0/24"]);
    expect(blocks.free()).toBe("10.42.3.0/24");
    blocks.hold("narrow", ["10.42.2.0/24"]);
    expect(blocks.free()).toBe("10.42.1.0/24");
    blocks.hold("all", ["10.0.0.0/8"]);
    expect(blocks.free()).toBeUndefined();
  });

  it("of IPv6 are written as addresses are", () => {
    const blocks = createAddressBlocks("fd00:42::/48", 64);
    expect(blocks.free()).toBe("fd00:42::/64");
    blocks.hold("a", ["fd00:42::/64"]);
    expect(blocks.free()).toBe("fd00:42:0:1::/64");
    blocks.hold("b", ["fd00:42:0:1::1.2.3.4/128"]);
    expect(blocks.free()).toBe("fd00:42:0:2::/64");
  });

  it("begin at the range's first address whatever address names it", () => {
    expect(createAddressBlocks("10.42.77.5/16", 24).free()).toBe("10.42.0.0/24");
  });
});

test.each([
  ["10.42.0.0/25", 24],
  ["10.42.0.0/8", 25],
  ["10.42.0.0", 24],
  ["fd00::/32", 64],
  ["10.42.0.0/16", 33],
])("%s cannot be cut into blocks of /%i", (range, bits) => {
  expect(() => createAddressBlocks(range, bits)).toThrow("cannot be cut");
});
