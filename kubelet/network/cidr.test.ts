import { describe, expect, test } from "vitest";
import { addressToNumber, numberToAddress } from "../../machinery/objects/ip-numbers.ts";
import { addressAt, contains, parseCidr } from "./cidr.ts";

describe("ranges", () => {
  test.each([
    ["10.42.0.0/24", 1, "10.42.0.1"],
    ["10.42.0.77/24", 1, "10.42.0.1"],
    ["0.0.0.0/0", 5, "0.0.0.5"],
    ["fd00:42:0:1::/64", 1, "fd00:42:0:1::1"],
    ["fd00:42::/112", 65535, "fd00:42::ffff"],
    ["::/0", 1, "::1"],
  ])("%s: address %i is %s", (range, index, address) => {
    expect(addressAt(parseCidr(range), index)).toBe(address);
  });

  test.each(["10.42.0.0", "10.42.0/24", "10.42.0.0/33", "fd00::/129", "fd00::/x", "300.1.1.1/8"])(
    "%s is no range",
    (text) => {
      expect(() => parseCidr(text)).toThrow(RangeError);
    },
  );

  test("an address beyond the end is refused", () => {
    expect(() => addressAt(parseCidr("10.0.0.0/30"), 4)).toThrow("has no address");
  });

  test.each([
    ["10.42.0.0/16", "10.42.255.255", true],
    ["10.42.0.0/16", "10.43.0.0", false],
    ["fd00:42::/48", "fd00:42:0:9::7", true],
    ["fd00:42::/48", "10.42.0.1", false],
    ["10.42.0.0/16", "none", false],
  ])("%s contains %s: %s", (range, address, is) => {
    expect(contains(parseCidr(range), address)).toBe(is);
  });

  test.each(["10.0.0.255", "::1", "fd00::", "2001:db8::1:0:0:1", "1:2:3:4:5:6:7:8"])("%s there and back", (address) => {
    expect(numberToAddress(addressToNumber(address), address.includes(":") ? "IPv6" : "IPv4")).toBe(address);
  });

  test("an IPv6 address may end in an IPv4 one", () => {
    expect(numberToAddress(addressToNumber("::ffff:10.0.0.1"), "IPv6")).toBe("::ffff:a00:1");
  });
});
