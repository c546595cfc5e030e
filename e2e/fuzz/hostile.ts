/**
 * Hostile: values that are wrong nearly everywhere, and texts that are nearly right somewhere.
 */
import type { Choices } from "./choices.ts";
import { rawJson } from "./json-text.ts";

const NUMBERS: readonly unknown[] = [
  0,
  -1,
  1,
  1.5,
  80,
  65536,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  ...["1e400", "-1e400", "1e-400", "-0", "1.0", "1E2", "9223372036854775807", "9223372036854775808"].map(rawJson),
  ...["-9223372036854775809", "18446744073709551616", "123456789012345678901234567890", "0.30000000000000004"].map(
    rawJson,
  ),
];

const TEXTS: readonly string[] = [
  "",
  "a",
  "x".repeat(64),
  "x".repeat(300),
  "-",
  "a b",
  "A",
  "ä",
  "\u0000",
  "\n",
  "\ud800",
  "𝕏🎉",
  "\u202e",
  "\ufeff",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "true",
  "0",
  "-5",
  "1e400",
  "1Gi",
  "-1Gi",
  "100m",
  "1.5",
  "9223372036854775808",
  "25%",
  "25%%",
  "%",
  "*",
  "/..",
  "../../etc/passwd",
  "/",
  "a/b/c",
  "a.b/c",
  "$(A)",
  "10.0.0.1",
  "010.0.0.1",
  "10.0.0.0/33",
  "10.0.0.0/8",
  "::1",
  "fe80::1%eth0",
  "::/0",
  "2026-01-02T03:04:05Z",
  "2026-13-45T99:00:00Z",
  "9999999-01-01T00:00:00Z",
  "5s",
  "-5s",
  "999999999h",
  "{.a.b}",
  "{.a[?(@.b==1)]}",
  ".spec['a",
  "self.spec.a > 1",
  "self.all(x, x.all(y, y))",
  "((a+)+)+$",
  "(?=a)",
  "http://[::1",
  "https://a.b/c?d#e",
  "%s%d",
  "{",
  "* * * * *",
  "@every 1s",
  "TZ=Mars/Olympus * * * * *",
  "61 25 32 13 8",
  "IfNotPresent",
  "Always",
  "TCP",
  "ReadWriteOnce",
  "system:masters",
  "metadata.name",
  "status.podIP",
  "bm90IGJhc2U2NA=",
  "MAo=",
];

const KEYS: readonly string[] = [
  "a",
  "",
  "name",
  "metadata",
  "spec",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "$patch",
  "$retainKeys",
  "$setElementOrder/containers",
  "$deleteFromPrimitiveList/finalizers",
  "f:spec",
  "a.b/c",
  "0",
  "-1",
  "length",
  "\u0000",
  "x".repeat(300),
];

const SHAPES: readonly unknown[] = [
  [],
  {},
  [null],
  [[]],
  [{}],
  [{}, {}],
  { a: null },
  { "": 1 },
  [1, "a", null, {}],
  ["a", "a"],
  ...[
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"a":1,"a":2}',
    '[{"name":"a","name":"b"}]',
    `${"[".repeat(60)}${"]".repeat(60)}`,
    `${'{"a":'.repeat(60)}1${"}".repeat(60)}`,
    '"\\ud800"',
  ].map(rawJson),
];

/** Large ones: seldom. */
const LARGE: readonly (() => unknown)[] = [
  () => "x".repeat(70_000),
  () => rawJson(`${"[".repeat(12_000)}${"]".repeat(12_000)}`),
  () => rawJson(`${'{"a":'.repeat(12_000)}1${"}".repeat(12_000)}`),
  () => Array.from({ length: 2_000 }, (_, index) => index),
  () => Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`key-${index}`, "x"])),
  () => "(".repeat(5_000),
];

export const hostileText = (choices: Choices): string => choices.pick(TEXTS);
export const hostileKey = (choices: Choices): string => choices.pick(KEYS);

export function hostile(choices: Choices, depth = 0): unknown {
  if (choices.chance(1)) return choices.pick(LARGE)();
  switch (choices.below(depth > 2 ? 4 : 6)) {
    case 0:
      return choices.pick([null, true, false]);
    case 1:
      return choices.pick(NUMBERS);
    case 2:
      return hostileText(choices);
    case 3:
      return structuredClone(choices.pick(SHAPES));
    case 4:
      return Array.from({ length: choices.below(4) }, () => hostile(choices, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: choices.below(4) }, () => [hostileKey(choices), hostile(choices, depth + 1)]),
      );
  }
}
