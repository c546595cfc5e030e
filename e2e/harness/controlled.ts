/**
 * Controlled: the real API server and all controllers in this process, with a stand-in for the nodes.
 *
 * Nothing of ours is mocked; what a scheduler and kubelets would report about Pods is written through
 * the API by a small loop, whose behaviour a test may change. For tests of controllers.
 */
import { type ControllersOptions, type RunningControllers, runControllers } from "../../controllers/controllers.ts";
import type { Client } from "../../machinery/client/client.ts";
import { createInformers, type Informers } from "../../machinery/client/shared-informers.ts";
import type { Transport } from "../../machinery/client/transport/contract.ts";
import type { Kinds, Pod, PodStatus, ResourceName } from "../../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import { type Clock, systemClock, wireTime } from "../../machinery/process/clock.ts";
import type { FakeClock } from "../../machinery/process/fake-clock.ts";
import { type Logger, silent } from "../../machinery/process/logging.ts";
import { type Pipeline, startPipeline } from "./pipeline.ts";

export interface ControlledOptions extends Partial<Omit<ControllersOptions, "signal">> {
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Runs no controllers until `restart` is called. */
  readonly stopped?: boolean;
  /** Puts something between the controllers and the server: lag, faults. */
  readonly between?: (transport: Transport) => Transport;
}

export interface Controlled {
  readonly pipeline: Pipeline;
  readonly client: Client;
  /** What the tests' nodes do: may be changed at any time. */
  readonly nodes: NodesBehaviour;
  create<K extends ResourceName>(resource: K, object: Draft<Kinds[K]>): Promise<Kinds[K]>;
  list<K extends ResourceName>(resource: K, namespace?: string): Promise<readonly Kinds[K][]>;
  /** Event texts about an object: "Normal ScalingReplicaSet Scaled up …". */
  events(name: string): Promise<string[]>;
  /** Resolves when no controller has anything to do and no Pod waits for its node; moves a fake clock a little. */
  settled(): Promise<void>;
  /** Stops the controllers as if the process was killed: nothing is finished. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  running(): RunningControllers;
  close(): Promise<void>;
}

export interface NodesBehaviour {
  /** Whether the Pod's node is there at all. */
  reports: (pod: Pod) => boolean;
  /** Whether a Pod gets ready once it runs. */
  ready: (pod: Pod) => boolean;
  /** What a Pod that runs becomes: undefined goes on running. */
  ends: (pod: Pod) => "Succeeded" | "Failed" | undefined;
  /** What else the status of a Pod that ends says: exit codes, conditions. */
  tells: (pod: Pod) => Partial<PodStatus>;
  /** Whether a deleted Pod ends. */
  terminates: (pod: Pod) => boolean;
  /** Every state that the Pods went through, for invariants. */
  onChange: (pods: readonly Pod[]) => void;
}

/** The one node on which all Pods run that do not name another one. */
export const NODE = "n1";

export async function startControlled(options: ControlledOptions = {}): Promise<Controlled> {
  const { clock = systemClock, log = silent, between = (transport: Transport) => transport } = options;
  const pipeline = await startPipeline({
    clock,
    log,
    advertiseAddress: "10.0.0.1",
    ...(options.tokenKey ? { tokenKey: options.tokenKey } : {}),
  });
  const client = pipeline.client();
  await client.create("nodes", { metadata: { name: NODE } });
  const ending = new AbortController();
  const nodes: NodesBehaviour = {
    reports: () => true,
    ready: () => true,
    ends: () => undefined,
    tells: () => ({}),
    terminates: () => true,
    onChange: () => {},
  };
  const informers = createInformers({ client, clock, log, signal: ending.signal });
  const busy = runNodes(client, informers, clock, nodes, ending.signal);

  let current:
    | { readonly stop: AbortController; readonly done: Promise<void>; running?: RunningControllers }
    | undefined;
  const restart = async () => {
    const stop = new AbortController();
    const transport = between(pipeline.transport("system:kube-controller-manager", []));
    const leading = Promise.withResolvers<RunningControllers>();
    const done = runControllers({
      leadership: "none",
      ...options,
      transport,
      clock,
      log,
      signal: stop.signal,
      onLeading: leading.resolve,
    });
    current = { stop, done };
    current.running = await leading.promise;
  };
  const stop = async () => {
    current?.stop.abort(new Error("stopped"));
    await current?.done;
    current = undefined;
  };
  const controlled: Controlled = {
    pipeline,
    client,
    nodes,
    create: (resource, object) => client.create(resource, object),
    list: async (resource, namespace) => (await client.list(resource, { namespace })).items,
    events: async (name) =>
      (await client.list("events")).items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ type, reason, message }) => `${type} ${reason} ${message}`),
    async settled() {
      for (let quiet = 0; quiet < 20; ) {
        await (isFake(clock) ? clock.advance(1) : new Promise((resolve) => setImmediate(resolve)));
        quiet = (current?.running?.idle() ?? true) && !busy() ? quiet + 1 : 0;
      }
    },
    stop,
    restart,
    running: () => current!.running!,
    async close() {
      await stop();
      ending.abort(new Error("stopped"));
      await pipeline.close();
    },
  };
  if (!options.stopped) await restart();
  return controlled;
}

const address = (n: number) => `10.42.${Math.floor(n / 250)}.${(n % 250) + 1}`;

function requiredNode({ spec }: Pod): string | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required?.nodeSelectorTerms[0]?.matchFields?.[0]?.values?.[0];
}

const isFake = (clock: Clock): clock is FakeClock => "advance" in clock;

/** Returns whether a Pod waits for its node's report. */
function runNodes(
  client: Client,
  informers: Informers,
  clock: Clock,
  behaviour: NodesBehaviour,
  signal: AbortSignal,
): () => boolean {
  const pods = informers.of("pods");
  let working = 0;
  let addresses = 0;
  const report = async (pod: Pod) => {
    const { namespace, name, uid } = pod.metadata;
    const ref = { namespace, name };
    if (!behaviour.reports(pod)) return;
    if (pod.metadata.deletionTimestamp) {
      if (behaviour.terminates(pod))
        await client.delete("pods", ref, { preconditions: { uid }, gracePeriodSeconds: 0 });
      return;
    }
    if (!pod.spec?.nodeName) {
      const target = { kind: "Node", name: requiredNode(pod) ?? NODE };
      const binding = { apiVersion: "v1", kind: "Binding", metadata: ref, target };
      await client.createSub("pods", ref, "binding", binding);
      return;
    }
    const phase = pod.status?.phase ?? "Pending";
    if (phase !== "Pending" && phase !== "Running") return;
    const end = behaviour.ends(pod);
    const ready = !end && behaviour.ready(pod) ? "True" : "False";
    const now = wireTime(clock.now());
    const before = pod.status?.conditions?.find(({ type }) => type === "Ready");
    if (phase === "Running" && !end && before?.status === ready) return;
    const podIP = pod.status?.podIP ?? address(++addresses);
    const { conditions: more = [], ...told } = end ? behaviour.tells(pod) : {};
    const conditions = [{ type: "Ready", status: ready, lastTransitionTime: now }, ...more];
    await client.updateStatus("pods", {
      ...pod,
      status: {
        phase: end ?? "Running",
        startTime: pod.status?.startTime ?? now,
        podIP,
        podIPs: [{ ip: podIP }],
        ...told,
        conditions,
      },
    });
  };
  pods.subscribe(({ type, object }) => {
    behaviour.onChange(pods.list());
    if (type === "deleted") return;
    working++;
    report(object)
      .catch((error: unknown) => {
        if (!signal.aborted && !isConflict(error) && !isNotFound(error)) throw error;
      })
      .finally(() => working--);
  });
  return () => working > 0;
}
