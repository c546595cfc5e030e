/**
 * Bench: every measurement that the project cares for, printed as one table with its ceilings.
 *
 * It never fails because a number is bad. What cannot be measured here (no root, no containerd) is said.
 * Each measurement is a file of its own beside this one.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { arch, cpus, loadavg, release, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { STORES } from "../../apiserver/open-store.ts";
import { createProgress } from "../../machinery/cluster/progress.ts";
import { defineComponent } from "../../machinery/process/component.ts";
import { UsageError } from "../../machinery/process/flags.ts";
import { canRunContainers } from "../harness/cluster.ts";
import { apiThroughput } from "./api-throughput.ts";
import { cachedObjects } from "./cached-objects.ts";
import { dnsQueries } from "./dns.ts";
import { fullNode } from "./full-node.ts";
import { fuzz } from "./fuzz.ts";
import { histories } from "./histories.ts";
import { idle } from "./idle.ts";
import { joinTimes } from "./join.ts";
import { memory } from "./memory.ts";
import { podNetwork } from "./pod-network.ts";
import { podStart } from "./pod-start.ts";
import { manyPods } from "./pods.ts";
import { policies } from "./policies.ts";
import { type Section, table } from "./report.ts";
import { scale } from "./scale.ts";
import { schedulerMeasurements } from "./scheduler.ts";
import { serviceProgramming } from "./services.ts";
import { storeCommits } from "./store.ts";
import { upTimes } from "./up.ts";
import { watchers } from "./watchers.ts";
import { workloads } from "./workloads.ts";

export interface MeasurementContext {
  /** Short runs: good enough to see whether something broke, not to quote. */
  readonly quick: boolean;
  /** Clusters run simulated containers: asked for, or because real ones cannot run here. */
  readonly simulated: boolean;
  /** Empty, and gone afterwards. */
  readonly directory: string;
  /** Stores to measure where there is a choice. */
  readonly stores: readonly string[];
  /** Where CPU profiles are to be written, where they were asked for. */
  readonly profile: string | undefined;
  readonly signal: AbortSignal;
  say(text: string): void;
}

export interface Measurement {
  readonly name: string;
  readonly summary: string;
  /** Why it cannot run on this machine. */
  unable?(context: Pick<MeasurementContext, "simulated">): string | undefined;
  run(context: MeasurementContext): Promise<readonly Section[]>;
}

const measurements: readonly Measurement[] = [
  upTimes,
  memory,
  podStart,
  manyPods,
  fullNode,
  joinTimes,
  storeCommits,
  apiThroughput,
  watchers,
  cachedObjects,
  histories,
  fuzz,
  ...schedulerMeasurements,
  workloads,
  scale,
  dnsQueries,
  policies,
  serviceProgramming,
  podNetwork,
  idle,
];
const names = measurements.map(({ name }) => name);

export const benchCommand = defineComponent({
  name: "bench",
  command: true,
  summary: `Measures it all and prints a table: ${measurements.map(({ name, summary }) => `${name} (${summary})`).join(", ")}.`,
  flags: {
    only: { type: "string", value: "NAME,…", help: `measure these alone: ${names.join(", ")}` },
    stores: { type: "string", default: STORES.join(), value: "NAME,…", help: "measure these stores alone" },
    quick: { type: "boolean", help: "short runs" },
    simulated: { type: "boolean", help: "simulate containers, though this machine could run them" },
    profile: { type: "string", value: "DIRECTORY", help: "write CPU profiles of the API server here" },
  },
  async run(flags, { clock, signal }) {
    const progress = createProgress(clock, process.stderr);
    const profile = flags.profile === undefined ? undefined : resolve(flags.profile);
    const simulated = flags.simulated || !canRunContainers;
    const stores = flags.stores.split(",");
    if (profile) mkdirSync(profile, { recursive: true });
    process.stdout.write(`${machine()}\n`);
    for (const measurement of chosen(flags.only)) {
      signal.throwIfAborted();
      const why = measurement.unable?.({ simulated });
      if (why) {
        process.stdout.write(`\n${measurement.name}: left out: ${why}\n`);
        continue;
      }
      progress.say(`measuring ${measurement.summary}`);
      const directory = mkdtempSync(join(tmpdir(), "k8ts-bench-"));
      const say = (text: string) => progress.say(`  ${text}`);
      try {
        const sections = await measurement.run({
          quick: flags.quick,
          simulated,
          directory,
          stores,
          profile,
          signal,
          say,
        });
        for (const section of sections) process.stdout.write(table(section));
      } catch (error) {
        signal.throwIfAborted();
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        process.stdout.write(`\n${measurement.name}: could not be measured: ${text}\n`);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
    process.stdout.write(`\n${machine()}\n`);
  },
});

function chosen(only: string | undefined): readonly Measurement[] {
  if (only === undefined) return measurements;
  return only.split(",").map((name) => {
    const found = measurements.find((one) => one.name === name.trim());
    if (!found) throw new UsageError(`--only takes ${names.join(", ")}, not "${name}"`);
    return found;
  });
}

function machine(): string {
  const [cpu] = cpus();
  const load = loadavg().map((one) => one.toFixed(1));
  return `${cpus().length} × ${cpu?.model.trim() ?? "?"}, ${arch()}, Linux ${release()}, Node ${process.version}, load ${load.join(" ")}`;
}
