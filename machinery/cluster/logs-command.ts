/**
 * logs: shows what a component of this machine's cluster wrote. The command behind `k8ts logs`.
 *
 * Rotated files come first, so that lines stand in the order of their time.
 */
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { homesOfNodes } from "../machines/local-nodes.ts";
import type { Clock } from "../process/clock.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { limits } from "../process/limits.ts";

const POLL_MS = 200;

/** Resolves with the exit code. With -f it goes on until it is interrupted. */
export async function logsCommand(argv: readonly string[], home: string, clock: Clock): Promise<number> {
  const follow = argv.includes("-f") || argv.includes("--follow");
  const [component] = argv.filter((one) => !one.startsWith("-"));
  const paths = homePaths(home);
  const known = new Map([
    ...logsIn(paths, ""),
    ...homesOfNodes(paths).flatMap((node) => logsIn(node, `${basename(node.root)}/`)),
  ]);
  const path = known.get(component ?? "");
  if (path === undefined) {
    const hint = known.size
      ? `components with a log: ${[...known.keys()].sort().join(", ")}`
      : "no component has written a log yet: start a cluster with 'k8ts up'";
    process.stderr.write(`Usage: k8ts logs [-f] COMPONENT\n${hint}\n`);
    return 2;
  }
  for (let index = limits.logFiles; index >= 1; index--) {
    if (existsSync(`${path}.${index}`)) await copy(`${path}.${index}`, 0);
  }
  let shown = await copy(path, 0);
  while (follow) {
    await clock.sleep(POLL_MS);
    const size = existsSync(path) ? statSync(path).size : 0;
    if (size < shown) shown = 0; // rotated: a new file began
    if (size > shown) shown = await copy(path, shown);
  }
  return 0;
}

/** Component ► its file; of a node that `up --nodes` made, "node-1/agent". */
function logsIn({ logs, log }: HomePaths, prefix: string): [name: string, path: string][] {
  if (!existsSync(logs)) return [];
  const names = readdirSync(logs).flatMap((file) => /^([a-z0-9-]+)\.(?:log|out)$/.exec(file)?.[1] ?? []);
  return [...new Set(names)].map((name) => [
    `${prefix}${name}`,
    existsSync(log(name)) ? log(name) : `${logs}/${name}.out`,
  ]);
}

/** Returns where it ended. */
async function copy(path: string, from: number): Promise<number> {
  const { size } = statSync(path);
  if (size > from)
    await pipeline(createReadStream(path, { start: from, end: size - 1 }), process.stdout, { end: false });
  return size;
}
