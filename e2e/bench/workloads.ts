/**
 * Workloads: how long it takes from the creation of a large Deployment, StatefulSet or DaemonSet until all of its Pods
 * are available: controllers, scheduler and API in one process, simulated nodes in another over https.
 */
import { join } from "node:path";
import type { Measurement, MeasurementContext } from "./bench.ts";
import { startChild } from "./child.ts";
import { type Aim, atMost, type Row } from "./report.ts";
import type { Reached, Wanted } from "./workloads-process.ts";

const PROCESS = join(import.meta.dirname, "workloads-process.ts");
const PODS_A_NODE = 100;
const QUICK = 0.1;
const ROUND_SECONDS = 60;

const CASES: readonly {
  readonly what: string;
  readonly kind: Wanted["kind"];
  readonly replicas: number;
  readonly aim?: Aim;
}[] = [
  { what: "Deployment", kind: "deployments", replicas: 5_000, aim: atMost(10) },
  { what: "parallel StatefulSet", kind: "statefulsets", replicas: 1_000 },
  { what: "DaemonSet", kind: "daemonsets", replicas: 1_000 },
];

export const workloads: Measurement = {
  name: "workloads",
  summary: "scaling up large workloads on simulated nodes",
  async run(context) {
    const rows: Row[] = [];
    for (const { what, kind, replicas, aim } of CASES) {
      const count = context.quick ? replicas * QUICK : replicas;
      context.say(`${what} of ${count} Pods`);
      const nodes = kind === "daemonsets" ? count : Math.ceil(count / PODS_A_NODE) + 1;
      const { available, seconds, cpu } = await round(
        { kind, replicas: count, seconds: ROUND_SECONDS },
        nodes,
        context,
      );
      const missing = available < count ? `, ${count - available} NOT available` : "";
      rows.push({
        what: `${what}, ${count} Pods on ${nodes} nodes`,
        value: seconds,
        unit: "s",
        aim,
        note: `${((1000 * cpu) / Math.max(available, 1)).toFixed(2)} ms of the server's processor a Pod${missing}`,
      });
    }
    return [{ title: "from creation until all Pods are available", rows }];
  },
};

async function round(wanted: Wanted, count: number, { directory, signal }: MeasurementContext): Promise<Reached> {
  const home = join(directory, wanted.kind);
  const [server, nodes] = [startChild(PROCESS), startChild(PROCESS)];
  try {
    await server.call("startServer", { home, store: "memory" });
    await nodes.call("startNodes", { home, count });
    signal.throwIfAborted();
    return await server.call<Reached>("reach", wanted);
  } finally {
    await nodes.stop();
    await server.stop();
  }
}
