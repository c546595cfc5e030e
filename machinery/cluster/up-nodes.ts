/**
 * Up, nodes: what `up --nodes` does besides: the token with which the machines join, and waiting on their behalf.
 *
 * The machines are processes of the supervisor's (process-table.ts); this is for the person who watches.
 */
import { execFile } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";
import type { Client } from "../client/client.ts";
import { entering } from "../machines/boot.ts";
import { homesOfNodes, joinTokenPath, MOST_NODES } from "../machines/local-nodes.ts";
import { isNotFound } from "../objects/status.ts";
import type { Clock } from "../process/clock.ts";
import { UsageError } from "../process/flags.ts";
import type { HomePaths } from "../process/home.ts";
import { livingRecord } from "./process-record.ts";
import type { Program } from "./process-table.ts";
import { recordPath } from "./supervised-process.ts";

const run = promisify(execFile);

/** The number asked for; 0 where this computer itself is the node. */
export function nodeCount(asked: number | undefined, noContainers: string | undefined): number {
  if (asked === undefined) return 0;
  if (!Number.isInteger(asked) || asked < 1 || asked > MOST_NODES)
    throw new UsageError(`--nodes takes a number from 1 to ${MOST_NODES}, not ${asked}`);
  if (noContainers !== undefined)
    throw new UsageError(`--nodes makes machines that run containers: they cannot be simulated (${noContainers})`);
  return asked;
}

/** Nodes that were made here once and are not asked for any more: their machines are off for good. */
export async function forgetNodes(client: Client, paths: HomePaths, wanted: readonly string[]): Promise<string[]> {
  const made = homesOfNodes(paths).map(({ root }) => basename(root));
  const dropped = made.filter((name) => !wanted.includes(name));
  const gone = await Promise.all(
    dropped.map((name) =>
      client.delete("nodes", { name }).then(
        () => [name],
        (error: unknown) => {
          if (isNotFound(error)) return [];
          throw error;
        },
      ),
    ),
  );
  return gone.flat();
}

/** Machines that have joined do not look at it; those that have not wait for it. */
export async function writeJoinToken(program: Program, paths: HomePaths): Promise<void> {
  const args = ["--disable-warning=ExperimentalWarning", program.main, "token", "create", "--print", "token"];
  const env = { ...process.env, K8TS_HOME: paths.root };
  const { stdout } = await run(program.node, args, { env });
  const path = joinTokenPath(paths);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, stdout, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

const RESOLVE = `
  const resolver = new (require("node:dns").promises.Resolver)({ timeout: 250, tries: 1 });
  resolver.setServers([process.argv[1]]);
  resolver.resolve4(process.argv[2]).then(([address]) => console.log(address), (error) => { console.error(error.message); process.exitCode = 1; });
`;

/** Asks a name server from a machine, where the Services are reached. */
export async function resolveOn(machine: string, paths: HomePaths, server: string, name: string): Promise<string> {
  const record = livingRecord(recordPath(paths, machine));
  if (!record) throw new Error(`machine ${machine} does not run`);
  const [command = "", ...args] = [...entering(record.pid), process.execPath, "--eval", RESOLVE, server, name];
  const { stdout } = await run(command, args);
  return stdout.trim();
}

/** Asks again until there is an answer or the signal aborts. */
export async function patiently<T>(
  ask: () => Promise<T>,
  clock: Clock,
  pauseMs: number,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) throw error;
      await clock.sleep(pauseMs, signal);
    }
  }
}
