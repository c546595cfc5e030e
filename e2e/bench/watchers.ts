/**
 * Watchers: 1,000 watchers over https while 1,000 objects a second change: how late events are, and the memory.
 *
 * Once each watcher is of one object, as nodes watch the ConfigMaps and Secrets of their Pods; once every watcher gets all
 * of them, a million events a second, with small objects. What the machine cannot carry shows as fewer changes; what
 * TLS alone costs shows beside it: the no-op server, which writes the same bytes to as many watchers in large pieces.
 */
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { availableStores, type Subjects, startSubjects } from "./api-subjects.ts";
import type { Measurement } from "./bench.ts";
import type { Target } from "./http-connection.ts";
import type { TimedSoFar, WatchTimes } from "./load-process.ts";
import { percentile } from "./measured.ts";
import { nameOf, pathOf } from "./objects.ts";
import { atLeast, atMost, type Row } from "./report.ts";
import type { DirectLoad, Memory, PacedUpdates } from "./server-process.ts";

const WATCHERS = 1_000;
const RATE = 1_000;
/** Watchers of all changes whose events are looked at one by one. */
const LOOKED = 20;
const SERIES = "watched";
/** What the no-op server writes at a time, and how often to each watcher: some 50 events, as under full load. */
const PIECE = { bytes: 35_000, times: 20 };

interface Scenario {
  readonly title: string;
  readonly watchers: number;
  readonly paths: readonly string[];
  readonly looked: number;
}

const all = `${pathOf("configmaps", SERIES)}?watch=true&resourceVersion=`;

const scenarios = (watchers: number, version: string): readonly Scenario[] => [
  {
    title: "each of an object of its own",
    watchers,
    looked: watchers,
    paths: Array.from(
      { length: watchers },
      (_, n) => `${all}${version}&fieldSelector=metadata.name%3D${nameOf(SERIES, n)}`,
    ),
  },
  {
    title: "each of all objects",
    watchers,
    looked: LOOKED,
    paths: Array.from({ length: watchers }, () => `${all}${version}`),
  },
];

export const watchers: Measurement = {
  name: "watchers",
  summary: `${WATCHERS} watchers of ${RATE} changes a second`,
  async run({ quick, directory, stores, profile, say }) {
    const subjects = await startSubjects(directory, availableStores(stores).slice(0, 1));
    try {
      const [server] = subjects.servers;
      if (!server) return [];
      const { child, target } = server;
      const create: DirectLoad = {
        operation: "create",
        kind: "configmaps",
        series: SERIES,
        first: 0,
        workers: 32,
        seconds: 60,
        requests: WATCHERS,
      };
      await child.call("directLoad", create);
      const rows: Row[] = [];
      for (const index of [0, 1]) {
        const version = await child.call<string>("resourceVersion", SERIES);
        const scenario = scenarios(WATCHERS, version)[index] as Scenario;
        say(`${scenario.title}: ${scenario.watchers} watches`);
        const before = await child.call<Memory>("memory");
        const https: Target = { ...target, transport: "https" };
        const open: WatchTimes = { target: https, paths: scenario.paths, looked: scenario.looked };
        await subjects.load.call("openTimedWatches", open);
        const opened = await child.call<Memory>("memory");
        const seconds = quick ? 3 : 10;
        if (profile) await child.call("startProfile");
        const cpu = await child.call<number>("cpu");
        const paced: PacedUpdates = { series: SERIES, objects: WATCHERS, rate: RATE, seconds };
        const begin = clock.monotonic();
        const made = await child.call<number>("paceUpdates", paced);
        const took = (clock.monotonic() - begin) / 1000;
        const busy = ((await child.call<number>("cpu")) - cpu) / 1e6 / took;
        const resident = await child.call<number>("resident");
        if (profile) await child.call("stopProfile", `${profile}/watchers-${index}.cpuprofile`);
        await clock.sleep(1_000);
        const { latencies, events, bytes } = await subjects.load.call<TimedSoFar>("timedSoFar");
        await subjects.load.call("closeWatches");
        if (index === 1) rows.push(await costBeside(subjects, (busy * took * 1000) / (bytes / 1e6)));
        const due = made * (index === 0 ? 1 : scenario.looked);
        const mb = (one: number) => (one / 1e6).toFixed(0);
        const note = `${((events / due) * 100).toFixed(1)} % of those looked at came, ${mb(bytes / took)} MB/s, ${busy.toFixed(2)} CPUs, ${mb(before.rss)} ► ${mb(opened.rss)} MB with watches ► ${mb(resident)} MB under load`;
        const what = `${scenario.watchers} watchers, ${scenario.title}`;
        rows.push(
          { what: `${what}: p99`, value: percentile(latencies, 0.99), unit: "ms", aim: atMost(100), note },
          { what: `${what}: p50`, value: percentile(latencies, 0.5), unit: "ms" },
          {
            what: `${what}: changes made`,
            value: made / took,
            unit: "/s",
            reference: { name: "asked for", value: RATE },
            aim: atLeast(0.95),
          },
          { what: `${what}: memory a watch`, value: (opened.rss - before.rss) / scenario.watchers / 1000, unit: "KB" },
        );
      }
      return [{ title: `${WATCHERS} watchers over https, ${RATE} changes a second, ${server.kind} store`, rows }];
    } finally {
      await subjects.close();
    }
  },
};

/** What a megabyte to watchers costs the processor, beside what the bare writes cost. */
async function costBeside({ load, noop }: Subjects, measured: number): Promise<Row> {
  const paths = Array.from({ length: WATCHERS }, () => "/noop?watch=true");
  const open: WatchTimes = { target: { ...noop.target, transport: "https" }, paths, looked: 0 };
  await load.call("openTimedWatches", open);
  const cpu = await noop.child.call<number>("cpu");
  const begin = clock.monotonic();
  await noop.child.call("push", { events: PIECE.times, bytes: PIECE.bytes });
  const sent = (PIECE.times * PIECE.bytes * WATCHERS) / 1e6;
  const took = (clock.monotonic() - begin) / 1000;
  const spent = ((await noop.child.call<number>("cpu")) - cpu) / 1000;
  await load.call("closeWatches");
  return {
    what: `${WATCHERS} watchers, each of all objects: server time a MB, changes included`,
    value: measured,
    unit: "ms",
    reference: { name: `no-op server, ${PIECE.bytes / 1000} KB a write`, value: spent / sent },
    note: `the no-op server sends ${(sent / took).toFixed(0)} MB/s`,
  };
}
