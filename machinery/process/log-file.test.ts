import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLogFile } from "./log-file.ts";

test("log file past its size is rotated, with no line lost and only so many files kept", () => {
  const directory = mkdtempSync(join(tmpdir(), "log-file-"));
  const path = join(directory, "server.log");
  const file = openLogFile(path, 100, 3);
  for (let line = 0; line < 40; line++) file.write(`line ${String(line).padStart(3, "0")}\n`);
  file.close();
  expect(readdirSync(directory).sort()).toEqual(["server.log", "server.log.1", "server.log.2", "server.log.3"]);
  const kept = [3, 2, 1].map((n) => readFileSync(`${path}.${n}`, "utf8")).join("") + readFileSync(path, "utf8");
  const numbers = kept
    .trim()
    .split("\n")
    .map((line) => Number(line.slice(5)));
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => 40 - numbers.length + i));
});

test("log file opened again goes on where it ended", () => {
  const path = join(mkdtempSync(join(tmpdir(), "log-file-")), "a.log");
  for (const line of ["one\n", "two\n"]) {
    const file = openLogFile(path);
    file.write(line);
    file.close();
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});

test.skipIf(process.platform !== "linux")("a disk that is full ends no process, wherever standard error goes", () => {
  const source = join(import.meta.dirname, "log-file.ts");
  const script = `const { openLogFile } = await import(${JSON.stringify(source)});
    openLogFile("/dev/full").write("lost\\n");
    process.stdout.write("lives on");`;
  const node = [process.execPath, "--input-type=module", "-e", script];
  const line = `${node.map((word) => `'${word}'`).join(" ")} 2> /dev/full`;
  const { stdout, status } = spawnSync("sh", ["-c", line], { encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "lives on", status: 0 });
});
