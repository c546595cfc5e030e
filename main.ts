/**
 * k8ts: the table of contents of every command and process.
 *
 * Imports nothing before the compile cache is on, and then only what the command needs.
 * This is the only file that ends the process.
 */
import { existsSync, mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import type { Component } from "./machinery/process/component.ts";

interface Command {
  readonly summary: string;
  /** Resolves with the exit code. */
  run(argv: readonly string[]): Promise<number>;
}

const component = (summary: string, load: () => Promise<Component>): Command => ({
  summary,
  async run(argv) {
    const [{ runComponent }, loaded] = await Promise.all([import("./machinery/process/run.ts"), load()]);
    return runComponent(loaded, argv);
  },
});

const commands: Readonly<Record<string, Command>> = {
  up: component(
    "start a cluster on this machine",
    async () => (await import("./machinery/cluster/up.ts")).upCommand as never,
  ),
};

const home = process.env["K8TS_HOME"] ?? `${process.env["HOME"] ?? "/root"}/.k8ts`;
if (existsSync(home)) {
  const cache = join(home, "cache", "compiled");
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  enableCompileCache(cache);
}

const [name = "help", ...argv] = process.argv.slice(2);
const command = commands[name];
if (!command) {
  const width = Math.max(...Object.keys(commands).map((one) => one.length));
  const lines = Object.entries(commands).map(([one, { summary }]) => `  ${one.padEnd(width)}  ${summary}`);
  const asked = ["help", "--help", "-h"].includes(name);
  const out = asked ? process.stdout : process.stderr;
  out.write(
    `${asked ? "" : `k8ts: unknown command "${name}"\n\n`}Usage: k8ts COMMAND [flags]\n\n${lines.join("\n")}\n\nk8ts COMMAND --help shows a command's flags.\n`,
  );
  process.exit(asked ? 0 : 2);
}
process.exit(await command.run(argv));
