/**
 * Controllers: all of them, run together under one leadership, on one set of informers.
 *
 * In the one-process server they speak to the API server over the direct transport and hold their
 * lease without renewing it; as a process of their own, over https with ordinary leader election.
 * A lost leadership abandons everything they knew and starts over as a candidate.
 */
import type { Client } from "../machinery/client/client.ts";
import { connectAs } from "../machinery/client/connect.ts";
import { createClient } from "../machinery/client/create-client.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import type { Transport } from "../machinery/client/transport/contract.ts";
import { createBackoff } from "../machinery/loop/backoff.ts";
import type { Controller, Ticks } from "../machinery/loop/controller.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import type { Leadership } from "../machinery/loop/leader-election.ts";
import { keepLeading, type LeadershipMode } from "../machinery/loop/leadership.ts";
import { createLoopMetrics, type LoopMetrics } from "../machinery/loop/loop-metrics.ts";
import { type ControllerStats, type Loop, runLoop } from "../machinery/loop/run.ts";
import type { KeyPair } from "../machinery/pki/certificates.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { defineComponent } from "../machinery/process/component.ts";
import { homePaths } from "../machinery/process/home.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Metrics } from "../machinery/process/metrics.ts";
import { minuteTicks } from "../machinery/process/minute-ticks.ts";
import { bootstrapSignerController } from "./bootstrap-signer.ts";
import { certificateApprovingController } from "./certificate-approving.ts";
import { certificateCleaningController } from "./certificate-cleaning.ts";
import { certificateSigningController } from "./certificate-signing.ts";
import { clusterRoleAggregationController } from "./clusterrole-aggregation.ts";
import { controllerDefaults, controllerFlags, keysOf, settingsOf } from "./controller-flags.ts";
import { cronJobController } from "./cronjob.ts";
import { daemonSetController } from "./daemonset.ts";
import { deploymentController } from "./deployment.ts";
import { disruptionController } from "./disruption.ts";
import { endpointsController } from "./endpoints.ts";
import { endpointSliceController } from "./endpointslice.ts";
import { endpointSliceMirroringController } from "./endpointslice-mirroring.ts";
import { ephemeralVolumeController } from "./ephemeral-volume.ts";
import { type GarbageCollector, runGarbageCollector } from "./garbage-collector.ts";
import { type AutoscalerSettings, horizontalPodAutoscalerController } from "./horizontal-pod-autoscaler.ts";
import { jobController } from "./job.ts";
import { type BatchMetrics, createBatchMetrics } from "./job-metrics.ts";
import { leavingNodesController } from "./leaving-nodes.ts";
import { loadBalancerController } from "./load-balancer.ts";
import { localPathProvisioner } from "./local-path-provisioner.ts";
import { localPathRemoval } from "./local-path-removal.ts";
import { namespaceController } from "./namespace.ts";
import { nodeIpamController } from "./node-ipam.ts";
import { nodeLifecycleController } from "./node-lifecycle.ts";
import { nodeTtlController } from "./node-ttl.ts";
import { type EvictionRates, evictionRates } from "./node-zones.ts";
import { persistentVolumeBinder } from "./persistent-volume-binder.ts";
import { podGcController } from "./pod-gc.ts";
import { replicaSetController } from "./replicaset.ts";
import { replicationControllerController } from "./replicationcontroller.ts";
import { resourceClaimController } from "./resource-claim.ts";
import { resourceClaimUsersController } from "./resource-claim-users.ts";
import { resourceQuotaController } from "./resource-quota.ts";
import { rootCaPublisher } from "./root-ca-publisher.ts";
import { ipAddressController, serviceCidrController } from "./service-cidrs.ts";
import { serviceAccountController } from "./serviceaccount.ts";
import { serviceAccountTokenController } from "./serviceaccount-tokens.ts";
import { staleDisruptionController } from "./stale-disruption.ts";
import { statefulSetController } from "./statefulset.ts";
import { taintEvictionController } from "./taint-eviction.ts";
import { tokenCleanerController } from "./token-cleaner.ts";
import { ttlAfterFinished } from "./ttl-after-finished.ts";
import { volumeExpandController } from "./volume-expand.ts";
import { claimProtectionController, volumeProtectionController } from "./volume-protection.ts";

export const CONTROLLERS_USER = "system:kube-controller-manager";

export interface ControllersOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly leadership: LeadershipMode;
  /** Who holds the lease. By default this process; where the lease is held, the same name at each start. */
  readonly identity?: string;
  /** PEM, published to every namespace; without it nothing is. */
  readonly rootCa?: string | undefined;
  /** PEM; signs lasting tokens of service accounts; without it nobody does. */
  readonly tokenKey?: string | undefined;
  /** Signs certificates that were approved; without it nobody does. */
  readonly signing?: KeyPair | undefined;
  /** The longest that such a certificate is good. */
  readonly signingSeconds?: number;
  readonly clusterCidr?: string;
  readonly nodeIpv4Bits?: number;
  readonly nodeIpv6Bits?: number;
  readonly nodeMonitorGraceMs?: number;
  readonly evictionRates?: EvictionRates;
  readonly endedPodThreshold?: number;
  /** Whether Services of type LoadBalancer get addresses of nodes; they do unless it is false. */
  readonly loadBalancer?: boolean;
  readonly autoscaling?: AutoscalerSettings;
  /** Makes those look again whom a wall clock that jumped would keep waiting; without it only timers do. */
  readonly ticks?: Ticks;
  /** Where they count what they do. */
  readonly metrics?: Metrics;
  /** Called each time when the controllers lead and have seen everything once. */
  readonly onLeading?: (running: RunningControllers) => void;
}

export interface RunningControllers {
  stats(): Readonly<Record<string, ControllerStats>>;
  /** True when nothing waits to be reconciled now. */
  idle(): boolean;
}

/** Runs until the signal aborts; resolves when every controller has stopped. */
export async function runControllers(options: ControllersOptions): Promise<void> {
  const { transport, clock, log, signal, leadership, identity } = options;
  const client = createClient(transport);
  const counts = options.metrics && createLoopMetrics(options.metrics);
  const batch = createBatchMetrics(options.metrics);
  const election = { client, clock, log, signal, leadership, identity, lease: "kube-controller-manager" };
  await keepLeading(election, (leading) => lead(options, leading, batch, counts));
}

/** Everything that runs under one leadership; a new one begins with fresh caches and no memory. */
async function lead(
  options: ControllersOptions,
  { client, signal }: Leadership,
  batch: BatchMetrics,
  metrics: LoopMetrics | undefined,
): Promise<void> {
  const { clock, log } = options;
  const informers = createInformers({ client, clock, log, signal });
  const events = createEvents({ client, clock, log, signal });
  const controllers = createControllers(options, batch);
  const loop = runLoop({ controllers, client, informers, events, clock, log, signal, metrics });
  await informers.synced(signal).catch(() => undefined); // the signal stops the loop too
  const collector = runGarbageCollector({ client, informers, events, clock, log, signal });
  if (!signal.aborted) options.onLeading?.(running(loop, collector));
  await Promise.all([loop.stopped, collector.stopped]);
}

function running(loop: Loop, collector: GarbageCollector): RunningControllers {
  return { stats: () => loop.stats(), idle: () => loop.idle() && collector.idle() };
}

/** One of each, with nothing remembered from before. */
function createControllers(options: ControllersOptions, batch: BatchMetrics): readonly Controller[] {
  const {
    clock,
    rootCa,
    signing,
    signingSeconds = controllerDefaults.signingSeconds,
    tokenKey,
    clusterCidr = controllerDefaults.clusterCidr,
    nodeIpv4Bits = controllerDefaults.nodeIpv4Bits,
    nodeIpv6Bits = controllerDefaults.nodeIpv6Bits,
    nodeMonitorGraceMs = controllerDefaults.nodeMonitorGraceMs,
    endedPodThreshold = controllerDefaults.endedPodThreshold,
  } = options;
  return [
    deploymentController(),
    replicaSetController(),
    replicationControllerController(),
    statefulSetController,
    daemonSetController(),
    jobController(batch.jobs),
    cronJobController(options, batch.cronJobs),
    horizontalPodAutoscalerController(clock, options.autoscaling),
    disruptionController(),
    staleDisruptionController,
    ttlAfterFinished,
    endpointSliceController(),
    endpointSliceMirroringController(),
    endpointsController,
    namespaceController,
    serviceAccountController,
    ...(tokenKey ? [serviceAccountTokenController(tokenKey, rootCa)] : []),
    resourceQuotaController(clock),
    serviceCidrController,
    ipAddressController,
    ...(rootCa ? [rootCaPublisher(rootCa)] : []),
    nodeLifecycleController({
      clock,
      gracePeriodMs: nodeMonitorGraceMs,
      rates: options.evictionRates ?? evictionRates,
    }),
    nodeIpamController({ clusterCidr, nodeBits: { IPv4: nodeIpv4Bits, IPv6: nodeIpv6Bits } }),
    taintEvictionController(),
    podGcController(endedPodThreshold),
    nodeTtlController(),
    ...(options.loadBalancer === false ? [] : [loadBalancerController()]),
    persistentVolumeBinder(),
    volumeExpandController(),
    claimProtectionController(),
    volumeProtectionController,
    ephemeralVolumeController,
    resourceClaimController,
    resourceClaimUsersController,
    localPathProvisioner(),
    localPathRemoval,
    leavingNodesController,
    certificateApprovingController,
    ...(signing ? [certificateSigningController(signing, signingSeconds)] : []),
    certificateCleaningController,
    clusterRoleAggregationController,
    bootstrapSignerController,
    tokenCleanerController,
  ];
}

export const controllersComponent = defineComponent({
  name: "controllers",
  summary: "run the controllers",
  flags: {
    kubeconfig: {
      type: "string",
      value: "FILE",
      help: "how to reach the API server; default: the controllers' own in the home",
    },
    "leader-elect": { type: "boolean", default: true, help: "agree with other processes on who works" },
    ...controllerFlags,
  },
  async run(flags, { clock, log, signal, home, ready }) {
    const kubeconfig = flags.kubeconfig ?? homePaths(home).kubeconfig("controllers");
    const { client, access } = await connectAs({ kubeconfig, clock, log, signal });
    const { transport } = client;
    try {
      await untilReachable(client, { clock, log, signal });
      ready();
      await runControllers({
        transport,
        clock,
        log,
        signal,
        ticks: minuteTicks,
        leadership: flags["leader-elect"] ? "renew" : "none",
        rootCa: access.ca,
        ...settingsOf(flags),
        ...(await keysOf(flags, homePaths(home))),
      });
    } finally {
      await transport.close();
    }
  },
});

async function untilReachable(
  client: Client,
  { clock, log, signal }: Pick<ControllersOptions, "clock" | "log" | "signal">,
): Promise<void> {
  const backoff = createBackoff(clock, 100, 2_000, 1.5);
  while (!signal.aborted) {
    try {
      await client.raw({ method: "GET", path: "/version", signal });
      return;
    } catch (error) {
      if (signal.aborted) return;
      log.info("waiting for the API server", { error: (error as Error).message });
      await clock.sleep(backoff.next(), signal).catch(() => undefined); // only the signal ends it early
    }
  }
}
