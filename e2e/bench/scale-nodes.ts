/**
 * Scale nodes: many nodes in a process of their own, as far as the API server feels them: each renews its lease,
 * reports its status and watches its Pods over a connection of its own.
 *
 * What the requests take is kept; whoever measures asks for it. It ends with its parent.
 */
import type { Client } from "../../machinery/client/client.ts";
import { connect } from "../../machinery/client/connect.ts";
import { isTrue } from "../../machinery/objects/conditions.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { ApiError, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import { systemClock as clock, wireMicroTime, wireTime } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import { answerCommands } from "./child.ts";
import { nodeNamed } from "./scheduler-workloads.ts";
import { inFlight } from "./shared-client.ts";

export interface Fleet {
  readonly home: string;
  readonly count: number;
  /** Each node watches its Pods. */
  readonly watching: boolean;
}

/** Milliseconds of each request since the last look. */
export interface Beats {
  readonly renewals: readonly number[];
  readonly reports: readonly number[];
  readonly events: number;
  /** Requests that got no answer, or a refusal to try again later: sent again, as kubelets do. */
  readonly failures: number;
}

/** As kubelets do. */
const LEASE = "kube-node-lease";
const RENEW_MS = 10_000;
const REPORT_MS = 300_000;
const JITTER = 0.04;
const WORKERS = 16;
const AGAIN_MS = 200;

const stop = new AbortController();
/** What waits for one waits as part of its request. */
const slots = inFlight();
let [renewals, reports, events, failures] = [[] as number[], [] as number[], 0, 0];

async function addNodes({ home, count, watching }: Fleet): Promise<void> {
  const { adminKubeconfig: kubeconfig } = homePaths(home);
  const client = await connect({ kubeconfig, clock, log: silent, signal: stop.signal });
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await addNode(client, `n${n}`, watching);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

async function addNode(client: Client, name: string, watching: boolean): Promise<void> {
  await client.create("nodes", nodeNamed(name));
  await client.patch("nodes", { name }, { spec: { taints: null } });
  await client.create("leases", {
    metadata: { namespace: LEASE, name },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: wireMicroTime(clock.now()) },
  });
  // its own: what waits on a signal shared by all would be looked for among all that wait
  const signal = AbortSignal.any([stop.signal]);
  background(every(RENEW_MS, () => renew(client, name), signal));
  background(every(REPORT_MS, () => report(client, name), signal));
  if (watching) background(watch(client, name, signal));
}

/** What a node does by itself ends with the process, and with nothing else. */
function background(work: Promise<void>): void {
  work.catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
}

async function every(ms: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  await clock.sleep(clock.random() * ms, signal);
  for (;;) {
    await persistently(work, signal);
    await clock.sleep(ms * (1 + JITTER * clock.random()), signal);
  }
}

/** Until it is done, or refused for a reason that another try does not change. */
async function persistently(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError && error.retryable)) throw error;
      failures++;
      await clock.sleep(AGAIN_MS * (1 + clock.random()), signal);
    }
  }
}

async function renew(client: Client, name: string): Promise<void> {
  const begun = clock.monotonic();
  const patch = { spec: { renewTime: wireMicroTime(clock.now()) } };
  await slots.run(() => client.patch("leases", { namespace: LEASE, name }, patch, { type: "merge" }));
  renewals.push(clock.monotonic() - begun);
}

async function report(client: Client, name: string): Promise<void> {
  const begun = clock.monotonic();
  const now = wireTime(clock.now());
  const ready = { type: "Ready", status: "True", reason: "KubeletReady", lastHeartbeatTime: now };
  const patch = { status: { conditions: [ready] } };
  await slots.run(() => client.patch("nodes", { name }, patch, { subresource: "status" }));
  reports.push(clock.monotonic() - begun);
}

/** Says of each Pod that it runs and is ready, also when others have thought otherwise, and that it is gone when it is deleted. */
async function watch(client: Client, node: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    await persistently(async () => {
      for await (const batch of client.watch("pods", { fieldSelector: `spec.nodeName=${node}`, signal }))
        for (const { type, object } of batch) {
          events++;
          if (type === "DELETED" || type === "BOOKMARK" || type === "ERROR") continue;
          await slots.run(() => answer(client, object as never));
        }
    }, signal);
    signal.throwIfAborted();
  }
}

interface Placed {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly status?: Pick<NonNullable<Pod["status"]>, "phase" | "conditions">;
}

async function answer(client: Client, pod: Placed): Promise<void> {
  const { namespace, name, uid, deletionTimestamp } = pod.metadata;
  try {
    if (deletionTimestamp)
      await client.delete("pods", { namespace, name }, { preconditions: { uid }, gracePeriodSeconds: 0 });
    else if (pod.status?.phase !== "Running" || !isTrue(pod.status.conditions, "Ready")) {
      const conditions = [{ type: "Ready", status: "True", lastTransitionTime: wireTime(clock.now()) }];
      const status = { phase: "Running", conditions };
      await client.patch("pods", { namespace, name }, { metadata: { uid }, status }, { subresource: "status" });
    }
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}

function beats(): Beats {
  const since = { renewals, reports, events, failures };
  [renewals, reports, events, failures] = [[], [], 0, 0];
  return since;
}

answerCommands({ addNodes, beats }, async () => stop.abort(new Error("measured")));
