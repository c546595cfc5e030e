/**
 * Scheduled: the real API server and the scheduler in this process, without anything that runs Pods.
 *
 * A test may put faults between the two, kill the scheduler at any moment, and start it again.
 */
import type { Client } from "../../machinery/client/client.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import type { ClientRequest, Transport } from "../../machinery/client/transport/contract.ts";
import type { Kinds, Pod, PodCondition, PodSpec } from "../../machinery/objects/kinds.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { runScheduler, SCHEDULER_USER } from "../../scheduler/scheduler.ts";
import { type Pipeline, startPipeline } from "./pipeline.ts";

/** What happens to some of the scheduler's requests. */
export interface Fault {
  on(request: ClientRequest): boolean;
  /** Before the request goes out; when it throws the request never does. */
  before?(): Promise<void>;
  /** After the request has done its work; when it throws the answer is lost. */
  after?(): Promise<void>;
}

export interface Scheduled {
  readonly pipeline: Pipeline;
  readonly client: Client;
  run(...faults: readonly Fault[]): void;
  /** As the signal to end it would. */
  stop(): Promise<void>;
  /** As a kill would: what it has sent goes on, nothing more leaves it and no answer arrives. */
  kill(): void;
  /** A Pod in the namespace default. */
  pod(name: string): Promise<Pod | undefined>;
  nodeOf(name: string): Promise<string | undefined>;
  condition(name: string): Promise<PodCondition | undefined>;
  /** "Normal Scheduled Successfully …" */
  events(name: string): Promise<string[]>;
  close(): Promise<void>;
}

export async function startScheduled(...nodes: readonly Draft<Kinds["nodes"]>[]): Promise<Scheduled> {
  const pipeline = await startPipeline();
  const client = pipeline.client();
  for (const one of nodes) await addNode(client, one);
  let kill = () => {};
  let stop = async () => {};
  const pod = (name: string) => client.find("pods", { namespace: "default", name });

  return {
    pipeline,
    client,
    run(...faults) {
      const stopping = new AbortController();
      const life = { over: false };
      const ended = runScheduler({
        client: createClient(mortal(life, faulty(faults, pipeline.transport(SCHEDULER_USER, [])))),
        clock: systemClock,
        log: silent,
        signal: stopping.signal,
        leadership: "none",
        mayBeAsked: pipeline.apiserver.scheduling.offer,
      });
      const abort = () => stopping.abort(new Error("stopped"));
      kill = () => {
        life.over = true;
        abort();
        stop = async () => {};
      };
      stop = () => {
        abort();
        return ended;
      };
    },
    kill: () => kill(),
    stop: () => stop(),
    pod,
    nodeOf: async (name) => (await pod(name))?.spec?.nodeName,
    condition: async (name) => (await pod(name))?.status?.conditions?.find(({ type }) => type === "PodScheduled"),
    events: async (name) =>
      (await client.list("events")).items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ type, reason, message }) => `${type} ${reason} ${message}`),
    async close() {
      await stop();
      await pipeline.close();
    },
  };
}

/** A node that is ready: nobody else is here to take away the taint with which every node begins. */
export async function addNode(client: Client, draft: Draft<Kinds["nodes"]>): Promise<Kinds["nodes"]> {
  const created = await client.create("nodes", draft);
  const taints = draft.spec?.taints ?? null;
  await client.patch("nodes", { name: created.metadata.name }, { spec: { taints } }, { type: "merge" });
  return created;
}

export const nodeDraft = (name: string, cpu = "2", labels: Record<string, string> = {}): Draft<Kinds["nodes"]> => {
  const amounts = { cpu, memory: "64Gi", pods: "110" };
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
    status: { capacity: amounts, allocatable: amounts },
  };
};

export const podDraft = (name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}) => ({
  metadata: { name, namespace: "default", labels },
  spec: { containers: [{ name: "c", image: "web:1" }], ...spec },
});

export const requesting = (cpu: string): Partial<PodSpec> => ({
  containers: [{ name: "c", image: "web:1", resources: { requests: { cpu } } }],
});

function faulty(faults: readonly Fault[], transport: Transport): Transport {
  return {
    ...passing(transport),
    async request(request) {
      const fault = faults.find(({ on }) => on(request));
      await fault?.before?.();
      const answer = await transport.request(request);
      await fault?.after?.();
      return answer;
    },
  };
}

function mortal(life: { over: boolean }, transport: Transport): Transport {
  const never = new Promise<never>(() => {});
  return {
    ...passing(transport),
    async request(request) {
      if (life.over) return never;
      const answer = await transport.request(request);
      return life.over ? never : answer;
    },
  };
}

const passing = (transport: Transport): Transport => ({
  shared: transport.shared,
  request: (request) => transport.request(request),
  watch: (request) => transport.watch(request),
  stream: (request) => transport.stream(request),
  close: () => transport.close(),
});
