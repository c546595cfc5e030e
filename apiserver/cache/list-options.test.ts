/** List options: every combination of resourceVersion, resourceVersionMatch, limit, continue and sendInitialEvents. */
import { describe, expect, test } from "vitest";
import { ApiError } from "../../machinery/objects/status.ts";
import { decodeContinue, encodeContinue } from "./continue-token.ts";
import { listMeaning, watchMeaning } from "./list-options.ts";

const TOKEN = encodeContinue({ resourceVersion: 7, after: "default/b" });
const VERSIONS = [undefined, "0", "5"] as const;
const MATCHES = [undefined, "Exact", "NotOlderThan", "Newest"] as const;

const NEEDS_VERSION = "resourceVersionMatch is forbidden unless resourceVersion is provided";
const NOT_WITH_TOKEN = "resourceVersionMatch is forbidden when continue is provided";
const NO_EXACT_ZERO = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
const UNKNOWN = 'Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""';

/** What went wrong, or the meaning. */
function outcome<T>(run: () => T): T | { code: number; message: string } {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** "resourceVersion match limit" ► what it means without a token. */
const lists: Readonly<Record<string, unknown>> = {
  "- - -": { kind: "consistent" },
  "- - 3": { kind: "consistent" },
  "- Exact -": NEEDS_VERSION,
  "- Exact 3": NEEDS_VERSION,
  "- NotOlderThan -": NEEDS_VERSION,
  "- NotOlderThan 3": NEEDS_VERSION,
  "- Newest -": [NEEDS_VERSION, UNKNOWN],
  "- Newest 3": [NEEDS_VERSION, UNKNOWN],
  "0 - -": { kind: "any" },
  "0 - 3": { kind: "any" },
  "0 Exact -": NO_EXACT_ZERO,
  "0 Exact 3": NO_EXACT_ZERO,
  "0 NotOlderThan -": { kind: "any" },
  "0 NotOlderThan 3": { kind: "any" },
  "0 Newest -": UNKNOWN,
  "0 Newest 3": UNKNOWN,
  "5 - -": { kind: "notOlderThan", resourceVersion: 5 },
  "5 - 3": { kind: "exact", resourceVersion: 5 },
  "5 Exact -": { kind: "exact", resourceVersion: 5 },
  "5 Exact 3": { kind: "exact", resourceVersion: 5 },
  "5 NotOlderThan -": { kind: "notOlderThan", resourceVersion: 5 },
  "5 NotOlderThan 3": { kind: "notOlderThan", resourceVersion: 5 },
  "5 Newest -": UNKNOWN,
  "5 Newest 3": UNKNOWN,
};

const combinations = VERSIONS.flatMap((resourceVersion) =>
  MATCHES.flatMap((resourceVersionMatch) =>
    [undefined, 3].map((limit) => ({ resourceVersion, resourceVersionMatch, limit })),
  ),
);

describe("a list", () => {
  test.each(combinations)("with %j", (query) => {
    const { resourceVersion = "-", resourceVersionMatch = "-", limit = "-" } = query;
    const expected = lists[`${resourceVersion} ${resourceVersionMatch} ${limit}`];
    const found = outcome(() => listMeaning(query));
    if (typeof expected === "object" && !Array.isArray(expected)) return expect(found).toEqual(expected);
    expect(found).toMatchObject({ code: 422 });
    for (const text of [expected].flat()) expect((found as { message: string }).message).toContain(text);
  });

  test.each(combinations)("that goes on, with %j", (query) => {
    const found = outcome(() => listMeaning({ ...query, continue: TOKEN }));
    const { resourceVersion, resourceVersionMatch } = query;
    if (resourceVersionMatch !== undefined) {
      expect(found).toMatchObject({ code: 422, message: expect.stringContaining(NOT_WITH_TOKEN) });
    } else if (resourceVersion === "5") {
      const message = "specifying resource version is not allowed when using continue";
      expect(found).toEqual({ code: 400, message });
    } else expect(found).toEqual({ kind: "continue", resourceVersion: 7, after: "default/b" });
  });

  test.each([true, false])("does not take sendInitialEvents=%s", (sendInitialEvents) => {
    expect(outcome(() => listMeaning({ sendInitialEvents }))).toEqual({
      code: 422,
      message:
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    });
  });

  test("says everything that is wrong at once, with its causes", () => {
    const error = (() => {
      try {
        return listMeaning({ resourceVersionMatch: "Newest", continue: TOKEN });
      } catch (thrown) {
        return thrown as ApiError;
      }
    })() as ApiError;
    expect(error.message).toBe(
      `ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: ${NEEDS_VERSION}, ` +
        `resourceVersionMatch: Forbidden: ${NOT_WITH_TOKEN}, resourceVersionMatch: ${UNKNOWN}]`,
    );
    expect(error.details?.causes?.map(({ reason }) => reason)).toEqual([
      "FieldValueForbidden",
      "FieldValueForbidden",
      "FieldValueNotSupported",
    ]);
  });

  test.each([
    ["abc", 'parsing "abc": invalid syntax'],
    ["-1", 'parsing "-1": invalid syntax'],
    ["99999999999999999999", "value out of range"],
  ])("at a resourceVersion %s is a bad request", (resourceVersion, message) => {
    expect(outcome(() => listMeaning({ resourceVersion }))).toMatchObject({
      code: 400,
      message: expect.stringContaining(message),
    });
  });
});

describe("a watch", () => {
  const state = (notBefore?: number) => ({ kind: "state", notBefore, marked: true });
  const REQUIRES = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
  const ALONE = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
  const ONLY = 'supported values: "NotOlderThan"';

  test.each([
    [{}, state()],
    [{ resourceVersion: "0" }, state(0)],
    [{ resourceVersion: "5" }, { kind: "after", resourceVersion: 5 }],
    [{ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }, state()],
    [{ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan", resourceVersion: "0" }, state(0)],
    [{ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan", resourceVersion: "5" }, state(5)],
    [{ sendInitialEvents: false, resourceVersionMatch: "NotOlderThan" }, { kind: "now" }],
    [{ sendInitialEvents: false, resourceVersionMatch: "NotOlderThan", resourceVersion: "0" }, { kind: "any" }],
    [
      { sendInitialEvents: false, resourceVersionMatch: "NotOlderThan", resourceVersion: "5" },
      { kind: "after", resourceVersion: 5 },
    ],
  ])("with %j", (query, meaning) => {
    expect(watchMeaning(query)).toEqual(meaning);
  });

  test.each([
    [{ sendInitialEvents: true }, [REQUIRES]],
    [{ sendInitialEvents: false }, [REQUIRES]],
    [{ sendInitialEvents: true, resourceVersionMatch: "Exact" }, [REQUIRES, ONLY]],
    [{ resourceVersionMatch: "NotOlderThan" }, [ALONE]],
    [{ resourceVersionMatch: "Exact", resourceVersion: "5" }, [ALONE, ONLY]],
    [{ resourceVersionMatch: "NotOlderThan", sendInitialEvents: true, continue: TOKEN }, [NOT_WITH_TOKEN]],
  ])("with %j is refused", (query, messages) => {
    const found = outcome(() => watchMeaning(query));
    expect(found).toMatchObject({ code: 422 });
    for (const text of messages) expect((found as { message: string }).message).toContain(text);
  });
});

describe("a continue token", () => {
  const made = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

  test.each([
    ["!!!", "illegal base64 data"],
    ["e30", "server does not recognize this encoded version"],
    [made({ v: "v2", rv: 1, start: "a\0" }), "server does not recognize this encoded version v2"],
    [made({ v: "meta.k8s.io/v1", rv: 0, start: "a\0" }), "incorrect encoded start resourceVersion"],
    [made({ v: "meta.k8s.io/v1", start: "a\0" }), "incorrect encoded start resourceVersion"],
    [made({ v: "meta.k8s.io/v1", rv: 1 }), "encoded start key empty"],
    [made({ v: "meta.k8s.io/v1", rv: 1, start: "../secrets/a\0" }), "continue key is not valid"],
    [made({ v: "meta.k8s.io/v1", rv: 1, start: "a/../../b\0" }), "continue key is not valid"],
    [made({ v: "meta.k8s.io/v1", rv: 1, start: "a//b\0" }), "continue key is not valid"],
  ])("%s is refused", (token, message) => {
    const found = outcome(() => decodeContinue(token));
    expect(found).toMatchObject({
      code: 400,
      message: expect.stringContaining("invalid continue token: continue key"),
    });
    expect((found as { message: string }).message).toContain(message);
  });

  test("says where it was made", () => {
    expect(decodeContinue(TOKEN)).toEqual({ resourceVersion: 7, after: "default/b" });
  });
});
