import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseEnvFile, readEnvFile } from "./env-file.ts";

describe("an environment file", () => {
  const good: readonly [string, string, Record<string, string>][] = [
    ["with values in quotes", "A='1'\nB=' two '\n", { A: "1", B: " two " }],
    ["with comments and blanks", "# x\n\n  A = '1' # one\n", { A: "1" }],
    ["with what would be special elsewhere", "A='#$\"\\n=x'\nB=''", { A: '#$"\\n=x', B: "" }],
    ["with a value of several lines", "A='one\ntwo'\nB='3'", { A: "one\ntwo", B: "3" }],
    ["with a name twice", "A='1'\nA='2'", { A: "2" }],
    ["from another system", "A='1'\r\nB='2'\r\n", { A: "1", B: "2" }],
  ];
  it.each(good)("%s", (_name, text, wanted) => {
    expect(Object.fromEntries(parseEnvFile(text))).toEqual(wanted);
  });
  const bad: readonly [string, string, string][] = [
    ["without quotes", "A='1'\nB=2", "line 2: the value must be enclosed in single quotes"],
    ["with double quotes", 'A="1"', "line 1: the value must be enclosed in single quotes"],
    ["with words joined", "A='1''2'", "line 1: nothing but a comment may follow the value"],
    ["that breaks off", "A='1\n", "the closing single quote is missing"],
    ["of something else", "hello", "line 1: must be KEY='value'"],
  ];
  it.each(bad)("%s is refused", (_name, text, message) => {
    expect(() => parseEnvFile(text)).toThrow(message);
  });
});

describe("reading one", () => {
  const directory = mkdtempSync(join(tmpdir(), "env-file-"));
  beforeAll(() => {
    mkdirSync(join(directory, "volume/sub"), { recursive: true });
    writeFileSync(join(directory, "secret"), "A='1'");
    writeFileSync(join(directory, "volume/sub/env"), "A='1'");
    writeFileSync(join(directory, "volume/large"), "x".repeat(2 * 1024 * 1024));
    symlinkSync(join(directory, "secret"), join(directory, "volume/link"));
    symlinkSync("..", join(directory, "volume/up"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  const read = (path: string) => readEnvFile(join(directory, "volume"), path);

  it("finds it in its volume", async () => {
    expect(await read("sub/env")).toBe("A='1'");
    expect(await read("sub/none")).toBeUndefined();
  });
  it("never leaves the volume, nor takes what is no file or too large", async () => {
    await expect(read("link")).rejects.toThrow("leads through");
    await expect(read("up/secret")).rejects.toThrow("leads through");
    await expect(read("sub")).rejects.toThrow("is no file");
    await expect(read("large")).rejects.toThrow("has more than");
  });
});
