/**
 * Scheduler process: an API server over memory that is filled with a workload, or a scheduler that empties its queue.
 *
 * The scheduler runs in here over the direct transport, as the server runs it, or in a second process of this kind
 * over https. It ends with its parent.
 */
import { apiserverFlags, type RunningApiserver, startApiserver } from "../../apiserver/apiserver.ts";
import type { Client } from "../../machinery/client/client.ts";
import { connect } from "../../machinery/client/connect.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { createEvents } from "../../machinery/loop/events-recorder.ts";
import { isNotFound } from "../../machinery/objects/status.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { parseFlags } from "../../machinery/process/flags.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import { defaultProfile } from "../../scheduler/plugins/plugins.ts";
import { SCHEDULER_USER } from "../../scheduler/scheduler.ts";
import { runScheduling } from "../../scheduler/scheduling-loop.ts";
import { answerCommands } from "./child.ts";
import {
  HIGH,
  HIGH_PRIORITY,
  intruder,
  MEASURED,
  NAMESPACE,
  nodeNamed,
  PLACED,
  podNamed,
  scaled,
  stuckPod,
  volumesOf,
  WORKLOADS,
  type Workload,
} from "./scheduler-workloads.ts";

export interface Chosen {
  readonly workload: string;
  readonly share: number;
}

/** Of the Pods that were asked for, from the first binding to the last; where others are displaced, from the start. */
export interface Bound {
  readonly count: number;
  readonly seconds: number;
}

/** Milliseconds of attempts that placed a Pod, with their writes, and the processor's seconds since the start. */
export interface Attempts {
  readonly latencies: readonly number[];
  readonly cpu: number;
}

const WORKERS = 32;
let apiserver: RunningApiserver | undefined;
let admin: Client | undefined;
let scheduling: { stop(): Promise<void>; attempts(): Attempts } | undefined;

async function startApi(home: string): Promise<void> {
  const args = ["--port=0", "--listen=127.0.0.1", "--advertise-address=127.0.0.1", "--store=memory"];
  apiserver = await startApiserver(parseFlags(apiserverFlags, args), { clock, log: silent, home });
  admin = createClient(directTransport({ handler: apiserver.handler, user: "bench", groups: ["system:masters"] }));
}

const workloadOf = ({ workload, share }: Chosen): Workload => {
  const found = WORKLOADS.find(({ name }) => name === workload);
  if (!found) throw new Error(`no workload ${workload}`);
  return share === 1 ? found : scaled(found, share);
};

/** Everything but the measured Pods. */
async function fill(chosen: Chosen): Promise<void> {
  const workload = workloadOf(chosen);
  const client = admin as Client;
  await client.create("namespaces", { metadata: { name: NAMESPACE } });
  await client.create("serviceaccounts", { metadata: { name: "default", namespace: NAMESPACE } });
  await client.create("priorityclasses", { metadata: { name: HIGH }, value: HIGH_PRIORITY });
  if (workload.service)
    await client.create("services", {
      metadata: { name: "bench", namespace: NAMESPACE },
      spec: { selector: { app: "bench" }, ports: [{ port: 80 }] },
    });
  await each(workload.nodes, async (n) => addNode(client, workload.node(n)));
  await each(workload.placed, async (n) => client.create("pods", workload.placedPod(n)));
  if (workload.volumes)
    await each(workload.measured, async (n) => {
      const { claim, volume } = volumesOf(n);
      await client.create("persistentvolumes", volume);
      await client.create("persistentvolumeclaims", claim);
    });
}

async function addMeasured(chosen: Chosen): Promise<void> {
  const workload = workloadOf(chosen);
  const client = admin as Client;
  await each(workload.stuck, async (n) => client.create("pods", stuckPod(n)));
  await each(workload.measured, async (n) => client.create("pods", workload.measuredPod(n)));
}

/** Without the taint with which every node begins. */
async function addNode(client: Client, node: ReturnType<Workload["node"]>): Promise<void> {
  await client.create("nodes", node);
  await client.patch("nodes", { name: node.metadata.name as string }, { spec: { taints: null } });
}

async function each(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

interface Awaited extends Chosen {
  readonly what: "placed" | "measured";
  /** At most. */
  readonly seconds: number;
}

/** Resolves when all of the Pods are bound, or the time is over. */
async function bound({ seconds: most, what, ...chosen }: Awaited): Promise<Bound> {
  const workload = workloadOf(chosen);
  const stop = new AbortController();
  const client = admin as Client;
  const informers = createInformers({ client, clock, log: silent, signal: stop.signal });
  // Room is made before the first binding, and counts.
  const measured = what === "measured";
  let [count, first, last] = [0, measured && workload.preempts ? clock.monotonic() : 0, 0];
  const all = Promise.withResolvers<void>();
  informers.of("pods", { namespace: NAMESPACE }).subscribe(({ object, old }) => {
    if (!object.metadata.name.startsWith(measured ? MEASURED : PLACED) || !object.spec?.nodeName || old?.spec?.nodeName)
      return;
    last = clock.monotonic();
    first ||= last;
    if (++count === workload[what]) all.resolve();
  });
  const timer = clock.after(most * 1000, () => all.resolve());
  const beside = [
    ...(measured && workload.churn ? [churn(client, stop.signal)] : []),
    ...(measured && workload.intrudes ? [intrude(client, stop.signal)] : []),
  ];
  await all.promise;
  timer.cancel();
  stop.abort(new Error("measured"));
  await Promise.all(beside);
  return { count, seconds: (last - first) / 1000 };
}

async function churn(client: Client, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    const pod = podNamed(`churn${n}`, { priorityClassName: HIGH }, "12");
    await addNode(client, nodeNamed(`churn${n}`));
    await client.create("pods", pod);
    await client.create("services", {
      metadata: { name: `churn${n}`, namespace: NAMESPACE },
      spec: { selector: { app: "churn" }, ports: [{ port: 80 }] },
    });
    await clock.sleep(1_000, signal).catch(() => undefined); // only the signal ends it early
    await gone(client.delete("pods", { namespace: NAMESPACE, name: `churn${n}` }, { gracePeriodSeconds: 0 }));
    await gone(client.delete("services", { namespace: NAMESPACE, name: `churn${n}` }));
    await gone(client.delete("nodes", { name: `churn${n}` }));
  }
}

async function intrude(client: Client, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    await client.create("pods", intruder(n));
    await clock.sleep(200, signal).catch(() => undefined); // only the signal ends it early
  }
}

async function gone(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Over the direct transport, or by https as the kubeconfig in the home says. */
async function startScheduler(home?: string): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const client = await (home === undefined ? direct() : overHttps(home, signal));
  const context = { client, clock, log: silent, signal };
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const ended = runScheduling({
    ...context,
    informers: createInformers(context),
    events: createEvents(context),
    profiles: (handle) => [defaultProfile(handle)],
    metrics: {
      watch: () => {},
      decided: () => {},
      attempted: (result, seconds) => {
        if (result === "scheduled") latencies.push(seconds * 1000);
      },
    },
  });
  scheduling = {
    attempts() {
      const { user, system } = process.cpuUsage(cpu);
      return { latencies, cpu: (user + system) / 1e6 };
    },
    async stop() {
      stop.abort(new Error("measured"));
      await ended;
    },
  };
}

async function direct(): Promise<Client> {
  const { handler } = apiserver as RunningApiserver;
  return createClient(directTransport({ handler, user: SCHEDULER_USER, groups: [] }));
}

const overHttps = (home: string, signal: AbortSignal): Promise<Client> =>
  connect({ kubeconfig: homePaths(home).kubeconfig("scheduler"), clock, log: silent, signal });

async function stopScheduler(): Promise<Attempts> {
  const attempts = scheduling?.attempts() ?? { latencies: [], cpu: 0 };
  await scheduling?.stop();
  scheduling = undefined;
  return attempts;
}

answerCommands({ startApi, fill, addMeasured, bound, startScheduler, stopScheduler }, async () => {
  await scheduling?.stop();
  await apiserver?.close();
});
