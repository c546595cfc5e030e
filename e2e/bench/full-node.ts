/**
 * Full node: what the processes of a node cost with no Pod, with 30 and with as many as it takes: memory, processor
 * time and bytes written while nothing happens.
 */
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement } from "./bench.ts";
import { type BenchCluster, COMMAND, IMAGE, podsRunning, startBenchCluster } from "./bench-cluster.ts";
import { memoryOf, processGroups, processorOf, writtenOf } from "./cluster-processes.ts";
import { type Aim, atMost, type Row } from "./report.ts";

/** The last one is a node's usual most. */
const COUNTS = [0, 30, 110];
const MOST_MB = 150;
const MOST_PROCESSOR = 1;
/** What a busy time left is given back some ten seconds after it: machinery/process/spare-memory.ts. */
const SETTLE_MS = 30_000;

interface Cost {
  readonly name: string;
  readonly mb: number;
  /** Percent of a core. */
  readonly processor: number;
  readonly mbPerHour: number;
}

export const fullNode: Measurement = {
  name: "full-node",
  summary: "what a node costs with 0, 30 and 110 Pods",
  async run({ quick, simulated, signal, say }) {
    const seconds = quick ? 20 : 120;
    const cluster = await startBenchCluster(simulated, signal);
    try {
      const rows: Row[] = [];
      const times: Row[] = [];
      for (const count of COUNTS) {
        say(`${count} Pods`);
        const begin = clock.monotonic();
        if (count > 0) await scale(cluster, count, signal);
        if (count > 0)
          times.push({ what: `until ${count} are Ready`, value: (clock.monotonic() - begin) / 1000, unit: "s" });
        await clock.sleep(SETTLE_MS, signal);
        for (const cost of await costs(cluster, seconds, signal)) rows.push(...rowsOf(cost, count));
      }
      const what = simulated ? "a node, simulated containers" : "a node";
      return [{ title: `${what}, at rest for ${seconds} seconds`, rows: [...rows, ...times] }];
    } finally {
      await cluster.down();
    }
  },
};

function rowsOf({ name, mb, processor, mbPerHour }: Cost, pods: number): Row[] {
  const aim = (is: Aim) => (name === "agent" ? is : undefined);
  return [
    { what: `${name}, ${pods} Pods: memory (Pss)`, value: mb, unit: "MB", aim: aim(atMost(MOST_MB)) },
    {
      what: `${name}, ${pods} Pods: processor`,
      value: processor,
      unit: "% of a core",
      aim: aim(atMost(MOST_PROCESSOR)),
      note: `written: ${mbPerHour.toFixed(1)} MB/h`,
    },
  ];
}

async function costs({ paths }: BenchCluster, seconds: number, signal: AbortSignal): Promise<Cost[]> {
  const groups = processGroups(paths);
  const read = () => groups.map((group) => ({ cpu: processorOf(group), written: writtenOf(group) }));
  const [before, begin] = [read(), clock.monotonic()];
  await clock.sleep(seconds * 1000, signal);
  const after = read();
  const passed = (clock.monotonic() - begin) / 1000;
  return groups.map((group, index) => {
    const [first, last] = [before[index], after[index]];
    if (!first || !last) throw new Error(`${group.name} was not read twice`);
    return {
      name: group.name,
      mb: memoryOf(group),
      processor: ((last.cpu - first.cpu) / passed) * 100,
      mbPerHour: ((last.written - first.written) / passed) * 3600,
    };
  });
}

async function scale({ client }: BenchCluster, replicas: number, signal: AbortSignal): Promise<void> {
  const ref = { namespace: "default", name: "bench" };
  const labels = { app: "bench" };
  const containers = [{ name: "main", image: IMAGE, command: COMMAND }];
  if (await client.find("deployments", ref)) await client.patch("deployments", ref, { spec: { replicas } });
  else
    await client.create("deployments", {
      metadata: ref,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers } },
      },
    });
  await podsRunning(client, replicas, signal);
}
