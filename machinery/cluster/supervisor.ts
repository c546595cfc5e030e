/**
 * Supervisor: keeps every process of the table running, and stops them all on SIGTERM.
 *
 * It holds no state of its own: cluster.json says what runs, records say which processes are
 * there. Killed with -9 it leaves the processes alone; the next one adopts them.
 * It imports no component: see process-table.ts for the command lines.
 */
import { mkdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import { defineComponent } from "../process/component.ts";
import { UsageError } from "../process/flags.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { limits } from "../process/limits.ts";
import { livingRecord, removeRecord, writeRecord } from "./process-record.ts";
import { type ClusterOptions, NODE_STOP_MS, type ProcessSpec, type Program, processTable } from "./process-table.ts";
import { recordPath, stopRecord, superviseProcess, USUAL_STOP_MS } from "./supervised-process.ts";
import { tellReady } from "./tell-ready.ts";

export const optionsPath = (paths: HomePaths) => `${paths.root}/cluster.json`;

/** What the last `up` chose, or undefined where there was none. */
export function readOptions(paths: HomePaths): ClusterOptions | undefined {
  try {
    return JSON.parse(readFileSync(optionsPath(paths), "utf8")) as ClusterOptions;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Besides the kubelet, where each component is a process. */
const MOST_OTHERS = 8;

export const programOf = (main: string): Program => ({ node: process.execPath, main });

export const supervisorComponent = defineComponent({
  name: "supervisor",
  summary: "Keeps the processes of this machine's part of the cluster running (started by up).",
  flags: {
    main: { type: "string", value: "FILE", help: "path of main.ts" },
    tell: { type: "boolean", help: "say on standard error when the node is Ready" },
  },
  /** Did it end before a node that is switched off has ended its Pods, the machine would kill them. */
  stopsLater: () => NODE_STOP_MS + MOST_OTHERS * USUAL_STOP_MS,
  async run({ main, tell }, context) {
    const { clock, log, signal, home, ready } = context;
    const paths = homePaths(home);
    const options = readOptions(paths);
    if (!options || main === undefined)
      throw new UsageError("there is no cluster to supervise: start one with 'k8ts up'");
    mkdirSync(paths.run, { recursive: true, mode: 0o700 });
    mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
    const own = recordPath(paths, "supervisor");
    const other = livingRecord(own);
    if (other && other.pid !== process.pid) throw new UsageError(`a supervisor runs already (pid ${other.pid})`);
    writeRecord(own, process.pid, "supervisor");

    const table = processTable(options, paths, programOf(main));
    const watching = table.map((spec) => superviseProcess({ spec, paths, clock, log, signal }));
    watching.push(trimOutputs(table));
    if (tell) watching.push(tellReady(options, context));
    ready();
    await Promise.all(watching);
    await stopAll(table);
    removeRecord(own);

    /** The last started stops first: agents can still tell the server what they did. Machines stop together. */
    async function stopAll(specs: readonly ProcessSpec[]) {
      await Promise.all(specs.filter(({ ends }) => ends).map(stopOne));
      for (const spec of specs.filter(({ ends }) => !ends).toReversed()) await stopOne(spec);
    }

    async function stopOne(spec: ProcessSpec) {
      const record = livingRecord(recordPath(paths, spec.name));
      if (record) await stopRecord(record, clock, { spec });
      removeRecord(recordPath(paths, spec.name));
    }

    /** Foreign programs (containerd) write without end: what they wrote is cut when it is too much. */
    async function trimOutputs(specs: readonly ProcessSpec[]) {
      while (!signal.aborted) {
        for (const { name } of specs) trim(`${paths.logs}/${name}.out`);
        await clock.sleep(60_000, signal).catch(() => undefined); // aborted: the loop's condition ends it
      }
    }
  },
});

/** Appending writers go on at the new end. */
function trim(path: string): void {
  try {
    if (statSync(path).size > limits.logFileBytes) truncateSync(path, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
