import { describe, expect, test } from "vitest";
import { formatSelector, fromLabelSelector, fromMap, matches, parseLabelSelector } from "./selectors.ts";

const web = { app: "web", tier: "front", size: "5" };

describe("label selectors", () => {
  test.each([
    ["", true],
    ["app=web", true],
    ["app==web", true],
    ["app = web , tier=front", true],
    ["app=db", false],
    ["app!=db", true],
    ["other!=x", true],
    ["other=", false],
    ["app in (db, web)", true],
    ["app notin (db,web)", false],
    ["other notin (x)", true],
    ["app", true],
    ["!app", false],
    ["!other", true],
    ["size>4", true],
    ["size<4", false],
    ["app>4", false],
    ["in in (in)", false],
    ["toString", false],
  ])("match: %s", (text, wanted) => {
    expect(matches(parseLabelSelector(text), web)).toBe(wanted);
  });

  test.each([
    ["app web", "unable to parse requirement: found 'web', expected: in, notin, =, ==, !=, gt, lt"],
    ["a=b,", "found '', expected: identifier after ','"],
    ["a=b c", "found 'c', expected: ',' or 'end of string'"],
    [",a", "found ',', expected: !, identifier, or 'end of string'"],
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a=(", "unable to parse requirement: found '(', expected: identifier"],
    [
      "a>x",
      "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    [
      "-a=b",
      "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ])("are refused in Kubernetes' words: %s", (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(new RegExp(`^${message.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`));
  });

  test.each([
    ["b=1,a", "a,b=1"],
    ["x in (c,a,c)", "x in (a,c)"],
    ["!x,y!=2", "!x,y!=2"],
  ])("are written back sorted: %s", (text, written) => {
    expect(formatSelector(parseLabelSelector(text))).toBe(written);
  });

  test("of objects select nothing when absent and everything when empty", () => {
    expect(matches(fromLabelSelector(undefined), web)).toBe(false);
    expect(matches(fromLabelSelector({}), web)).toBe(true);
    expect(matches(fromMap({}), web)).toBe(false);
    expect(matches(fromMap({ app: "web" }), web)).toBe(true);
    const both = {
      matchLabels: { app: "web" },
      matchExpressions: [{ key: "tier", operator: "NotIn", values: ["back"] }],
    };
    expect(matches(fromLabelSelector(both), web)).toBe(true);
    expect(formatSelector(fromLabelSelector(both))).toBe("app=web,tier notin (back)");
  });
});
