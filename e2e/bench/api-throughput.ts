/**
 * API throughput: creates, gets, lists and watch events a second, on every store and transport.
 *
 * The subjects take turns in short rounds, so that a noisy machine is noisy for all of them; a number is
 * the median of its rounds. The ceiling is a no-op Node server with bodies of the same size.
 */
import { join } from "node:path";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { availableStores, type Subject, type Subjects, startSubjects } from "./api-subjects.ts";
import type { Measurement } from "./bench.ts";
import type { Target } from "./http-connection.ts";
import type { ClientKind, Load, WatchLoad } from "./load-process.ts";
import { type Measured, percentile, rateOf } from "./measured.ts";
import { type Kind, NAME_MARK, nameOf, objectOf, pathOf } from "./objects.ts";
import { type Aim, atLeast, median, type Row, type Section } from "./report.ts";
import type { DirectLoad } from "./server-process.ts";

/** Requests in flight. */
const CONNECTIONS = 32;
const LIST_CONNECTIONS = 4;
const WATCHERS = 100;
const NAME_DIGITS = 8;

interface Lengths {
  readonly warmups: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Most requests of a round, so that the number of objects stays what a small cluster has. */
  readonly requests: number;
  readonly listSizes: readonly number[];
  readonly watchEvents: number;
}

const FULL: Lengths = {
  warmups: 4,
  rounds: 5,
  seconds: 1,
  requests: 2_000,
  listSizes: [1_000, 10_000],
  watchEvents: 500,
};
const QUICK: Lengths = { warmups: 5, rounds: 3, seconds: 0.5, requests: 1_000, listSizes: [1_000], watchEvents: 200 };

export const apiThroughput: Measurement = {
  name: "api",
  summary: "requests a second of the API server",
  async run({ quick, directory, stores, profile, say }) {
    const lengths = quick ? QUICK : FULL;
    const subjects = await startSubjects(directory, availableStores(stores));
    try {
      const sections: Section[] = [];
      const add = async (title: string, rows: Promise<Row[]>) => {
        say(title);
        sections.push({ title, rows: await rows });
      };
      if (profile) await profileCreates(subjects, profile, say);
      for (const kind of ["pods", "configmaps"] as const) {
        await add(
          `creates of ${kind}, ${CONNECTIONS} in flight`,
          creates(subjects, { kind, purpose: "create", client: "bytes" }, lengths),
        );
        const https = { ...subjects, all: subjects.all.filter(({ transport }) => transport === "https") };
        const node = creates(https, { kind, purpose: "node", client: "node" }, lengths);
        await add(`creates of ${kind} by Node's own client, which costs more than the no-op server`, node);
      }
      await add(`gets of pods, ${CONNECTIONS} in flight`, gets(subjects, lengths));
      for (const size of lengths.listSizes)
        await add(`lists of ${size} pods, ${LIST_CONNECTIONS} in flight`, lists(subjects, size, lengths));
      say("watch events");
      sections.push({ title: `watch events to ${WATCHERS} watchers`, rows: await watches(subjects, lengths) });
      return sections;
    } finally {
      await subjects.close();
    }
  },
};

/** One round of one subject. `round` counts from 0, warm-ups included. */
type Round = (subject: Subject, round: number) => Promise<Measured>;

interface Result {
  readonly subject: Subject;
  readonly rate: number;
  readonly note: string;
}

async function inTurns(subjects: readonly Subject[], { warmups, rounds }: Lengths, run: Round): Promise<Result[]> {
  const measured = subjects.map(() => ({ rates: [] as number[], cpu: [] as number[], latencies: [] as number[] }));
  for (let round = 0; round < warmups + rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const before = await subject.server.child.call<number>("cpu");
      const one = await run(subject, round);
      const after = await subject.server.child.call<number>("cpu");
      if (round < warmups) continue;
      const { rates, cpu, latencies } = measured[index] as (typeof measured)[number];
      rates.push(rateOf(one));
      cpu.push((after - before) / one.count);
      latencies.push(...one.latencies);
    }
  }
  return subjects.map((subject, index) => {
    const { rates, cpu, latencies } = measured[index] as (typeof measured)[number];
    const spread = `${Math.round(Math.min(...rates))}-${Math.round(Math.max(...rates))}`;
    const note = `${Math.round(median(cpu))} µs CPU each, p50 ${percentile(latencies, 0.5).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms, rounds ${spread}`;
    return { subject, rate: median(rates), note };
  });
}

/** Beside the no-op server: a unix socket beside its unix socket, everything else beside its https. */
function beside(what: string, results: readonly Result[], aim?: (subject: Subject) => Aim | undefined): Row[] {
  const ceiling = (transport: string) =>
    results.find(({ subject }) => subject.server.kind === "noop" && subject.transport === transport);
  return results.map(({ subject, rate, note }): Row => {
    const { server, transport } = subject;
    const reference = server.kind === "noop" ? undefined : ceiling(transport === "unix" ? "unix" : "https");
    return {
      what: server.kind === "noop" ? `no-op server, ${transport}` : `${server.kind} store, ${transport}`,
      value: rate,
      unit: `${what}/s`,
      reference: reference && { name: `no-op ${reference.subject.transport}`, value: reference.rate },
      aim: server.kind === "noop" ? undefined : aim?.(subject),
      note,
    };
  });
}

const targetOf = ({ server, transport }: Subject): Target =>
  ({ ...server.target, transport: transport as Target["transport"] }) satisfies Target;

interface Creates {
  readonly kind: Kind;
  /** Names of one purpose are never used by another. */
  readonly purpose: string;
  readonly client: ClientKind;
}

async function creates(subjects: Subjects, { kind, purpose, client }: Creates, lengths: Lengths): Promise<Row[]> {
  const { seconds, requests } = lengths;
  for (const { child } of subjects.servers) await child.call("prepare", purpose);
  const results = await inTurns(subjects.all, lengths, (subject, round) => {
    const series = `${purpose}-${kind}-${subject.transport}`;
    const first = round * requests;
    const limits = { seconds, requests };
    if (subject.transport === "direct")
      return subject.server.child.call("directLoad", {
        operation: "create",
        kind,
        series,
        first,
        workers: CONNECTIONS,
        ...limits,
      } satisfies DirectLoad);
    return subjects.load.call("load", {
      target: targetOf(subject),
      client,
      connections: CONNECTIONS,
      method: "POST",
      path: pathOf(kind, series),
      body: JSON.stringify(objectOf(kind, NAME_MARK, series)),
      names: { series, digits: NAME_DIGITS, first },
      ...limits,
    } satisfies Load);
  });
  const aimed = (transport: string) =>
    transport === "direct" ? atLeast(0.7) : transport === "https" ? atLeast(0.5) : undefined;
  return beside("creates", results, ({ transport }) => aimed(transport));
}

const KEPT = 1_000;

async function gets(subjects: Subjects, lengths: Lengths): Promise<Row[]> {
  const series = "kept";
  const bytes = await keepPods(subjects, series, KEPT);
  await subjects.noop.child.call("keep", { path: `/kept/${series}`, bytes: bytes.one });
  const names = { series, digits: NAME_DIGITS, first: 0, cycle: KEPT };
  return beside(
    "gets",
    await inTurns(subjects.all, lengths, (subject) => reads(subjects, subject, "get", names, lengths)),
  );
}

async function lists(subjects: Subjects, size: number, lengths: Lengths): Promise<Row[]> {
  const series = `list-${size}`;
  const bytes = await keepPods(subjects, series, size);
  await subjects.noop.child.call("keep", { path: `/kept/${series}`, bytes: bytes.all });
  const names = { series, digits: NAME_DIGITS, first: 0 };
  const rows = beside(
    "lists",
    await inTurns(subjects.all, lengths, (subject) => reads(subjects, subject, "list", names, lengths)),
  );
  return rows.map((row) => ({ ...row, note: `${(bytes.all / 1e6).toFixed(1)} MB, ${row.note}` }));
}

function reads(
  subjects: Subjects,
  subject: Subject,
  operation: "get" | "list",
  names: Load["names"],
  { seconds, requests }: Lengths,
): Promise<Measured> {
  const { server, transport } = subject;
  const { series, first, cycle } = names;
  const connections = operation === "get" ? CONNECTIONS : LIST_CONNECTIONS;
  const limits = { seconds, requests: requests * 5 };
  if (transport === "direct")
    return server.child.call("directLoad", {
      operation,
      kind: "pods",
      series,
      first,
      ...(cycle ? { cycle } : {}),
      workers: connections,
      ...limits,
    } satisfies DirectLoad);
  const served = operation === "get" ? pathOf("pods", series, NAME_MARK) : pathOf("pods", series);
  return subjects.load.call("load", {
    target: targetOf(subject),
    client: "bytes",
    connections,
    method: "GET",
    path: server.kind === "noop" ? `/kept/${series}` : served,
    names,
    ...limits,
  } satisfies Load);
}

/** So many Pods on every server; resolves with the bytes of one of them and of the list of all. */
async function keepPods({ servers, load }: Subjects, series: string, count: number) {
  const most = { seconds: 120, requests: count };
  for (const { child } of servers)
    await child.call("directLoad", {
      operation: "create",
      kind: "pods",
      series,
      first: 0,
      workers: CONNECTIONS,
      ...most,
    } satisfies DirectLoad);
  const [server] = servers;
  if (!server) throw new Error("there is no server");
  const bytesOf = async (path: string) => {
    const target: Target = { ...server.target, transport: "unix" };
    const names = { series, digits: NAME_DIGITS, first: 0 };
    const once = {
      target,
      client: "bytes",
      connections: 1,
      method: "GET",
      path,
      names,
      seconds: 60,
      requests: 1,
    } as const;
    return (await load.call<Measured>("load", once satisfies Load)).bytes;
  };
  return { one: await bytesOf(pathOf("pods", series, nameOf(series, 0))), all: await bytesOf(pathOf("pods", series)) };
}

/** Pods are written through the direct transport as fast as the server takes them; time runs until all have heard. */
async function watches(subjects: Subjects, lengths: Lengths): Promise<Row[]> {
  const { watchEvents: requests, rounds } = lengths;
  const rates = new Map<Subject, number[]>();
  for (let round = 0; round <= rounds; round++)
    for (const subject of subjects.all) {
      const seconds = await watchRound(subjects, subject, round, requests);
      if (round === 0) continue; // warm-up
      const known = rates.get(subject) ?? [];
      rates.set(subject, [...known, (requests * WATCHERS) / seconds]);
    }
  const results = [...rates].map(([subject, all]): Result => {
    const spread = `rounds ${Math.round(Math.min(...all))}-${Math.round(Math.max(...all))}`;
    return { subject, rate: median(all), note: `${requests} Pods, ${spread}` };
  });
  return beside("events", results);
}

async function watchRound({ load }: Subjects, subject: Subject, round: number, requests: number): Promise<number> {
  const { server, transport } = subject;
  const series = `watch-${transport}`;
  const writes: DirectLoad = {
    operation: "create",
    kind: "pods",
    series,
    first: round * requests,
    workers: CONNECTIONS,
    seconds: 60,
    requests,
  };
  if (transport === "direct") return server.child.call("directWatch", { ...writes, watchers: WATCHERS });
  const noop = server.kind === "noop";
  const from = noop ? "" : await server.child.call<string>("resourceVersion", series);
  const path = `${pathOf("pods", series)}?watch=1&resourceVersion=${from}`;
  await load.call("openWatches", { target: targetOf(subject), watchers: WATCHERS, path } satisfies WatchLoad);
  try {
    const begin = await server.child.call<number>("now");
    const heard = load.call<number>("heard", { events: requests, seconds: 60 });
    if (noop) await server.child.call("push", { events: requests, bytes: 2_600 });
    else await server.child.call("directLoad", writes);
    return ((await heard) - begin) / 1000;
  } finally {
    await load.call("closeWatches");
    await clock.sleep(50);
  }
}

/** Profiles of creates, for whoever looks for what is slow. */
async function profileCreates(subjects: Subjects, directory: string, say: (text: string) => void): Promise<void> {
  for (const server of subjects.servers)
    for (const transport of ["https", "direct"] as const) {
      const file = join(directory, `creates-${server.kind}-${transport}.cpuprofile`);
      const only: Subjects = { ...subjects, all: [{ server, transport }] };
      const pods = { kind: "pods", client: "bytes" } as const;
      await creates(only, { ...pods, purpose: "warm" }, { ...QUICK, warmups: 10, rounds: 0 });
      await server.child.call("startProfile");
      await creates(only, { ...pods, purpose: "profile" }, { ...QUICK, warmups: 0, rounds: 5 });
      await server.child.call("stopProfile", file);
      say(`  wrote ${file}`);
    }
}
