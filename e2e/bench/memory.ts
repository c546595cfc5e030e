/**
 * Memory: what each process of a cluster takes (Pss), when nothing happens and with 30 Pods.
 */
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement } from "./bench.ts";
import { type BenchCluster, COMMAND, IMAGE, podsRunning, startBenchCluster } from "./bench-cluster.ts";
import { memoryOf, processGroups } from "./cluster-processes.ts";
import { type Aim, atMost, type Row } from "./report.ts";

const PODS = 30;
/** Of an idle cluster. */
const AIMS: Readonly<Record<string, Aim>> = { server: atMost(150), agent: atMost(110), dns: atMost(60) };

export const memory: Measurement = {
  name: "memory",
  summary: "memory of each process",
  async run({ quick, simulated, signal, say }) {
    const cluster = await startBenchCluster(simulated, signal);
    try {
      const settle = () => clock.sleep(quick ? 5_000 : 30_000, signal);
      say("idle");
      await settle();
      const idle = taken(cluster);
      say(`with ${PODS} Pods`);
      await runPods(cluster, signal);
      await settle();
      const busy = taken(cluster);
      const rows = [...busy].flatMap(([name, with30]): Row[] => {
        const before = idle.get(name);
        const loaded: Row = { what: `${name}, ${PODS} Pods`, value: with30, unit: "MB" };
        return before === undefined
          ? [loaded]
          : [{ what: `${name}, idle`, value: before, unit: "MB", aim: AIMS[name] }, loaded];
      });
      const total = (all: ReadonlyMap<string, number>) => [...all.values()].reduce((sum, one) => sum + one, 0);
      const totals: Row[] = [
        { what: "all, idle", value: total(idle), unit: "MB" },
        { what: `all, ${PODS} Pods`, value: total(busy), unit: "MB" },
      ];
      return [{ title: simulated ? "memory (Pss), simulated containers" : "memory (Pss)", rows: [...rows, ...totals] }];
    } finally {
      await cluster.down();
    }
  },
};

const taken = ({ paths }: BenchCluster): ReadonlyMap<string, number> =>
  new Map(processGroups(paths).map((group) => [group.name, memoryOf(group)]));

async function runPods({ client }: BenchCluster, signal: AbortSignal): Promise<void> {
  const labels = { app: "bench" };
  await client.create("deployments", {
    metadata: { name: "bench", namespace: "default" },
    spec: {
      replicas: PODS,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "main", image: IMAGE, command: COMMAND }] },
      },
    },
  });
  await podsRunning(client, PODS, signal);
}
