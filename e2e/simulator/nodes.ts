/**
 * Nodes: machines that run Pods without running anything: they start, get ready, end and stop in virtual time.
 *
 * One informer serves all of them; each writes as its own node. A silent node runs on but neither hears nor
 * is heard; a dead one loses what ran on it. What really runs is in ground.ts; what a node says of a Pod is
 * pure, in pod-report.ts; signs of life are in heartbeat.ts, volumes in node-volumes.ts.
 */
import type { Client } from "../../machinery/client/client.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { keyOf, type Lister } from "../../machinery/client/informer.ts";
import { createInformers, type Informers } from "../../machinery/client/shared-informers.ts";
import type { Transport } from "../../machinery/client/transport/contract.ts";
import { createOwnWrites, type OwnWrites } from "../../machinery/loop/own-writes.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { ApiError, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Ground, Running } from "./ground.ts";
import { type Beating, type BeatOptions, beat, saysReady } from "./heartbeat.ts";
import { createRemover, volumesOf } from "./node-volumes.ts";
import { endsAfter, isEnded, reportOf, sameReport } from "./pod-report.ts";
import { random } from "./random.ts";

export interface NodesOptions extends BeatOptions {
  readonly count: number;
  readonly ground: Ground;
  readonly informing: Transport;
  readonly transport: (user: string, groups: readonly string[]) => Transport;
}

export interface Nodes {
  /** Cuts the node off, or brings it back. */
  silence(index: number, silent: boolean): void;
  /** Takes the machine down, or boots it. */
  power(index: number, on: boolean): void;
  isOn(index: number): boolean;
}

export const nodeName = (index: number): string => `node-${index}`;
const RETRY_MS = 1_000;

interface Machine extends Beating {
  readonly client: Client;
  silent: boolean;
  on: boolean;
  /** Has said that it is there since it booted: until then it starts nothing. */
  known: boolean;
  /** Pods that are worked on now, and whether they changed meanwhile. */
  readonly working: Map<string, { again: boolean }>;
  /** What it said of Pods, which it may not have seen yet. */
  readonly said: OwnWrites;
  readonly seen: (node: Node | undefined) => void;
}

export function startNodes(options: NodesOptions): Nodes {
  const { count, clock, signal, informing, ground } = options;
  const informers = createInformers({ client: createClient(informing), clock, log: silent, signal });
  const pods = informers.of("pods");
  const lookAgain = (machine: Machine) => {
    if (!machine.works()) return;
    for (const running of ground.on(machine.name))
      if (pods.get(keyOf(running.pod))?.metadata.uid !== running.pod.metadata.uid) void gone(running, machine, node);
    for (const pod of pods.list()) if (pod.spec?.nodeName === machine.name) void work(node, machine, keyOf(pod));
    machine.seen(nodes.get(machine.name));
  };
  const nodes = informers.of("nodes");
  const machines = Array.from({ length: count }, (_, index) =>
    createMachine(nodeName(index), nodes, options, lookAgain),
  );
  const byName = new Map(machines.map((machine) => [machine.name, machine]));
  const node: NodeWork = { ...options, informers };

  pods.subscribe(({ key, object, type }) => {
    const machine = byName.get(object.spec?.nodeName ?? "");
    if (!machine) return;
    const running = type === "deleted" ? ground.find(machine.name, object.metadata.uid) : undefined;
    if (running) void gone(running, machine, node);
    if (type !== "deleted") void work(node, machine, key);
  });
  nodes.subscribe(({ object, type }) => {
    byName.get(object.metadata.name)?.seen(type === "deleted" ? undefined : object);
  });
  for (const machine of machines) void beat(machine, node);
  return {
    isOn: (index) => machines[index]?.on ?? false,
    silence(index, silence) {
      const machine = machines[index];
      if (!machine) return;
      machine.silent = silence;
      lookAgain(machine);
    },
    power(index, on) {
      const machine = machines[index];
      if (!machine) return;
      machine.on = on;
      if (on) return;
      machine.known = false;
      for (const running of ground.on(machine.name)) ground.stop(running);
    },
  };
}

interface NodeWork extends NodesOptions {
  readonly informers: Informers;
}

function createMachine(
  name: string,
  nodes: Pick<Lister<Node>, "get">,
  options: NodesOptions,
  lookAgain: (machine: Machine) => void,
): Machine {
  const { transport, ground, clock } = options;
  const client = createClient(transport(`system:node:${name}`, ["system:nodes", "system:authenticated"]));
  const works = () => machine.on && !machine.silent;
  const inUse = (volume: string) => ground.on(name).some(({ volumes }) => volumes.includes(volume));
  const machine: Machine = {
    name,
    client,
    silent: false,
    on: true,
    known: false,
    working: new Map(),
    said: createOwnWrites(),
    works,
    isReady() {
      const object = nodes.get(name);
      return machine.known && object !== undefined && saysReady(object);
    },
    registered() {
      if (machine.known || !machine.on) return;
      machine.known = true;
      lookAgain(machine);
    },
    seen: createRemover({ client, works, inUse }, clock),
  };
  return machine;
}

const graceOf = ({ metadata, spec }: Pod, seed: number): number =>
  random(seed, "pod", metadata.uid).between(10, 1_000 * Math.min(spec?.terminationGracePeriodSeconds ?? 0, 8));

/** Its Pod was taken away: what runs of it takes its time to end, if the machine hears of it. */
async function gone(running: Running, machine: Machine, { ground, clock, seed }: NodeWork): Promise<void> {
  if (!machine.works()) return;
  await clock.sleep(graceOf(running.pod, seed));
  ground.stop(running);
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
  if (mine.again) await work(options, machine, key);
  else if (wait > 0) options.clock.after(wait, () => void work(options, machine, key));
}

/** Brings what runs and what is said of it one step nearer to what is wanted. Returns when to look again. */
async function look(options: NodeWork, machine: Machine, key: string): Promise<number | undefined> {
  const { informers, clock, ground, seed } = options;
  const pod = informers.of("pods").get(key);
  if (!pod) machine.said.forget(key);
  if (!pod || pod.spec?.nodeName !== machine.name || !machine.works() || machine.said.behind(key, pod))
    return undefined;
  const { uid, deletionTimestamp, namespace, name } = pod.metadata;
  const dice = random(seed, "pod", uid);
  let running = ground.find(machine.name, uid);

  if (deletionTimestamp) {
    if (running) {
      await clock.sleep(graceOf(pod, seed));
      if (!machine.works()) return undefined;
      ground.stop(running);
    }
    if (!isEnded(pod)) {
      dice.next();
      await say(machine, pod, { ...pod.status, phase: dice.chance(0.5) ? "Failed" : "Succeeded" }, options);
      return 1;
    }
    await machine.client.delete("pods", { namespace, name }, { preconditions: { uid }, gracePeriodSeconds: 0 });
    return undefined;
  }
  if (isEnded(pod) || !machine.known) return undefined;
  if (!running) {
    const restarted = pod.status?.phase === "Running";
    if (restarted && pod.spec?.restartPolicy === "Never") {
      await say(machine, pod, { ...pod.status, phase: "Failed" }, options);
      return undefined;
    }
    const volumes = pod.spec?.volumes?.length ? await volumesOf(pod, machine.client) : [];
    if (!volumes) return RETRY_MS;
    await clock.sleep(dice.between(50, 1_500));
    const current = informers.of("pods").get(key);
    if (!machine.works() || current?.metadata.uid !== uid || current.metadata.deletionTimestamp) return 1;
    running = ground.start(machine.name, pod, volumes);
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
  if (!sameReport(pod.status, status)) await say(machine, pod, status, options);
  if (running.exit !== undefined) ground.stop(running);
  const next = [ends && ends.ms - ran, status.readyInMs].filter((ms): ms is number => ms !== undefined && ms > 0);
  return running.exit === undefined && next.length > 0 ? Math.ceil(Math.min(...next)) : undefined;
}

async function say(machine: Machine, pod: Pod, status: object, { clock }: NodeWork): Promise<void> {
  const { readyInMs: _, ...told } = status as { readyInMs?: number };
  await clock.sleep(2);
  if (!machine.works()) return;
  machine.said.wrote(
    keyOf(pod),
    await machine.client.updateStatus("pods", { ...pod, status: told as Pod["status"] & object }),
  );
}
