import { expect, test } from "vitest";
import { cidr, cidrContains, familyOf, ipAddress, parseCidr } from "./ip.ts";

test.each([
  ["10.0.0.1", "IPv4"],
  ["fd00::1", "IPv6"],
  ["010.0.0.1", undefined],
  ["10.0.0", undefined],
  ["fe80::1%eth0", undefined],
  ["web", undefined],
])("%s is of family %s", (text, family) => {
  expect(familyOf(text)).toBe(family);
  expect(ipAddress(text)).toHaveLength(family ? 0 : 1);
});

test.each([
  ["10.42.0.0/16", true],
  ["10.42.0.0/33", false],
  ["10.42.0.0", false],
  ["fd00::/64", true],
  ["10.0.0.0/08", false],
])("%s as a block of addresses: %s", (text, good) => {
  expect(cidr(text)).toHaveLength(good ? 0 : 1);
});

test("a block contains its own addresses and no others", () => {
  const block = parseCidr("10.43.0.0/16")!;
  expect(cidrContains(block, "10.43.255.1")).toBe(true);
  expect(cidrContains(block, "10.44.0.1")).toBe(false);
  expect(cidrContains(block, "fd00::1")).toBe(false);
});
