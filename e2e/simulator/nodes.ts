/**
 * Nodes: machines that run Pods without running anything: they start, get ready, end and stop in virtual time.
 *
 * One informer serves all of them; each writes as its own node. A silent node runs on but neither hears nor
 * is heard; a dead one loses what ran on it. What really runs is in ground.ts; what a node says of a Pod is
 * pure, in pod-report.ts.
 */
import type { Client } from "../../machinery/client/client.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { keyOf } from "../../machinery/client/informer.ts";
import { createInformers, type Informers } from "../../machinery/client/shared-informers.ts";
import type { Transport } from "../../machinery/client/transport/contract.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { ApiError, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import { type Clock, wireMicroTime, wireTime } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Ground, Running } from "./ground.ts";
import { endsAfter, isEnded, nodeStatus, reportOf, sameReport } from "./pod-report.ts";
import { random } from "./random.ts";

export interface NodesOptions {
  readonly seed: number;
  readonly count: number;
  readonly cpus: string;
  readonly pods: string;
  readonly clock: Clock;
  readonly ground: Ground;
  readonly signal: AbortSignal;
  readonly informing: Transport;
  readonly transport: (user: string, groups: readonly string[]) => Transport;
}

export interface Nodes {
  /** Cuts the node off, or brings it back. */
  silence(index: number, silent: boolean): void;
  /** Takes the machine down, or boots it. */
  power(index: number, on: boolean): void;
}

export const nodeName = (index: number): string => `node-${index}`;
const HEARTBEAT_MS = 10_000;
const RETRY_MS = 1_000;

interface Machine {
  readonly name: string;
  readonly client: Client;
  silent: boolean;
  on: boolean;
  /** Pods that are worked on now, and whether they changed meanwhile. */
  readonly working: Map<string, { again: boolean }>;
}

export function startNodes(options: NodesOptions): Nodes {
  const { count, clock, signal, transport, informing, ground } = options;
  const informers = createInformers({ client: createClient(informing), clock, log: silent, signal });
  const pods = informers.of("pods");
  const machines = Array.from({ length: count }, (_, index): Machine => {
    const name = nodeName(index);
    const client = createClient(transport(`system:node:${name}`, ["system:nodes", "system:authenticated"]));
    return { name, client, silent: false, on: true, working: new Map() };
  });
  const byName = new Map(machines.map((machine) => [machine.name, machine]));
  const node: NodeWork = { ...options, informers, byName };

  pods.subscribe(({ key, object, type }) => {
    const machine = byName.get(object.spec?.nodeName ?? "");
    if (!machine) return;
    if (type === "deleted") gone(object, machine, ground);
    else void work(node, machine, key);
  });
  const lookAgain = (machine: Machine) => {
    for (const { pod } of ground.on(machine.name))
      if (pods.get(keyOf(pod))?.metadata.uid !== pod.metadata.uid) gone(pod, machine, ground);
    for (const pod of pods.list()) if (pod.spec?.nodeName === machine.name) void work(node, machine, keyOf(pod));
  };
  for (const machine of machines) void beat(machine, node);
  return {
    silence(index, silence) {
      const machine = machines[index];
      if (!machine) return;
      machine.silent = silence;
      if (!silence) lookAgain(machine);
    },
    power(index, on) {
      const machine = machines[index];
      if (!machine) return;
      machine.on = on;
      if (!on) for (const running of ground.on(machine.name)) ground.stop(running);
      else lookAgain(machine);
    },
  };
}

interface NodeWork extends NodesOptions {
  readonly informers: Informers;
  readonly byName: ReadonlyMap<string, Machine>;
}

const works = (machine: Machine) => machine.on && !machine.silent;

/** Its Pod was taken away: what runs of it ends, if the machine hears of it. */
function gone(pod: Pod, machine: Machine, ground: Ground): void {
  const running = ground.find(machine.name, pod.metadata.uid);
  if (running && works(machine)) ground.stop(running);
}

/** One Pod is worked on once at a time; what changes meanwhile brings it again. */
async function work(options: NodeWork, machine: Machine, key: string): Promise<void> {
  const busy = machine.working.get(key);
  if (busy) {
    busy.again = true;
    return;
  }
  const mine = { again: false };
  machine.working.set(key, mine);
  let wait = 0;
  try {
    wait = (await look(options, machine, key)) ?? 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    wait = isNotFound(error) ? 0 : isConflict(error) ? 50 : RETRY_MS;
  } finally {
    machine.working.delete(key);
  }
  if (wait > 0) options.clock.after(wait, () => void work(options, machine, key));
  else if (mine.again) await work(options, machine, key);
}

/** Brings what runs and what is said of it one step nearer to what is wanted. Returns when to look again. */
async function look(options: NodeWork, machine: Machine, key: string): Promise<number | undefined> {
  const { informers, clock, ground, seed } = options;
  const pod = informers.of("pods").get(key);
  if (!pod || pod.spec?.nodeName !== machine.name || !works(machine)) return undefined;
  const { uid, deletionTimestamp, namespace, name } = pod.metadata;
  const dice = random(seed, "pod", uid);
  let running = ground.find(machine.name, uid);
  const ref = { namespace, name };

  if (deletionTimestamp) {
    if (running) {
      await clock.sleep(dice.between(10, 1_000 * Math.min(pod.spec?.terminationGracePeriodSeconds ?? 0, 8)));
      if (!works(machine)) return undefined;
      ground.stop(running);
    }
    if (!isEnded(pod)) {
      await say(machine, pod, { ...pod.status, phase: dice.chance(0.5) ? "Failed" : "Succeeded" }, clock);
      return 1;
    }
    await machine.client.delete("pods", ref, { preconditions: { uid }, gracePeriodSeconds: 0 });
    return undefined;
  }
  if (isEnded(pod)) return undefined;
  if (!running) {
    const restarted = pod.status?.phase === "Running";
    if (restarted && pod.spec?.restartPolicy === "Never") {
      await say(machine, pod, { ...pod.status, phase: "Failed" }, clock);
      return undefined;
    }
    await clock.sleep(dice.between(50, 1_500));
    const current = informers.of("pods").get(key);
    if (!works(machine) || current?.metadata.uid !== uid || current.metadata.deletionTimestamp) return 1;
    running = ground.start(machine.name, pod);
    if (restarted) running.restarts++;
  }
  return report(options, machine, pod, running);
}

async function report(options: NodeWork, machine: Machine, pod: Pod, running: Running): Promise<number | undefined> {
  const { clock, seed, ground } = options;
  const ran = clock.monotonic() - running.startedAt;
  const ends = endsAfter(pod, seed);
  if (ends && ran >= ends.ms) running.exit = ends.code;
  const status = reportOf(pod, running, ran, clock.now());
  if (!sameReport(pod.status, status)) await say(machine, pod, status, clock);
  if (running.exit !== undefined) ground.stop(running);
  const next = [ends && ends.ms - ran, status.readyInMs].filter((ms): ms is number => ms !== undefined && ms > 0);
  return running.exit === undefined && next.length > 0 ? Math.ceil(Math.min(...next)) : undefined;
}

async function say(machine: Machine, pod: Pod, status: object, clock: Clock): Promise<void> {
  const { readyInMs: _, ...told } = status as { readyInMs?: number };
  await clock.sleep(2);
  if (works(machine)) await machine.client.updateStatus("pods", { ...pod, status: told as Pod["status"] & object });
}

/** Registers the node, and renews its lease for as long as it lives. */
async function beat(machine: Machine, { clock, signal, seed, cpus, pods }: NodeWork): Promise<void> {
  const dice = random(seed, "beat", machine.name);
  while (!signal.aborted) {
    if (works(machine)) {
      try {
        await register(machine, clock, cpus, pods);
        await renew(machine, clock);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        await clock.sleep(RETRY_MS);
        continue;
      }
    }
    await clock.sleep(works(machine) ? HEARTBEAT_MS + dice.between(0, 500) : RETRY_MS);
  }
}

async function register(machine: Machine, clock: Clock, cpus: string, pods: string): Promise<void> {
  const { client, name } = machine;
  const node = await client.find("nodes", { name });
  const now = wireTime(clock.now());
  if (!node) {
    const metadata = { name, labels: { "kubernetes.io/hostname": name } };
    await client.create("nodes", { metadata, status: nodeStatus(cpus, pods, now) });
  } else if (node.status?.conditions?.find(({ type }) => type === "Ready")?.status !== "True")
    await client.updateStatus("nodes", { ...node, status: { ...node.status, ...nodeStatus(cpus, pods, now) } });
}

async function renew({ client, name }: Machine, clock: Clock): Promise<void> {
  const ref = { namespace: "kube-node-lease", name };
  const lease = await client.find("leases", ref);
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: wireMicroTime(clock.now()) };
  if (lease) await client.update("leases", { ...lease, spec });
  else await client.create("leases", { metadata: ref, spec });
}
