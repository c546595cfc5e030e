/** Which values are the same to the API. */
import { expect, it } from "vitest";
import { canonicalJson, sameJson } from "./canonical-json.ts";

it.each<[unknown, unknown, boolean]>([
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1 }, { a: 1, b: undefined, c: null, d: [] }, true],
  [{ a: 1, b: null }, { a: 1 }, true],
  [{ a: {} }, {}, false],
  [{ a: 0 }, {}, false],
  [{ a: "" }, {}, false],
  [{ a: [1, 2] }, { a: [2, 1] }, false],
  [{ a: [{ b: 1, c: null }] }, { a: [{ b: 1 }] }, true],
  [[1], [1, 2], false],
  [undefined, [], true],
  [undefined, {}, false],
  [{ a: "1" }, { a: 1 }, false],
  [[], {}, false],
])("%j and %j: %s", (one, other, same) => {
  expect(sameJson(one, other)).toBe(same);
  expect(sameJson(other, one)).toBe(same);
  if (one !== undefined && !Array.isArray(one)) expect(canonicalJson(one) === canonicalJson(other)).toBe(same);
});
