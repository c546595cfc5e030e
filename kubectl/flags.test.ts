/** The command line as kubectl reads it. */
import { describe, expect, test } from "vitest";
import { type FlagTable, parseFlags } from "./flags.ts";

const table = {
  output: { type: "string", short: "o", default: "", help: "" },
  stdin: { type: "boolean", short: "i", help: "" },
  tty: { type: "boolean", short: "t", help: "" },
  wait: { type: "boolean", default: true, help: "" },
  replicas: { type: "number", help: "" },
  filename: { type: "list", short: "f", help: "" },
  "dry-run": { type: "string", default: "none", alone: "unchanged", help: "" },
} as const satisfies FlagTable;

const parse = (line: string) => parseFlags(table, line.split(" "));

describe("flags", () => {
  test.for([
    ["-o yaml", { output: "yaml" }],
    ["-oyaml", { output: "yaml" }],
    ["-o=yaml", { output: "yaml" }],
    ["--output yaml", { output: "yaml" }],
    ["--output=yaml", { output: "yaml" }],
    ["-it", { stdin: true, tty: true }],
    ["-ito name", { stdin: true, tty: true, output: "name" }],
    ["--wait=false", { wait: false }],
    ["--replicas=3", { replicas: 3 }],
    ["--replicas -1", { replicas: -1 }],
    ["-f a -f b --filename=c", { filename: ["a", "b", "c"] }],
    ["--dry-run", { "dry-run": "unchanged" }],
    ["--dry-run=server", { "dry-run": "server" }],
  ] as const)("%s", ([line, values]) => {
    expect(parse(line).values).toMatchObject(values);
  });

  test("arguments may stand between flags, and `--` ends the flags", () => {
    expect(parse("pod -o name web -- ls -l --output=x")).toMatchObject({
      args: ["pod", "web", "ls", "-l", "--output=x"],
      dash: 2,
      values: { output: "name" },
    });
  });

  test("a lone dash is an argument, as a file", () => {
    expect(parse("-f - x").values["filename"]).toEqual(["-"]);
    expect(parse("-").args).toEqual(["-"]);
  });

  test.for([
    ["--nope", "unknown flag: --nope"],
    ["-x", "unknown shorthand flag: 'x' in -x"],
    ["-ix", "unknown shorthand flag: 'x' in -ix"],
    ["-o", "flag needs an argument: 'o' in -o"],
    ["--output", "flag needs an argument: --output"],
    ["--replicas=x", 'invalid argument "x" for "--replicas" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    ["--wait=x", 'invalid argument "x" for "--wait" flag: strconv.ParseBool: parsing "x": invalid syntax'],
    ["--constructor", "unknown flag: --constructor"],
  ] as const)("%s is refused", ([line, message]) => {
    expect(() => parse(line)).toThrow(message);
  });
});
