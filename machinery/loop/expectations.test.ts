/** Expectations and own writes: how a controller knows that its cache lags. */
import { describe, expect, it } from "vitest";
import { createExpectations } from "./expectations.ts";
import { createOwnWrites, older } from "./own-writes.ts";

describe("expectations", () => {
  it("are open until every creation was seen", () => {
    const expectations = createExpectations();
    expect(expectations.satisfied("a", 0)).toBe(true);
    expectations.expectCreations("a", ["n1", "n2"], 0);
    expectations.creationObserved("a", "n1");
    expectations.creationObserved("a", "n1");
    expectations.creationObserved("a", "another");
    expect(expectations.satisfied("a", 0)).toBe(false);
    expect(expectations.unseen("a")).toBe(1);
    expect(expectations.satisfied("b", 0)).toBe(true);
    expectations.creationObserved("a", "n2");
    expect(expectations.satisfied("a", 0)).toBe(true);
    expect(expectations.unseen("a")).toBe(0);
  });

  it("are open until each deletion was seen, once each", () => {
    const expectations = createExpectations();
    expectations.expectDeletions("a", ["u1", "u2"], 0);
    expectations.deletionObserved("a", "u1");
    expectations.deletionObserved("a", "u1");
    expectations.deletionObserved("a", "other");
    expect(expectations.satisfied("a", 0)).toBe(false);
    expectations.deletionObserved("a", "u2");
    expect(expectations.satisfied("a", 0)).toBe(true);
  });

  it("are given up after five minutes, so that a lost notice blocks nothing for ever", () => {
    const expectations = createExpectations();
    expectations.expectCreations("a", ["n1"], 0);
    expect(expectations.overdue("a", 4_999)).toEqual([]);
    expect(expectations.overdue("a", 5_000)).toEqual(["n1"]);
    expect(expectations.satisfied("a", 5 * 60_000 - 1)).toBe(false);
    expect(expectations.satisfied("a", 5 * 60_000)).toBe(true);
  });
});

describe("own writes", () => {
  const at = (version: string, uid = "u") => ({ metadata: { uid, resourceVersion: version } });

  it("hold back until the cache shows the last one or a later one", () => {
    const writes = createOwnWrites();
    expect(writes.behind("a", at("5"))).toBe(false);
    writes.wrote("a", at("10"));
    expect(writes.behind("a", at("9"))).toBe(true);
    expect(writes.behind("a", at("10"))).toBe(false);
    writes.wrote("a", at("10"));
    expect(writes.behind("a", at("11"))).toBe(false);
  });

  it("do not hold back for an object that was replaced", () => {
    const writes = createOwnWrites();
    writes.wrote("a", at("10"));
    expect(writes.behind("a", at("9", "another"))).toBe(false);
  });

  it.each([
    ["9", "10", true],
    ["10", "9", false],
    ["10", "10", false],
    ["99999999999999999998", "99999999999999999999", true],
    [undefined, "1", true],
  ])("%s is older than %s: %s", (one, other, expected) => {
    expect(older(one, other)).toBe(expected);
  });
});
