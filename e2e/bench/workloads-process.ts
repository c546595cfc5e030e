/**
 * Workloads process: a server with its controllers and scheduler, or the nodes that run what it places.
 *
 * The nodes live in a process of their own and speak https, so that their work is not the server's. They say of
 * each Pod that it runs and is ready as soon as it is bound, and that it is gone as soon as it is deleted.
 */
import { apiserverFlags, type RunningApiserver, startApiserver } from "../../apiserver/apiserver.ts";
import { CONTROLLERS_USER, runControllers } from "../../controllers/controllers.ts";
import type { Client } from "../../machinery/client/client.ts";
import { connect } from "../../machinery/client/connect.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { createEvents } from "../../machinery/loop/events-recorder.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import { systemClock as clock, wireTime } from "../../machinery/process/clock.ts";
import { parseFlags } from "../../machinery/process/flags.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import { defaultProfile } from "../../scheduler/plugins/plugins.ts";
import { SCHEDULER_USER } from "../../scheduler/scheduler.ts";
import { runScheduling } from "../../scheduler/scheduling-loop.ts";
import { answerCommands } from "./child.ts";
import { nodeNamed } from "./scheduler-workloads.ts";
import { inFlight } from "./shared-client.ts";

const NAMESPACE = "default";
/** Has a range for each of 5,000 nodes. */
const MANY_NODES = "10.64.0.0/10";
const stop = new AbortController();
const { signal } = stop;
const running: Promise<unknown>[] = [];
let apiserver: RunningApiserver | undefined;
let admin: Client | undefined;

async function startServer({ home, store }: { readonly home: string; readonly store: string }): Promise<void> {
  const args = ["--port=0", "--listen=127.0.0.1", "--advertise-address=127.0.0.1", `--store=${store}`];
  apiserver = await startApiserver(parseFlags(apiserverFlags, args), { clock, log: silent, home });
  const { handler } = apiserver;
  admin = createClient(directTransport({ handler, user: "bench", groups: ["system:masters"] }));
  running.push(
    runControllers({
      transport: directTransport({ handler, user: CONTROLLERS_USER, groups: [] }),
      leadership: "none",
      clusterCidr: MANY_NODES,
      clock,
      log: silent,
      signal,
    }),
  );
  const client = createClient(directTransport({ handler, user: SCHEDULER_USER, groups: [] }));
  const context = { client, clock, log: silent, signal };
  running.push(
    runScheduling({
      ...context,
      informers: createInformers(context),
      events: createEvents(context),
      profiles: (handle) => [defaultProfile(handle)],
    }),
  );
}

/** Nodes for the Pods of the server in this home. */
async function startNodes({ home, count }: { readonly home: string; readonly count: number }): Promise<void> {
  const kubeconfig = homePaths(home).adminKubeconfig;
  const client = await connect({ kubeconfig, clock, log: silent, signal });
  for (let n = 0; n < count; n++) {
    await client.create("nodes", nodeNamed(`n${n}`));
    await client.patch("nodes", { name: `n${n}` }, { spec: { taints: null } });
  }
  const slots = inFlight();
  createInformers({ client, clock, log: silent, signal })
    .of("pods", { namespace: NAMESPACE })
    .subscribe(({ object, type }) => {
      if (type === "deleted" || !object.spec?.nodeName) return;
      const answered = slots.run(() => answer(client, object));
      answered.catch((error: unknown) => {
        if (!signal.aborted && !isConflict(error) && !isNotFound(error)) throw error;
      });
    });
}

async function answer(client: Client, pod: Pod): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  if (pod.metadata.deletionTimestamp)
    return client.delete("pods", { namespace, name }, { preconditions: { uid }, gracePeriodSeconds: 0 });
  if (pod.status?.phase === "Running") return;
  const conditions = [{ type: "Ready", status: "True", lastTransitionTime: wireTime(clock.now()) }];
  await client.updateStatus("pods", { ...pod, status: { phase: "Running", conditions } });
}

export interface Wanted {
  readonly kind: "deployments" | "statefulsets" | "daemonsets";
  /** Of a DaemonSet the number of nodes. */
  readonly replicas: number;
  /** How many of them; one where it is left out. */
  readonly copies?: number;
  readonly seconds: number;
}

export interface Reached {
  readonly available: number;
  readonly seconds: number;
  /** Processor's seconds of the server, its controllers and scheduler included. */
  readonly cpu: number;
}

/** Makes them, and resolves when as many Pods are available as wanted, or the time is over. */
async function reach({ kind, replicas, copies = 1, seconds }: Wanted): Promise<Reached> {
  const client = admin as Client;
  const begun = clock.monotonic();
  const cpu = process.cpuUsage();
  for (let n = 0; n < copies; n++) await create(client, kind, `bench-${n}`, replicas);
  for (;;) {
    const { items } = await client.list(kind, { namespace: NAMESPACE });
    const available = items.reduce((sum, { status }) => sum + availableOf(status), 0);
    const took = (clock.monotonic() - begun) / 1000;
    const used = process.cpuUsage(cpu);
    if (available >= replicas * copies || took > seconds)
      return { available, seconds: took, cpu: (used.user + used.system) / 1e6 };
    await clock.sleep(50, signal);
  }
}

const availableOf = (status: { readonly availableReplicas?: number; readonly numberAvailable?: number } = {}): number =>
  status.availableReplicas ?? status.numberAvailable ?? 0;

async function create(client: Client, kind: Wanted["kind"], name: string, replicas: number): Promise<void> {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "bench:1" }] } };
  await client.create(kind, {
    metadata: { namespace: NAMESPACE, name },
    spec: {
      selector: { matchLabels: labels },
      template,
      ...(kind === "daemonsets" ? {} : { replicas }),
      ...(kind === "statefulsets" ? { podManagementPolicy: "Parallel" } : {}),
    },
  } as never);
}

answerCommands({ startServer, startNodes, reach }, async () => {
  stop.abort(new Error("measured"));
  await Promise.allSettled(running);
  await apiserver?.close();
});
