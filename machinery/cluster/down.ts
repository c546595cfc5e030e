/**
 * Down: stops every process of the cluster on this machine and takes away what it left.
 *
 * Only what records and names of ours point at is touched. Data stays under the home directory
 * unless --purge says otherwise. What containers and networks leave is swept by the node's own
 * command, for this folder knows nothing of them.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { homesOfNodes } from "../machines/local-nodes.ts";
import type { Clock } from "../process/clock.ts";
import { defineComponent } from "../process/component.ts";
import { UsageError } from "../process/flags.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { livingRecord, removeRecord } from "./process-record.ts";
import { type ProcessSpec, type Program, processTable } from "./process-table.ts";
import { createProgress } from "./progress.ts";
import { removeService } from "./service.ts";
import { recordPath, stopRecord } from "./supervised-process.ts";
import { optionsPath, programOf, readOptions } from "./supervisor.ts";

/** The supervisor stops all others within this time, one after the other. */
const SUPERVISOR_MS = 60_000;

export const downCommand = defineComponent({
  name: "down",
  command: true,
  summary: "Stops the cluster on this machine; its data stays.",
  flags: {
    purge: { type: "boolean", help: "remove the data too" },
  },
  async run({ purge }, { clock, home }) {
    const paths = homePaths(home);
    const progress = createProgress(clock, process.stderr);
    if (!existsSync(optionsPath(paths))) {
      if (purge && existsSync(paths.root))
        throw new UsageError(`${paths.root} is not a home of k8ts: it holds no cluster.json`);
      return progress.say(`k8ts: no cluster under ${paths.root}`);
    }
    const options = readOptions(paths);
    const program = programOf(process.argv[1] as string);
    await removeService(home); // or it would start everything again
    const specs = options ? processTable(options, paths, program) : [];
    await progress.step("stopping processes", () => stopProcesses(paths, clock, specs));
    if (options?.runtime === "containerd") {
      await progress.step("removing containers, mounts and networks", async () => {
        for (const { root } of homesOfNodes(paths)) await sweep(program, "machine", root);
        await sweep(program, options.nodes ? "machines" : "node", home);
      });
    }
    rmSync(paths.run, { recursive: true, force: true });
    if (purge)
      await progress.step(`removing ${paths.root}`, async () => rmSync(paths.root, { recursive: true, force: true }));
  },
});

async function sweep({ node, main }: Program, kind: string, home: string): Promise<void> {
  await promisify(execFile)(node, ["--disable-warning=ExperimentalWarning", main, "sweep-node", "--of", kind], {
    env: { ...process.env, K8TS_HOME: home },
  });
}

/** The supervisor first, or it would start the others again; then whoever is left of one that was killed. */
async function stopProcesses(paths: HomePaths, clock: Clock, specs: readonly ProcessSpec[]): Promise<void> {
  const supervisor = livingRecord(recordPath(paths, "supervisor"));
  if (supervisor) await stopRecord(supervisor, clock, { graceMs: SUPERVISOR_MS });
  const names = existsSync(paths.run) ? readdirSync(paths.run).filter((file) => file.endsWith(".pid")) : [];
  for (const file of names) {
    const record = livingRecord(join(paths.run, file));
    if (record) await stopRecord(record, clock, { spec: specs.find(({ name }) => `${name}.pid` === file) });
    removeRecord(join(paths.run, file));
  }
}
