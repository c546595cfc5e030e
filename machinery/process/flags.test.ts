import { describe, expect, test } from "vitest";
import { asArguments, helpText, parseFlags, UsageError } from "./flags.ts";

const flags = {
  port: { type: "number", default: 6443, help: "port to listen on" },
  store: { type: "string", default: "embedded", value: "KIND", help: "memory, embedded or etcd" },
  "etcd-servers": { type: "string", multiple: true, help: "etcd endpoints" },
  ephemeral: { type: "boolean", help: "keep nothing" },
  "no-sample": { type: "boolean", help: "deploy nothing" },
  elect: { type: "boolean", default: true, help: "agree with others" },
} as const;

describe("flags", () => {
  test("defaults where nothing is given", () => {
    expect(parseFlags(flags, [])).toEqual({
      port: 6443,
      store: "embedded",
      "etcd-servers": [],
      ephemeral: false,
      "no-sample": false,
      elect: true,
    });
  });

  test("the command line before the environment before the default", () => {
    const env = { K8TS_PORT: "7000", K8TS_STORE: "etcd", K8TS_ETCD_SERVERS: "http://a,http://b" };
    expect(parseFlags(flags, ["--port", "7001"], env)).toMatchObject({
      port: 7001,
      store: "etcd",
      "etcd-servers": ["http://a", "http://b"],
    });
  });

  test("--no- turns a flag off, and is a name of its own where a flag is called so", () => {
    expect(parseFlags(flags, ["--no-sample", "--no-elect"])).toMatchObject({ "no-sample": true, elect: false });
  });

  test.each([[["--prot", "1"]], [["--port", "many"]], [["stray"]]])("%j is refused", (argv) => {
    expect(() => parseFlags(flags, argv)).toThrow(UsageError);
  });

  test("help names every flag with its default", () => {
    const text = helpText("apiserver", "Serves the API.", flags);
    for (const name of Object.keys(flags)) expect(text).toContain(`--${name}`);
    expect(text).toContain("(default 6443)");
  });
});

test("values become the arguments that say them again, without what is usual", () => {
  const flags = {
    name: { type: "string", help: "" },
    count: { type: "number", default: 3, help: "" },
    also: { type: "string", multiple: true, help: "" },
    loud: { type: "boolean", help: "" },
  } as const;
  const given = ["--name", "a b", "--also", "x", "--also", "y", "--loud"];
  expect(asArguments(flags, parseFlags(flags, [...given, "--count", "3"]))).toEqual(given);
});
