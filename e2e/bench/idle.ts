/**
 * Idle: what a cluster in which nothing happens costs an hour: processor time and bytes written to disk.
 *
 * Extrapolated from ten minutes. The whole machine's writes stand beside the processes' own, since journals
 * and metadata are written in nobody's name.
 */
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement } from "./bench.ts";
import { startBenchCluster } from "./bench-cluster.ts";
import { processGroups, processorOf, writtenByMachine, writtenOf } from "./cluster-processes.ts";
import { atMost, type Row } from "./report.ts";

const HOUR = 3600;

export const idle: Measurement = {
  name: "idle",
  summary: "what an idle cluster costs",
  async run({ quick, simulated, signal, say }) {
    const seconds = quick ? 60 : 600;
    const cluster = await startBenchCluster(simulated, signal);
    try {
      await clock.sleep(quick ? 10_000 : 60_000, signal);
      say(`for ${seconds} seconds`);
      const groups = processGroups(cluster.paths);
      const read = () => groups.map((group) => ({ cpu: processorOf(group), written: writtenOf(group) }));
      const [before, machineBefore, begin] = [read(), writtenByMachine(), clock.monotonic()];
      await clock.sleep(seconds * 1000, signal);
      const [after, machineAfter] = [read(), writtenByMachine()];
      const hours = (clock.monotonic() - begin) / 1000 / HOUR;

      const each = groups.map(({ name }, index) => {
        const [first, last] = [before[index], after[index]];
        if (!first || !last) throw new Error(`${name} was not read twice`);
        return { name, cpu: (last.cpu - first.cpu) / hours, written: (last.written - first.written) / hours };
      });
      const total = (of: "cpu" | "written") => each.reduce((sum, one) => sum + one[of], 0);
      const cpu = (name: string, value: number): Row => ({
        what: `${name}: processor`,
        value: (value / HOUR) * 100,
        unit: "% of a core",
        note: `${value.toFixed(0)} s an hour`,
      });
      const rows: Row[] = [
        { ...cpu("all", total("cpu")), aim: atMost(1) },
        ...each.map((one) => cpu(one.name, one.cpu)),
        { what: "all: written", value: total("written"), unit: "MB/h", aim: atMost(20) },
        ...each.map(({ name, written }): Row => ({ what: `${name}: written`, value: written, unit: "MB/h" })),
        {
          what: "whole machine: written",
          value: (machineAfter - machineBefore) / hours,
          unit: "MB/h",
          note: "whoever else wrote included",
        },
      ];
      return [{ title: `idle${simulated ? ", simulated containers" : ""}, from ${seconds} seconds`, rows }];
    } finally {
      await cluster.down();
    }
  },
};
