/**
 * Scale: the whole control plane in one process with many nodes and Pods, under the nodes' heartbeats: its memory and
 * processor time, and how long requests take. Nodes are simulated by a second process, over https.
 *
 * Ten nodes without Pods show what an idle control plane costs.
 */
import { join } from "node:path";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement, MeasurementContext } from "./bench.ts";
import { type Child, startChild } from "./child.ts";
import { memoryOf, processorOf } from "./cluster-processes.ts";
import { percentile } from "./measured.ts";
import { atMost, type Row } from "./report.ts";
import type { Beats } from "./scale-nodes.ts";
import type { Reached } from "./workloads-process.ts";

const NODES = 5_000;
const PODS_A_NODE = 10;
const DEPLOYMENTS = 50;
const QUICK = 0.1;
const FILL_SECONDS = 600;
const FEW = 10;
/** What was left to do has been done by then, and only heartbeats are measured. */
const SETTLE_MS = 60_000;

export const scale: Measurement = {
  name: "scale",
  summary: "the control plane with 5,000 nodes and 50,000 Pods, and idle with ten nodes",
  async run(context) {
    const nodes = context.quick ? NODES * QUICK : NODES;
    const pods = nodes * PODS_A_NODE;
    const few = await withNodes(FEW, context, async (server, fleet) => {
      context.say(`${FEW} nodes, idle`);
      return [await watched("idle", server, fleet, context, { cpu: atMost(1) })];
    });
    const many = await withNodes(nodes, context, async (server, fleet) => {
      context.say(`${pods} Pods`);
      const reached = await server.call<Reached>("reach", {
        kind: "deployments",
        replicas: pods / DEPLOYMENTS,
        copies: DEPLOYMENTS,
        seconds: FILL_SECONDS,
      });
      const missing = reached.available < pods ? `, ${pods - reached.available} NOT available` : "";
      const filled: Row = {
        what: `until all ${pods} Pods are available`,
        value: reached.seconds,
        unit: "s",
        note: `${((1000 * reached.cpu) / reached.available).toFixed(2)} ms of processor a Pod${missing}`,
      };
      context.say("under heartbeats");
      return [
        [filled],
        await watched("heartbeats", server, fleet, context, { memory: atMost(1_500), p99: atMost(1_000) }),
      ];
    });
    return [
      { title: `control plane with ${FEW} nodes`, rows: few.flat() },
      { title: `control plane with ${nodes} nodes`, rows: many.flat() },
    ];
  },
};

async function withNodes(
  count: number,
  { directory, signal }: MeasurementContext,
  work: (server: Child, fleet: Child) => Promise<readonly (readonly Row[])[]>,
): Promise<readonly (readonly Row[])[]> {
  const home = join(directory, String(count));
  const server = startChild(join(import.meta.dirname, "workloads-process.ts"));
  const fleet = startChild(join(import.meta.dirname, "scale-nodes.ts"));
  try {
    await server.call("startServer", { home, store: "embedded" });
    await fleet.call("addNodes", { home, count, watching: true });
    signal.throwIfAborted();
    return await work(server, fleet);
  } finally {
    await fleet.stop();
    await server.stop();
  }
}

type Aims = Partial<Record<"cpu" | "memory" | "p99", Row["aim"]>>;

/** What the server costs, and what its clients feel, while nothing but heartbeats happens. */
async function watched(
  what: string,
  { pid }: Child,
  fleet: Child,
  { quick, signal }: MeasurementContext,
  aims: Aims,
): Promise<readonly Row[]> {
  const seconds = quick ? 20 : 60;
  const server = { name: what, pids: [pid] };
  await clock.sleep(SETTLE_MS, signal);
  await fleet.call<Beats>("beats");
  const [before, begun] = [processorOf(server), clock.monotonic()];
  await clock.sleep(seconds * 1000, signal);
  const { renewals, reports, failures } = await fleet.call<Beats>("beats");
  const passed = (clock.monotonic() - begun) / 1000;
  const all = [...renewals, ...reports];
  return [
    { what: `${what}: memory`, value: memoryOf(server), unit: "MB", aim: aims.memory },
    {
      what: `${what}: processor`,
      value: (100 * (processorOf(server) - before)) / passed,
      unit: "% of a core",
      aim: aims.cpu,
    },
    {
      what: `${what}: heartbeats`,
      value: all.length / passed,
      unit: "/s",
      ...(failures && { note: `${failures} sent again` }),
    },
    {
      what: `${what}: a heartbeat's answer, p99`,
      value: percentile(all, 0.99),
      unit: "ms",
      aim: aims.p99,
      note: `p50 ${percentile(all, 0.5).toFixed(1)} ms`,
    },
  ];
}
