/**
 * Evict: takes Pods off a node by eviction, or by deletion where that was asked for, and waits until they are gone.
 *
 * All at once; a Pod that a disruption budget holds is asked for again every five seconds until the timeout.
 * Which Pods go is decided in doomed.ts.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { ApiError, isNotFound } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Cluster } from "../cluster.ts";
import { type ResourceType, resourcePath } from "../discovery.ts";
import type { DryRun } from "../writing.ts";

export interface EvictOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly podType: ResourceType;
  readonly dryRun: DryRun;
  /** Negative: what the Pod says. */
  readonly gracePeriod: number;
  /** Infinity for no end. */
  readonly timeout: number;
  readonly skipGoingMs: number;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const RETRY_MS = 5_000;
const POLL_MS = 1_000;

/** What could not be done, in words. */
export async function evictPods(pods: readonly Pod[], options: EvictOptions): Promise<string[]> {
  const deadline = options.clock.monotonic() + options.timeout;
  const results = await Promise.all(pods.map((pod) => evict(pod, options, deadline)));
  return results.filter((one) => one !== undefined);
}

async function evict(pod: Pod, options: EvictOptions, deadline: number): Promise<string | undefined> {
  const { namespace, name } = pod.metadata;
  const { clock, dryRun, out, err, signal } = options;
  const quoted = `pods/${JSON.stringify(name)} -n ${JSON.stringify(namespace)}`;
  for (;;) {
    out(`evicting pod ${namespace}/${name}${dryRun === "server" ? " (server dry run)" : ""}\n`);
    if (clock.monotonic() >= deadline) return `error when evicting ${quoted}: ${timedOut(options)}`;
    try {
      await requestEviction(pod, options);
      break;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      const { message } = error as Error;
      if (isHeld(error)) err(`error when evicting ${quoted} (will retry after 5s): ${message}\n`);
      else if (isClosing(error) && pod.metadata.deletionTimestamp) break;
      else if (isClosing(error))
        err(
          `error when evicting pod ${JSON.stringify(name)} from terminating namespace ${JSON.stringify(namespace)} (will retry after 5s): ${message}\n`,
        );
      else return `error when evicting ${quoted}: ${message}`;
      await clock.sleep(RETRY_MS, signal);
    }
  }
  return dryRun === "server" ? undefined : waitUntilGone(pod, options, deadline, "evicted");
}

const timedOut = ({ timeout }: EvictOptions) => `global timeout reached: ${goSeconds(timeout)}`;

/** "1s", "1m30s" */
function goSeconds(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${minutes % 60}m${seconds % 60}s`;
  return minutes < 60 ? rest : `${Math.floor(minutes / 60)}h${rest}`;
}

const isHeld = (error: unknown) => error instanceof ApiError && error.code === 429;

const isClosing = (error: unknown) =>
  error instanceof ApiError &&
  error.code === 403 &&
  error.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") === true;

const graceOf = ({ gracePeriod }: EvictOptions) => (gracePeriod >= 0 ? { gracePeriodSeconds: gracePeriod } : {});

function requestEviction({ metadata: { name, namespace } }: Pod, options: EvictOptions): Promise<unknown> {
  const deleteOptions = { ...graceOf(options), ...(options.dryRun === "server" ? { dryRun: ["All"] } : {}) };
  return options.cluster.request({
    method: "POST",
    path: resourcePath(options.podType, namespace, name, "eviction"),
    body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace }, deleteOptions },
  });
}

/** By deletion, whatever budgets say. */
export async function deletePods(pods: readonly Pod[], options: EvictOptions): Promise<string[]> {
  const deadline = options.clock.monotonic() + options.timeout;
  for (const { metadata } of pods) {
    try {
      const path = resourcePath(options.podType, metadata.namespace, metadata.name);
      const body = { kind: "DeleteOptions", apiVersion: "v1", ...graceOf(options) };
      const dry = options.dryRun === "server" ? { dryRun: ["All"] } : {};
      await options.cluster.request({ method: "DELETE", path, body: { ...body, ...dry } });
    } catch (error) {
      if (!isNotFound(error)) return [(error as Error).message];
    }
  }
  if (options.dryRun === "server") return [];
  const results = await Promise.all(pods.map((pod) => waitUntilGone(pod, options, deadline, "deleted")));
  return results.filter((one) => one !== undefined);
}

async function waitUntilGone(
  pod: Pod,
  options: EvictOptions,
  deadline: number,
  done: "evicted" | "deleted",
): Promise<string | undefined> {
  const { name, namespace, uid } = pod.metadata;
  const { clock, signal, out, skipGoingMs, cluster, podType } = options;
  const path = resourcePath(podType, namespace, name);
  for (;;) {
    const found = await cluster.request<Pod>({ method: "GET", path }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (!found || found.metadata.uid !== uid) {
      out(`pod/${name} ${done}\n`);
      return undefined;
    }
    const going = found.metadata.deletionTimestamp;
    if (skipGoingMs > 0 && going && clock.now() - Date.parse(going) > skipGoingMs) {
      out(`pod ${JSON.stringify(name)} has DeletionTimestamp older than ${skipGoingMs / 1000} seconds, skipping\n`);
      return undefined;
    }
    if (clock.monotonic() >= deadline) {
      return `error when waiting for pod ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)} to terminate: ${timedOut(options)}`;
    }
    await clock.sleep(POLL_MS, signal);
  }
}
