/**
 * Run kubelet: one node, wired together and run until its signal aborts.
 *
 * No state outside: several nodes may run in one process, each with a runtime, directories and a name
 * of its own. The order is: runtime answers ► node registered ► network prepared ► what runs adopted
 * ► Ready. The component with its flags is kubelet.ts.
 */
import { mkdir, readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import type { Client } from "../machinery/client/client.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { milliValue, unitValue } from "../machinery/objects/quantity.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { type KubeletSettings, standardSettings } from "./configuration.ts";
import type { Runtime } from "./cri/contract.ts";
import type { Observations } from "./eviction/thresholds.ts";
import { createPullRecords, noPullRecords, type PullRecords } from "./images/pull-records.ts";
import { createKubeletMetrics } from "./kubelet-metrics.ts";
import type { NodeNetwork } from "./network-contract.ts";
import { createNodeKeeper } from "./node.ts";
import type { MachineFacts } from "./node-facts.ts";
import { createNodeHealth } from "./node-health.ts";
import { type NodeSettings, newNode, nodeFields } from "./node-object.ts";
import { createAllocations } from "./pods/allocations.ts";
import { createCgroups, noCgroups } from "./pods/cgroups.ts";
import { preempted } from "./pods/ending.ts";
import { createImagePulls } from "./pods/image-pulls.ts";
import { createObserver } from "./pods/observe.ts";
import { podPaths } from "./pods/paths.ts";
import { parseResolvConf } from "./pods/pod-dns.ts";
import { createReferences } from "./pods/references.ts";
import { watchRuntime } from "./pods/runtime-watch.ts";
import { sandboxConfigOf } from "./pods/sandbox.ts";
import type { PodServices } from "./pods/services.ts";
import { createStatusWriter } from "./pods/status-writer.ts";
import { terminationMessage } from "./pods/termination-message.ts";
import { createUserNamespaces, hostIdRange } from "./pods/user-namespaces.ts";
import { createPodWorkers } from "./pods/workers.ts";
import { createAssumingProber, createProber } from "./probes/attempt.ts";
import { createProbeMetrics, type ProbeMetrics } from "./probes/probe-metrics.ts";
import { createProbes } from "./probes/probes.ts";
import { reservationsOf } from "./reservations.ts";
import { createKubeletServer } from "./server.ts";
import { createNodeStats } from "./server-stats.ts";
import { phasesOf } from "./shutdown/phases.ts";
import { createShutdown } from "./shutdown/shutdown.ts";
import { isMirror, isStatic } from "./static-pods/marks.ts";
import { mirroredStatuses } from "./static-pods/mirrored-statuses.ts";
import { createMirrors } from "./static-pods/mirrors.ts";
import { staticPodSource } from "./static-pods/sources.ts";
import { createStaticPods } from "./static-pods/static-pods.ts";
import { untilStopped } from "./stopping-runtime.ts";
import { createUpkeep } from "./upkeep.ts";
import { type ClaimVolumes, createClaimVolumes } from "./volumes/claims.ts";
import { createLocalVolumes } from "./volumes/local-volumes.ts";
import { createTokens } from "./volumes/tokens.ts";
import { createVolumes } from "./volumes/volumes.ts";

export interface KubeletOptions {
  readonly client: Client;
  readonly cri: Runtime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called once the node is Ready for the first time. */
  readonly ready?: () => void;
  readonly nodeName: string;
  readonly addresses: readonly string[];
  /** Hash of the key that this node is; undefined where it has none, as over a direct transport. */
  readonly key?: string | undefined;
  readonly maxPods: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: NodeSettings["taints"];
  readonly facts: MachineFacts;
  /** Directories of this node's Pods and of their logs. */
  readonly directory: string;
  readonly logs: string;
  /** Where volumes of claims lie that are this node's own. */
  readonly volumes: string;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** The resolv.conf that Pods inherit from. */
  readonly resolvConf: string;
  /** "/k8ts-…": undefined keeps no cgroups. */
  readonly cgroupRoot: string | undefined;
  readonly network: NodeNetwork;
  /** Files of Pods that this node runs by itself; the settings' own path stands before it. */
  readonly staticPods?: string;
  readonly settings?: KubeletSettings;
  /** What the node has left, where it is not read from the machine. */
  readonly observe?: () => Promise<Observations>;
  /** Is given what ends the Pods of a node that is being switched off. */
  readonly onShutdown?: ((begin: () => Promise<void>) => void) | undefined;
  /** Gives the server its connections, until the signal aborts. */
  readonly tunnel?: (server: Server) => Promise<void>;
}

export async function runKubelet(wanted: KubeletOptions): Promise<void> {
  const metrics = createKubeletMetrics({ ...wanted, workers: () => services.workers.list() });
  const options = { ...wanted, cri: untilStopped(metrics.counted(wanted.cri), wanted.signal) };
  const { client, cri, clock, log, signal, nodeName } = options;
  const { directory, logs, staticPods } = options;
  for (const made of [directory, logs, staticPods]) if (made) await mkdir(made, { recursive: true });
  const version = await answerOf(cri, options);
  const simulated = version.runtimeName === "simulated";
  const given = options.settings ?? standardSettings;
  const settings: NodeSettings = {
    name: nodeName,
    hostname: nodeName,
    addresses: options.addresses,
    key: options.key,
    maxPods: options.maxPods,
    labels: options.labels ?? {},
    taints: options.taints ?? [],
    facts: options.facts,
    runtimeVersion: `${version.runtimeName}://${version.runtimeVersion}`,
    runtime: await runtimeFeatures(cri),
    volumes: options.volumes,
    reserved: reservationsOf(given, options.facts),
  };
  const recorded = createEvents({ client, clock, log, signal, host: nodeName });
  const events = recorded.recorder("kubelet");
  const informers = createInformers({ client, clock, log, signal });
  const health = createNodeHealth({
    ...options,
    pressure: () => upkeep.conditions(),
    leaving: () => shutdown.leaving(),
    onChange: () => tellNode(),
  });
  const tellNode = () => void keeper.update().catch(() => undefined); // the keeper tries again, and says so
  const keeper = createNodeKeeper({ client, clock, log, signal, events, settings, health: health.look });

  const statuses = metrics.timed(mirroredStatuses(createStatusWriter({ client, clock, log, signal })));
  const records = simulated ? noPullRecords : createPullRecords(join(options.directory, "images"), given);
  const probeMetrics = createProbeMetrics(clock);
  const services = podServices(options, settings, simulated, events, informers, {
    probeMetrics,
    statuses,
    records,
    networkProblem: health.networkProblem,
    refuses: (pod) => shutdown.refuses(pod) ?? upkeep.refuses(pod),
    onEnd: (pod) => statics.ended(pod),
  });
  const workers = services.workers;
  const { memoryBytes } = options.facts;
  const upkeep = createUpkeep({
    ...options,
    settings: given,
    events,
    memoryBytes,
    simulated,
    paths: services.paths,
    cgroups: services.cgroups,
    workers: workers.list,
    node: keeper.node,
    onChange: tellNode,
    onImageRemoved: records.forget,
    onEvicted: metrics.evicted,
  });
  const shutdown = createShutdown({
    phases: phasesOf(given),
    workers: workers.list,
    node: keeper.node,
    clock,
    log,
    events,
    onChange: keeper.update,
    written: statuses.written,
  });
  options.onShutdown?.(shutdown.begin);
  const mirrors = createMirrors({
    client,
    clock,
    log,
    signal,
    node: keeper.node,
    lives: (uid) => statics.lives(uid),
  });
  const source = staticPodSource(options, given, options.staticPods);
  const statics = createStaticPods({ source, workers, mirrors, log });
  const { cpus } = options.facts;
  const stats = createNodeStats({
    ...options,
    ...{ workers, paths: services.paths, simulated, memoryBytes, cpus, metrics, probeMetrics },
  });
  const server = createKubeletServer({ workers, cri, clock, log, signal, nodeName, stats });

  const nodes = informers.of("nodes", { fieldSelector: `metadata.name=${nodeName}` });
  nodes.subscribe(({ object }) => void health.prepareNetwork(object));
  nodes.subscribe(({ type, object }) => type !== "deleted" && keeper.seen(object));
  const { inUse } = services.claims;
  const lookAfterVolumes = createLocalVolumes({ client, clock, log, signal, directory: options.volumes, inUse });
  nodes.subscribe(({ type, object }) => type !== "deleted" && lookAfterVolumes(object));
  const pods = informers.of("pods", { fieldSelector: `spec.nodeName=${nodeName}` });
  pods.subscribe((change) => {
    if (!isMirror(change.object)) return;
    if (change.type === "deleted") statuses.gone(change.object);
    else statuses.seen(change.object);
    mirrors.seen(change);
  });

  /** What needs the API: everything else goes on while it is away. */
  async function inCluster(): Promise<void> {
    const registered = await keeper.register();
    events.normal(registered, "Starting", "Starting kubelet.");
    const adopted = workers.start(pods).then(() => health.adopted());
    await Promise.all([adopted.then(mirrors.ready), keeper.run()]);
  }

  health.onFirstReady(() => options.ready?.());
  await statics.begin();
  await Promise.all([
    inCluster().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    }),
    statics.follow(),
    watchRuntime({
      cri,
      clock,
      log,
      signal,
      onChange: workers.wake,
      onAll: workers.wakeAll,
      onHealth: health.runtime,
    }),
    upkeep.run(),
    options.tunnel?.(server),
  ]);
  server.close();
}

async function runtimeFeatures(cri: Runtime): Promise<NonNullable<NodeSettings["runtime"]>> {
  const { runtimeHandlers, features } = await cri.status({ verbose: true });
  return {
    runtimeHandlers: runtimeHandlers.map((handler) => ({ ...handler })),
    features: { supplementalGroupsPolicy: features?.supplementalGroupsPolicy === true },
  };
}

/** The runtime may still be starting. */
async function answerOf(cri: Runtime, { clock, log, signal }: KubeletOptions) {
  for (;;) {
    try {
      return await cri.version({}, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn("waiting for the container runtime", { error: (error as Error).message });
      await clock.sleep(250, signal);
    }
  }
}

type PodState = Pick<PodServices, "networkProblem" | "refuses" | "statuses"> & {
  readonly probeMetrics: ProbeMetrics;
  readonly records: PullRecords;
  readonly onEnd: (pod: Pod) => void;
};

function podServices(
  options: KubeletOptions,
  settings: NodeSettings,
  simulated: boolean,
  events: PodServices["events"],
  informers: ReturnType<typeof createInformers>,
  { onEnd, records, probeMetrics, ...state }: PodState,
): PodServices & { readonly workers: ReturnType<typeof createPodWorkers>; readonly claims: ClaimVolumes } {
  const { client, cri, clock, log, signal, settings: given = standardSettings } = options;
  const paths = podPaths(options.directory, options.logs);
  const allocatable = nodeFields(settings).allocatable ?? {};
  const recursiveReadOnly =
    settings.runtime?.runtimeHandlers?.every(({ features }) => features?.recursiveReadOnlyMounts) ?? false;
  const node = () => ({
    nodeName: settings.name,
    hostIPs: settings.addresses,
    allocatable,
    memoryBytes: settings.facts.memoryBytes,
    hugePages: settings.facts.hugePages,
    recursiveReadOnly,
  });
  const serviceList = informers.of("services");
  const tokens = createTokens({ client, clock, log });
  const prober = simulated ? createAssumingProber(cri) : createProber(cri);
  const references = createReferences({
    client,
    clock,
    log,
    signal,
    onChange: (uid) => workers.referencesChanged(uid),
  });
  const { configMap, secret } = references;
  const self = informers.of("nodes", { fieldSelector: `metadata.name=${settings.name}` });
  const claims = createClaimVolumes({ client, node: () => self.get(settings.name), directory: options.volumes });
  const cgroups =
    simulated || !options.cgroupRoot
      ? noCgroups
      : createCgroups({ root: options.cgroupRoot, ...usableByPods(given, settings.facts), log });
  const services: PodServices = {
    client,
    clock,
    log,
    signal,
    events,
    cri,
    observer: createObserver({
      cri,
      terminationMessage: (pod, status) => terminationMessage(pod, status, paths, clock),
    }),
    images: createImagePulls({
      cri,
      clock,
      events,
      secret,
      sandboxConfig: (pod) => sandboxConfigOf(pod, 0, services),
      records,
      most: given.serializeImagePulls ? 1 : given.maxParallelImagePulls || undefined,
    }),
    volumes: createVolumes({ paths, clock, claims, mounts: !simulated, sources: { configMap, secret, tokens, node } }),
    tokens,
    references,
    probes: createProbes({
      ...{ clock, prober, events, signal, metrics: probeMetrics },
      onChange: (uid) => workers.wake(uid),
    }),
    prober,
    cgroups,
    allocations: createAllocations({
      // a Pod of the node's own is judged while the API is away
      node: () => self.get(settings.name) ?? (newNode(settings) as Node),
      askNode: () => client.get("nodes", { name: settings.name }),
      machine: { allowedUnsafeSysctls: given.allowedUnsafeSysctls, appArmor: settings.facts.appArmor },
      events,
      now: () => clock.now(),
      preempt(uid) {
        const worker = workers.list().find((one) => one.pod().metadata.uid === uid);
        if (!worker) return;
        const why = preempted(worker.pod());
        events.warning(worker.pod(), "Preempting", why.message ?? "");
        worker.terminate(why);
      },
      onGranted: (uid) => workers.wake(uid),
      onChange: cgroups.balance,
    }),
    paths,
    userNamespaces: createUserNamespaces(paths, () => hostIdRange(settings.maxPods)),
    security: { seccompProfiles: paths.seccompProfiles, seccompDefault: given.seccompDefault },
    bindPod: options.network.bindPod,
    dns: dnsReader(options),
    node,
    ...state,
    services: async (pod) => {
      if (!isStatic(pod)) await serviceList.synced(signal);
      return serviceList.list();
    },
    hostHosts: () => readFile("/etc/hosts", "utf8").catch(() => ""),
  };
  const workers = createPodWorkers(services, onEnd);
  return { ...services, workers, claims };
}

/** The node's capacity without what is kept for the system: Pods near that are evicted, beyond it killed. */
function usableByPods({ systemReserved, kubeReserved, podPidsLimit }: KubeletSettings, facts: MachineFacts) {
  const kept = (name: string, read: typeof milliValue) => read(systemReserved[name]) + read(kubeReserved[name]);
  return {
    milliCpu: facts.cpus * 1000 - kept("cpu", milliValue),
    memoryBytes: facts.memoryBytes - kept("memory", unitValue),
    podPids: podPidsLimit,
  };
}

/** Read once: a node's resolv.conf that changes reaches Pods after a restart of the kubelet. */
function dnsReader({ clusterDns, clusterDomain, resolvConf, log }: KubeletOptions): PodServices["dns"] {
  let host = parseResolvConf("");
  readFile(resolvConf, "utf8").then(
    (text) => {
      host = parseResolvConf(text);
    },
    (error: unknown) => log.warn("the host's resolv.conf cannot be read", { resolvConf, error }),
  );
  return () => ({ clusterDns, clusterDomain, host });
}
