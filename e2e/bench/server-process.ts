/**
 * Server process: the API server as it is, or a no-op server that sets the ceiling, to be put under load.
 *
 * Both use the same keys and TLS settings. Load through the direct transport has to run in here. It ends
 * with its parent.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { apiserverFlags, type RunningApiserver, startApiserver } from "../../apiserver/apiserver.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import type { Transport } from "../../machinery/client/transport/contract.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { readIfThere } from "../../machinery/pki/files.ts";
import { clientOf } from "../../machinery/pki/kubeconfig.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { parseFlags } from "../../machinery/process/flags.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import { answerCommands } from "./child.ts";
import type { Target } from "./http-connection.ts";
import type { Measured } from "./measured.ts";
import { type NoopServer, startNoop } from "./noop-server.ts";
import { type Kind, nameOf, namespaceOf, objectOf, pathOf } from "./objects.ts";

export interface ServerOptions {
  readonly kind: "noop" | "memory" | "embedded" | "etcd";
  readonly home: string;
  readonly etcd?: string | undefined;
}

export interface DirectLoad {
  readonly operation: "create" | "get" | "list";
  readonly kind: Kind;
  readonly series: string;
  readonly first: number;
  /** Names to get, in turns. */
  readonly cycle?: number;
  readonly workers: number;
  readonly seconds: number;
  readonly requests: number;
}

let apiserver: RunningApiserver | undefined;
let noop: NoopServer | undefined;
let direct: Transport | undefined;

async function start({ kind, home, etcd }: ServerOptions): Promise<Omit<Target, "transport">> {
  const paths = homePaths(home);
  const socket = join(paths.run, "api.sock");
  mkdirSync(paths.run, { recursive: true });
  const args = ["--port=0", "--listen=127.0.0.1", `--unix-socket=${socket}`, "--advertise-address=127.0.0.1"];
  const etcdArgs = etcd === undefined ? [] : [`--etcd-servers=${etcd}`];
  const flags = parseFlags(apiserverFlags, [...args, `--store=${kind === "noop" ? "memory" : kind}`, ...etcdArgs]);
  const context = { clock, log: silent, home };
  apiserver = await startApiserver(flags, context);
  const { handler, pki } = apiserver;
  let { port } = apiserver;
  if (kind === "noop") {
    // It only made the keys.
    await apiserver.close();
    apiserver = undefined;
    noop = await startNoop(pki, socket);
    port = noop.port;
  } else {
    direct = directTransport({ handler, user: "bench", groups: ["system:masters"] });
  }
  const client = clientOf((await readIfThere(paths.adminKubeconfig)) ?? "");
  if (!client) throw new Error("the home has no administrator's kubeconfig");
  return { port, socket, authority: pki.authority.certificate, ...client };
}

/** A namespace with what Pods need in it, for a series of objects. */
async function prepare(series: string): Promise<void> {
  const client = createClient(direct as Transport);
  const namespace = namespaceOf(series);
  const metadata = { name: namespace };
  if (await client.find("namespaces", metadata)) return;
  await client.create("namespaces", { metadata });
  await client.create("serviceaccounts", { metadata: { name: "default", namespace } });
}

/** The same load as that of load-process.ts, without bytes. */
async function directLoad(load: DirectLoad): Promise<Measured> {
  const { operation, kind, series, first, cycle, workers, seconds, requests } = load;
  const transport = direct as Transport;
  const latencies: number[] = [];
  let sent = 0;
  await prepare(series);
  const begin = clock.monotonic();
  const until = begin + seconds * 1000;
  const one = (number: number) => {
    const name = nameOf(series, first + (cycle ? number % cycle : number));
    if (operation === "create")
      return transport.request({ method: "POST", path: pathOf(kind, series), body: objectOf(kind, name, series) });
    return transport.request({ method: "GET", path: pathOf(kind, series, operation === "get" ? name : undefined) });
  };
  const work = async () => {
    for (let now = clock.monotonic(); sent < requests && now < until; ) {
      await one(sent++);
      const done = clock.monotonic();
      latencies.push(done - now);
      now = done;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return { count: latencies.length, seconds: (clock.monotonic() - begin) / 1000, bytes: 0, latencies };
}

/** Direct watchers of all new Pods: how long until each has heard of `events` of them, in seconds. */
async function directWatch(load: DirectLoad & { readonly watchers: number }): Promise<number> {
  const transport = direct as Transport;
  const stop = new AbortController();
  const from = await resourceVersion(load.series);
  let waiting = load.watchers;
  const all = Promise.withResolvers<void>();
  const watch = async () => {
    let events = 0;
    const query = { watch: "1", resourceVersion: from };
    for await (const batch of transport.watch({
      method: "GET",
      path: pathOf("pods", load.series),
      query,
      signal: stop.signal,
    })) {
      events += batch.length;
      if (events >= load.requests) break;
    }
    if (--waiting === 0) all.resolve();
  };
  for (let count = 0; count < load.watchers; count++) watch().catch(all.reject);
  await clock.sleep(50);
  const begin = clock.monotonic();
  await directLoad(load);
  await all.promise;
  const seconds = (clock.monotonic() - begin) / 1000;
  stop.abort();
  return seconds;
}

async function resourceVersion(series: string): Promise<string> {
  const path = pathOf("pods", series);
  const list = await (direct as Transport).request({ method: "GET", path, query: { limit: "1" } });
  return (list as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
}

/** Microseconds of processor time so far. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

let profiler: Session | undefined;

async function startProfile(): Promise<void> {
  profiler = new Session();
  profiler.connect();
  await profiler.post("Profiler.enable");
  await profiler.post("Profiler.setSamplingInterval", { interval: 200 });
  await profiler.post("Profiler.start");
}

/** Writes a .cpuprofile that Chrome's and VS Code's tools open. */
async function stopProfile(file: string): Promise<void> {
  if (!profiler) throw new Error("no profile was started");
  const { profile } = await profiler.post("Profiler.stop");
  writeFileSync(file, JSON.stringify(profile));
  profiler.disconnect();
}

/** Updates of ConfigMaps at a steady pace, each with the time of its update in it; resolves with the events made. */
async function paceUpdates({ series, objects, rate, seconds }: PacedUpdates): Promise<number> {
  const transport = direct as Transport;
  const { kind, apiVersion } = objectOf("configmaps", "", series);
  const begin = clock.monotonic();
  let [made, doing] = [0, 0];
  const update = async (number: number) => {
    doing++;
    const name = nameOf(series, number % objects);
    const metadata = { name, namespace: namespaceOf(series), labels: { group: `g${number % objects}` } };
    const body = { kind, apiVersion, metadata, data: { at: clock.now().toFixed(3), padding: "x".repeat(150) } };
    await transport.request({ method: "PUT", path: pathOf("configmaps", series, name), body });
    doing--;
  };
  for (let now = begin; now < begin + seconds * 1000; now = clock.monotonic()) {
    const due = Math.floor(((now - begin) * rate) / 1000);
    // a server that does not keep up gets less, and that shows in the number
    while (made < due && doing < UPDATES_IN_FLIGHT) void update(made++);
    await clock.sleep(1);
  }
  while (doing > 0) await clock.sleep(1);
  return made;
}

export interface PacedUpdates {
  readonly series: string;
  readonly objects: number;
  readonly rate: number;
  readonly seconds: number;
}

const UPDATES_IN_FLIGHT = 64;

/** Memory of this process in bytes, after collecting garbage where that is possible. */
function memory(): Memory {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { rss, heapUsed, external, arrayBuffers };
}

export type Memory = Pick<NodeJS.MemoryUsage, "rss" | "heapUsed" | "external" | "arrayBuffers">;

/** As it is, without collecting. */
const resident = (): number => process.memoryUsage().rss;

let pauses: ReturnType<typeof monitorEventLoopDelay> | undefined;

function watchPauses(): void {
  pauses = monitorEventLoopDelay({ resolution: 1 });
  pauses.enable();
}

/** Longest and 99th percentile of the time for which the process did nothing else, in ms. */
function pausesSeen(): Pauses {
  pauses?.disable();
  const { max = 0, percentile } = pauses ?? {};
  return { longest: max / 1e6, p99: (percentile?.call(pauses, 99) ?? 0) / 1e6 };
}

export interface Pauses {
  readonly longest: number;
  readonly p99: number;
}

answerCommands(
  {
    start,
    paceUpdates,
    memory,
    resident,
    watchPauses,
    pausesSeen,
    prepare,
    directLoad,
    directWatch,
    resourceVersion,
    cpu,
    now: () => clock.now(),
    keep: ({ path, bytes }: { path: string; bytes: number }) => noop?.keep(path, bytes),
    push: (argument: { events: number; bytes: number }) => noop?.push(argument),
    startProfile,
    stopProfile,
  },
  async () => {
    await apiserver?.close();
    await noop?.close();
  },
);
