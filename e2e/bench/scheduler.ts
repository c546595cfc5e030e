/**
 * Scheduler: Pods a second, on the workloads of the field's scheduler benchmark: deciding alone, and end to end
 * through the API, in the server's process and from a process of its own over https.
 *
 * As there, the scheduler places the Pods that are to be there before. Then all measured Pods wait when it starts
 * again; what counts is the time from the first binding to the last. Nobody runs the Pods. The aim is twice the field's floor, five times where that is under 200.
 */
import { join } from "node:path";
import type { Measurement, MeasurementContext } from "./bench.ts";
import { type Child, startChild } from "./child.ts";
import { percentile } from "./measured.ts";
import { atLeast, type Row } from "./report.ts";
import { runAlgorithm } from "./scheduler-algorithm.ts";
import type { Attempts, Bound } from "./scheduler-process.ts";
import { scaled, WORKLOADS, type Workload } from "./scheduler-workloads.ts";

const PROCESS = join(import.meta.dirname, "scheduler-process.ts");
/** Longest that one round may take once the scheduler runs. */
const ROUND_SECONDS = 120;
const QUICK = 0.1;

export const schedulerMeasurements: readonly Measurement[] = WORKLOADS.map((workload) => ({
  name: `scheduler-${workload.name}`,
  summary: `scheduling, ${workload.name}: ${workload.measured} Pods on ${workload.nodes} nodes`,
  async run(context) {
    const share = context.quick ? QUICK : 1;
    const size = scaled(workload, share);
    context.say("deciding alone");
    const rows = [algorithmRow(size)];
    for (const transport of ["direct", "https"] as const) {
      context.say(`end to end, ${transport}`);
      rows.push(await endToEnd(workload, share, transport, context));
    }
    const over = size.placed + size.stuck > 0 ? `, over ${size.placed + size.stuck}` : "";
    return [{ title: `scheduling, ${size.name}: ${size.measured} Pods on ${size.nodes} nodes${over}`, rows }];
  },
}));

function algorithmRow(workload: Workload): Row {
  const { placed, seconds, latencies } = runAlgorithm(workload);
  return {
    what: "deciding alone",
    value: placed / seconds,
    unit: "Pods/s",
    note: `${timesOf(latencies)} a Pod${missing(placed, workload)}`,
  };
}

async function endToEnd(
  workload: Workload,
  share: number,
  transport: "direct" | "https",
  { directory, signal }: MeasurementContext,
): Promise<Row> {
  const chosen = { workload: workload.name, share };
  const home = join(directory, transport);
  const api = startChild(PROCESS);
  const other = transport === "https" ? startChild(PROCESS) : undefined;
  const children: readonly Child[] = other ? [api, other] : [api];
  try {
    await api.call("startApi", home);
    await api.call("fill", chosen);
    const schedule = async (what: "placed" | "measured") => {
      signal.throwIfAborted();
      const bound = api.call<Bound>("bound", { ...chosen, what, seconds: ROUND_SECONDS });
      await (other ? other.call("startScheduler", home) : api.call("startScheduler"));
      return { ...(await bound), ...(await (other ?? api).call<Attempts>("stopScheduler")) };
    };
    if (workload.placed > 0) await schedule("placed");
    await api.call("addMeasured", chosen);
    const { count, seconds, latencies, cpu } = await schedule("measured");
    const { floor } = workload;
    return {
      what: `end to end, ${transport}`,
      value: count / seconds,
      unit: "Pods/s",
      reference: floor === undefined ? undefined : { name: "the field's floor", value: floor },
      aim: floor === undefined ? undefined : atLeast(floor < 200 ? 5 : 2),
      note: `${timesOf(latencies)} an attempt, ${((1000 * cpu) / Math.max(count, 1)).toFixed(2)} ms of processor a Pod${missing(count, scaled(workload, share))}`,
    };
  } finally {
    for (const child of children) await child.stop();
  }
}

const timesOf = (latencies: readonly number[]): string =>
  `p50 ${percentile(latencies, 0.5).toFixed(2)} ms, p99 ${percentile(latencies, 0.99).toFixed(2)} ms`;

const missing = (count: number, { measured }: Workload): string =>
  count === measured ? "" : `; only ${count} of ${measured} were placed`;
