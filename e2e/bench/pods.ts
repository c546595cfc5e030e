/**
 * Pods: how long Pods take until they run and until their Services reach them, one after the other; and how long a
 * hundred take that are applied at once, beside the same hundred made at containerd by as many callers.
 *
 * The image is there. What is made at once and what is made bare take turns, and each is gone before the next begins.
 */
import { connect } from "node:net";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { type BarePod, type Calls, grpcCalls, removeBarePod, startBarePod } from "./bare-pods.ts";
import type { Measurement, MeasurementContext } from "./bench.ts";
import { type BenchCluster, COMMAND, IMAGE, startBenchCluster } from "./bench-cluster.ts";
import { percentile } from "./measured.ts";
import { median, type Row, ratioAtMost } from "./report.ts";

const AT_ONCE = 100;
const PORT = 8080;
const SERVING = ["httpd", "-f", "-p", String(PORT)];

export const manyPods: Measurement = {
  name: "pods",
  summary: "100 Pods, one after the other and at once",
  unable: ({ simulated }) => (simulated ? "it needs real containers: root on Linux" : undefined),
  async run(context) {
    const count = context.quick ? 20 : AT_ONCE;
    const cluster = await startBenchCluster(context.simulated, context.signal);
    const grpc = grpcCalls(cluster.paths);
    try {
      const alone = await oneByOne(cluster, count, context);
      const [bare, whole]: [AtOnce[], AtOnce[]] = [[], []];
      for (let round = 0; round < (context.quick ? 1 : 3); round++) {
        context.say(`${AT_ONCE} at once, round ${round + 1}`);
        const both = [
          async () => void bare.push(await bareAtOnce(grpc, cluster, AT_ONCE, round)),
          async () => void whole.push(await appliedAtOnce(cluster, AT_ONCE, round, context)),
        ];
        for (const run of round % 2 === 0 ? both : both.toReversed()) await run();
      }
      return [
        { title: `${count} Pods one after the other, the earlier ones stay`, rows: rowsOf(alone) },
        { title: `${AT_ONCE} Pods at once`, rows: atOnceRows(bare, whole) },
      ];
    } finally {
      grpc.close();
      await cluster.down();
    }
  },
};

interface Reached {
  readonly running: number;
  readonly reachable: number;
}

function rowsOf(all: readonly Reached[]): Row[] {
  const row = (what: string, times: readonly number[]): Row => ({
    what,
    value: percentile(times, 0.5),
    unit: "ms",
    note: `p99 ${percentile(times, 0.99).toFixed(0)} ms, first tenth ${median(times.slice(0, times.length / 10)).toFixed(0)}, last tenth ${median(times.slice(-times.length / 10)).toFixed(0)}`,
  });
  return [
    row(
      "apply ► running, p50",
      all.map(({ running }) => running),
    ),
    row(
      "apply ► reachable through its Service, p50",
      all.map(({ reachable }) => reachable),
    ),
  ];
}

async function oneByOne(
  { client }: BenchCluster,
  count: number,
  { say, signal }: MeasurementContext,
): Promise<Reached[]> {
  say(`${count}, one after the other`);
  const names = Array.from({ length: count }, (_, index) => `one-${index}`);
  const addresses = new Map<string, string>();
  for (const name of names) {
    const spec = { selector: { app: name }, ports: [{ port: 80, targetPort: PORT }] };
    const made = await client.create("services", { metadata: { namespace: "default", name }, spec });
    addresses.set(name, made.spec?.clusterIP ?? "");
  }
  const watch = await followPods(client);
  const found: Reached[] = [];
  for (const name of names) {
    signal.throwIfAborted();
    const begin = clock.monotonic();
    await client.create("pods", podOf(name, SERVING));
    const [running, reachable] = await Promise.all([watch.running(name), reached(addresses.get(name) ?? "", signal)]);
    found.push({ running: running - begin, reachable: reachable - begin });
    await clock.sleep(50, signal);
  }
  await removeAll(client, names, watch);
  for (const name of names) await client.delete("services", { namespace: "default", name });
  watch.stop();
  return found;
}

/** When an address answers first, however often it refused before. */
async function reached(host: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect({ host, port: 80, timeout: 1_000 });
      const end = (yes: boolean) => {
        socket.destroy();
        resolve(yes);
      };
      socket.once("connect", () => end(true));
      socket.once("error", () => end(false));
      socket.once("timeout", () => end(false));
    });
    if (answers) return clock.monotonic();
    await clock.sleep(2, signal);
  }
}

interface AtOnce {
  readonly seconds: number;
  /** Milliseconds of each. */
  readonly times: readonly number[];
  readonly note: string;
}

function atOnceRows(bare: readonly AtOnce[], whole: readonly AtOnce[]): Row[] {
  const seconds = (all: readonly AtOnce[]) => median(all.map((one) => one.seconds));
  const reference = { name: "bare containerd", value: seconds(bare) };
  const row = (what: string, all: readonly AtOnce[]): Row => {
    const times = all.flatMap((one) => one.times);
    const each = all.map((one) => one.seconds.toFixed(1)).join(", ");
    return {
      what: `${AT_ONCE} Pods running: ${what}`,
      value: seconds(all),
      unit: "s",
      note: `a Pod: p50 ${(percentile(times, 0.5) / 1000).toFixed(1)} s, p99 ${(percentile(times, 0.99) / 1000).toFixed(1)} s; each: ${each}; ${all.at(-1)?.note}`,
    };
  };
  return [row("at containerd by gRPC", bare), { ...row("applied at once", whole), reference, aim: ratioAtMost(1.5) }];
}

async function bareAtOnce(calls: Calls, { paths }: BenchCluster, count: number, round: number): Promise<AtOnce> {
  const begin = clock.monotonic();
  const pods: BarePod[] = await Promise.all(
    Array.from({ length: count }, (_, index) => startBarePod(calls, paths, `bare-${round}-${index}`)),
  );
  const seconds = (clock.monotonic() - begin) / 1000;
  const removing = clock.monotonic();
  await Promise.all(pods.map(({ id }) => removeBarePod(calls, id)));
  const note = `gone again in ${((clock.monotonic() - removing) / 1000).toFixed(1)} s`;
  return { seconds, times: pods.map(({ running }) => running), note };
}

async function appliedAtOnce(
  { client }: BenchCluster,
  count: number,
  round: number,
  { signal }: MeasurementContext,
): Promise<AtOnce> {
  const names = Array.from({ length: count }, (_, index) => `at-once-${round}-${index}`);
  const watch = await followPods(client);
  const begin = clock.monotonic();
  await Promise.all(names.map((name) => client.create("pods", podOf(name, COMMAND))));
  const times = await Promise.all(names.map(async (name) => (await watch.running(name)) - begin));
  signal.throwIfAborted();
  const removing = clock.monotonic();
  await removeAll(client, names, watch);
  watch.stop();
  const note = `gone again in ${((clock.monotonic() - removing) / 1000).toFixed(1)} s`;
  return { seconds: Math.max(...times) / 1000, times, note };
}

const podOf = (name: string, command: readonly string[]) => ({
  metadata: { namespace: "default", name, labels: { app: name } },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", image: IMAGE, command: [...command] }] },
});

interface Follower {
  /** When its container ran. */
  running(name: string): Promise<number>;
  gone(name: string): Promise<number>;
  stop(): void;
}

/** One watch of all Pods of the namespace. */
async function followPods(client: Client): Promise<Follower> {
  const over = new AbortController();
  const { metadata } = await client.list("pods", { namespace: "default", limit: 1 });
  const promises = new Map<string, PromiseWithResolvers<number>>();
  const of = (key: string) => {
    const found = promises.get(key) ?? Promise.withResolvers<number>();
    promises.set(key, found);
    return found;
  };
  const follow = async () => {
    const from = metadata.resourceVersion ?? "0";
    for await (const batch of client.watch("pods", {
      namespace: "default",
      resourceVersion: from,
      signal: over.signal,
    }))
      for (const { type, object } of batch) {
        if (type === "DELETED") of(`gone/${object.metadata.name}`).resolve(clock.monotonic());
        else if (runs(object)) of(`running/${object.metadata.name}`).resolve(clock.monotonic());
      }
  };
  void follow().catch((error: unknown) => {
    if (!over.signal.aborted) for (const { reject } of promises.values()) reject(error);
  });
  return {
    running: (name) => of(`running/${name}`).promise,
    gone: (name) => of(`gone/${name}`).promise,
    stop: () => over.abort(),
  };
}

const runs = ({ status }: Pod): boolean => status?.containerStatuses?.some(({ state }) => state?.running) ?? false;

/** With a moment of grace: they are gone when nothing of them is left on the node. */
async function removeAll(client: Client, names: readonly string[], watch: Follower): Promise<void> {
  await Promise.all(names.map((name) => client.delete("pods", { namespace: "default", name })));
  await Promise.all(names.map((name) => watch.gone(name)));
}
