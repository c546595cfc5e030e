import { describe, expect, test } from "vitest";
import {
  asPrefix,
  configMapKey,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  envName,
  labelValue,
  pathSegment,
  portName,
  qualifiedName,
  type Rule,
  wildcardDns1123Subdomain,
} from "./names.ts";

const good: readonly [Rule, string][] = [
  [dns1123Label, "a-1"],
  [dns1123Subdomain, "a.b-c.d"],
  [dns1035Label, "a1"],
  [wildcardDns1123Subdomain, "*.a.b"],
  [labelValue, ""],
  [labelValue, "A_b.c-1"],
  [qualifiedName, "app"],
  [qualifiedName, "example.com/My_name"],
  [pathSegment, "system:node"],
  [configMapKey, ".file-name_1"],
  [envName, "a.b-c d"],
  [portName, "http-2"],
];

const bad: readonly [Rule, string, string][] = [
  [dns1123Label, "a.b", "must not contain dots"],
  [
    dns1123Label,
    "A",
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ],
  [dns1123Label, "a".repeat(64), "must be no more than 63 bytes"],
  [
    dns1123Subdomain,
    "a_b",
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
  [
    dns1035Label,
    "1a",
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ],
  [qualifiedName, "/a", "prefix part must be non-empty"],
  [qualifiedName, "a/", "name part must be non-empty"],
  [
    qualifiedName,
    "a/b/c",
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
  ],
  [pathSegment, "..", "may not be '..'"],
  [pathSegment, "a/b", "may not contain '/'"],
  [configMapKey, "..a", "must not start with '..'"],
  [envName, "a=b", "a valid environment variable name must consist only of printable ASCII characters other than '='"],
  [portName, "a--b", "must not contain consecutive hyphens"],
  [portName, "123", "must contain at least one letter (a-z)"],
];

describe("names", () => {
  test.each(good)("$0.name take $1", (rule, value) => {
    expect(rule(value)).toEqual([]);
  });

  test.each(bad)("$0.name refuses $1 in Kubernetes' words", (rule, value, message) => {
    expect(rule(value)).toContain(message);
  });

  test("may end with a dash where they are prefixes", () => {
    expect(asPrefix(dns1123Subdomain)("web-")).toEqual([]);
    expect(asPrefix(dns1123Subdomain)("Web-")).toHaveLength(1);
  });

  test("are checked in time that does not explode", () => {
    expect(dns1123Subdomain(`${"a.".repeat(50_000)}_`).length).toBeGreaterThan(0);
  });
});
