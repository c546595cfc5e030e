/**
 * Pod start: from applying a Pod until its container runs, beside the same sandbox and container made
 * directly: by gRPC at containerd, and by HTTP at the runtime interface.
 *
 * All on one machine with one containerd and one image that is there, in turns: bare-pods.ts. Many at once: pods.ts.
 */
import { connectRuntime } from "../../kubelet/cri/client.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { HomePaths } from "../../machinery/process/home.ts";
import { type Calls, grpcCalls, removeBarePod, startBarePod } from "./bare-pods.ts";
import type { Measurement } from "./bench.ts";
import { COMMAND, IMAGE, startBenchCluster } from "./bench-cluster.ts";
import { median, type Row, ratioAtMost } from "./report.ts";

export const podStart: Measurement = {
  name: "pod-start",
  summary: "start of a Pod",
  unable: ({ simulated }) => (simulated ? "it needs real containers: root on Linux" : undefined),
  async run({ quick, simulated, signal, say }) {
    const cluster = await startBenchCluster(simulated, signal);
    try {
      const { client, paths } = cluster;
      const grpc = grpcCalls(paths);
      const http = connectRuntime({ socket: paths.criSocket });
      const ways: Record<string, (name: string) => Promise<Steps>> = {
        "containerd by gRPC": (name) => bare(grpc, paths, name),
        "runtime interface by HTTP": (name) => bare(http, paths, name),
        "the API": (name) => throughApi(client, name),
      };
      const times: Record<string, Steps[]> = {};
      const rounds = quick ? 5 : 15;
      for (let round = 0; round <= rounds; round++) {
        say(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
        for (const [way, start] of Object.entries(ways)) {
          const taken = await start(`start-${round}`);
          if (round > 0) times[way] = [...(times[way] ?? []), taken]; // the first warms up
          await clock.sleep(200, signal);
        }
      }
      await http.close();
      grpc.close();
      return [{ title: "start of a Pod with one container, image there", rows: rowsOf(times) }];
    } finally {
      await cluster.down();
    }
  },
};

/** Milliseconds since the start, by what was reached. */
type Steps = Readonly<Record<string, number>>;

function rowsOf(times: Readonly<Record<string, readonly Steps[]>>): Row[] {
  const bareTime = median((times["containerd by gRPC"] ?? []).map(total));
  return Object.entries(times).map(([way, all]): Row => {
    const isBare = way === "containerd by gRPC";
    const steps = Object.keys(all[0] ?? {}).map(
      (step) => `${step} ${median(all.map((one) => one[step] ?? 0)).toFixed(0)}`,
    );
    const totals = all.map(total);
    return {
      what: `through ${way}`,
      value: median(totals),
      unit: "ms",
      reference: isBare ? undefined : { name: "bare CRI", value: bareTime },
      aim: way === "the API" ? ratioAtMost(1.5) : undefined,
      note: `${steps.join(", ")}; ${Math.min(...totals).toFixed(0)}-${Math.max(...totals).toFixed(0)}`,
    };
  });
}

const total = (steps: Steps): number => Math.max(...Object.values(steps));

async function bare(calls: Calls, paths: HomePaths, name: string): Promise<Steps> {
  const { id, ...steps } = await startBarePod(calls, paths, name);
  await removeBarePod(calls, id);
  return steps;
}

async function throughApi(client: Client, name: string): Promise<Steps> {
  const ref = { namespace: "default", name };
  const over = new AbortController();
  const { metadata } = await client.list("pods", { namespace: "default", limit: 1 });
  const events = client.watch("pods", {
    namespace: "default",
    fieldSelector: `metadata.name=${name}`,
    resourceVersion: metadata.resourceVersion ?? "0",
    signal: over.signal,
  });
  const begin = clock.monotonic();
  const reached: Record<string, number> = {};
  await client.create("pods", {
    metadata: ref,
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "main", image: IMAGE, command: COMMAND }] },
  });
  reached["answered"] = clock.monotonic() - begin;
  for await (const batch of events) {
    for (const { object } of batch) for (const step of stepsOf(object)) reached[step] ??= clock.monotonic() - begin;
    if (reached["running"] !== undefined) break;
  }
  over.abort();
  await client.delete("pods", ref, { gracePeriodSeconds: 0 });
  while (await client.find("pods", ref)) await clock.sleep(20);
  return reached;
}

function stepsOf({ spec, status }: Pod): string[] {
  const running = status?.containerStatuses?.some(({ state }) => state?.running) ?? false;
  return [...(spec?.nodeName ? ["bound"] : []), ...(running ? ["running"] : [])];
}
