/**
 * Pod worker: keeps one Pod as it should be, from the first look to the last trace.
 *
 * One look at a time: observe the runtime, plan, launch what is to be done, tell the status. It is
 * woken by the API, the runtime, probes, ended operations and its own timer, and holds nothing that
 * a kubelet killed here would miss. How many workers there are: workers.ts.
 */
import type { Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import type { Timer } from "../../machinery/process/clock.ts";
import { deadlineOf, endingOf, ownGrace } from "./ending.ts";
import { createOperations } from "./operations.ts";
import { plan } from "./plan.ts";
import { type Ending, type Plan, RESIZE, type Waiting } from "./plan-draft.ts";
import { fieldPath, findContainer, isTerminal, podName, usesHostNetwork } from "./pod-spec.ts";
import { podStatus } from "./pod-status.ts";
import { deletePod, pruneRuntime, purgePod, releasePod } from "./removal.ts";
import { noResize, type ResizeState, resizeMessage } from "./resize-status.ts";
import { latest, nothingRuns, type RuntimePod } from "./runtime-state.ts";
import type { PodServices } from "./services.ts";
import { identity } from "./start-container.ts";

export interface PodWorker {
  /** The Pod as the API shows it now. */
  update(pod: Pod): void;
  /** The Pod is no longer in the API. */
  remove(pod: Pod): void;
  /** The runtime or a probe has news. */
  wake(): void;
  /** A ConfigMap or Secret of it changed. */
  referencesChanged(): void;
  /** The node cannot bear it any longer: it ends as Failed. Ignored where it ends already. */
  terminate(why: Termination): void;
  /** It is on its way out, or was never taken. */
  readonly ends: () => boolean;
  /** Nothing of it runs, and its volumes and cgroup are given back. */
  readonly released: () => boolean;
  readonly pod: () => Pod;
  readonly runtime: () => RuntimePod | undefined;
  readonly status: () => PodStatus;
}

export type Termination = Omit<Ending, "kind" | "since">;

const RETRY_MS = 1_000;
const REFRESH_RETRY_MS = 60_000;

/** `unseen`: the runtime cannot hold anything of it yet. */
export function createPodWorker(first: Pod, unseen: boolean, services: PodServices, onEnd: () => void): PodWorker {
  const { clock, log, signal, observer, statuses, probes, events, references, tokens, volumes, allocations } = services;
  const { uid } = first.metadata;
  const object = `pods/${first.metadata.namespace}/${first.metadata.name}`;
  let pod = first;
  let removed = false;
  let ending: Ending | undefined;
  let runtime: RuntimePod | undefined;
  let timer: Timer | undefined;
  let dirty = false;
  let neverLooked = unseen;
  let looking = false;
  let ended = false;
  let stale = false;
  let refreshing: Promise<void> | undefined;
  let released = false;
  let deleting = false;
  /** What ran before this kubelet, or was begun by it, is never refused. */
  let admitted = !unseen;
  /** Resources that were granted are not in place yet; and why, where that failed. */
  let resizing = first.status?.conditions?.some(({ type }) => type === "PodResizeInProgress") ?? false;
  let resizeError: string | undefined;
  /** The run whose back-off was told last. */
  const toldBackoff = new Map<string, string>();

  const operations = createOperations(services, () => wake());

  function wake(): void {
    dirty = true;
    if (looking || ended || signal.aborted) return;
    looking = true;
    void lookUntilClean();
  }

  async function lookUntilClean(): Promise<void> {
    while (dirty && !ended && !signal.aborted) {
      dirty = false;
      timer?.cancel();
      try {
        const at = await look();
        arm(at);
      } catch (error) {
        if (!signal.aborted) log.warn("a look at a Pod failed", { object, error });
        arm(clock.now() + RETRY_MS);
      }
    }
    looking = false;
    if (dirty) wake();
  }

  function arm(at: number | undefined): void {
    timer?.cancel();
    if (at !== undefined && !ended) timer = clock.after(Math.max(0, at - clock.now()), wake, { background: true });
  }

  /** One look; answers when to look again at the latest. */
  async function look(): Promise<number | undefined> {
    const busyBefore = new Set(operations.busy);
    runtime = neverLooked ? nothingRuns(identity(pod)) : await observer.observe(identity(pod));
    neverLooked = false;
    const busy = new Set([...busyBefore, ...operations.busy]);
    const seen = runtime;
    await admit();
    decideEnding();
    if (!ending && allocations.look(pod)) operations.retryNow();
    const granted = allocations.granted(pod);
    const podIP = (usesHostNetwork(pod) ? services.node().hostIPs : (seen.sandboxes[0]?.ips ?? []))[0] ?? "";
    probes.sync(pod, seen, podIP, ending !== undefined);

    const planned = planNow(granted, seen, busy);
    for (const action of planned.actions) operations.launch(granted, action, seen);
    tellBackoff(planned.waiting, seen);
    tellResize(planned, granted);
    tellStatus(planned, seen, granted);
    keepVolumes(seen);
    if (planned.stopped) return finish(seen);
    if (!ending) void pruneRuntime(pod, seen, operations.busy, services);
    return earliest(planned.wakeAt, tokens.due(uid), ending ? undefined : deadlineOf(pod, startTime()));
  }

  function startTime(): string | undefined {
    return statuses.current(uid)?.startTime ?? pod.status?.startTime;
  }

  function decideEnding(): void {
    const next = endingOf({ pod, removed, before: ending, startTime: startTime(), now: clock.now() });
    if (!next) return;
    if (!ending && next.reason === "DeadlineExceeded") events.normal(pod, "DeadlineExceeded", next.message ?? "");
    const sooner = !ending || next.since + next.graceSeconds * 1000 < ending.since + ending.graceSeconds * 1000;
    ending = next;
    if (sooner) operations.end(next);
  }

  async function admit(): Promise<void> {
    if (admitted || removed || pod.metadata.deletionTimestamp || isTerminal(pod)) return;
    const refusal = services.refuses(pod) ?? (await allocations.admit(pod));
    admitted = true;
    if (!refusal || ending) return;
    const { reason } = refusal;
    events.warning(pod, reason, refusal.message);
    const message = `Pod was rejected: ${refusal.message}`;
    ending = { kind: "failed", refused: true, reason, message, since: clock.now(), graceSeconds: 0 };
  }

  function planNow(granted: Pod, seen: RuntimePod, busy: ReadonlySet<string>): Plan {
    const input = {
      pod: granted,
      runtime: seen,
      now: clock.now(),
      probes: (id: string) => probes.results(pod, id),
      backoffs: operations.backoffs,
      busy,
      retryAt: operations.retryAt,
      sizes: operations.sizes(granted),
      replaced: operations.replaced,
    };
    const planned = plan({ ...input, ending });
    if (!planned.finished) return planned;
    ending = { kind: "finished", since: clock.now(), graceSeconds: ownGrace(pod) };
    return plan({ ...input, ending });
  }

  /** Once per ended run, not per look. */
  function tellBackoff(waiting: ReadonlyMap<string, Waiting>, seen: RuntimePod): void {
    for (const name of waiting.keys()) {
      const run = latest(seen, name)?.id ?? "";
      if (toldBackoff.get(name) === run) continue;
      toldBackoff.set(name, run);
      const entry = findContainer(pod, name);
      const message = `Back-off restarting failed container ${name} in pod ${podName(pod)}`;
      events.warning(pod, "BackOff", message, entry && fieldPath(entry));
    }
  }

  function tellResize({ resizing: now }: Plan, granted: Pod): void {
    const error = operations.failures.get(RESIZE)?.message;
    if (error && error !== resizeError) events.warning(pod, "ResizeError", resizeMessage("error", granted, error));
    resizeError = error;
    if (resizing && now === false) events.normal(pod, "ResizeCompleted", resizeMessage("completed", granted));
    resizing = now ?? resizing;
  }

  function resizeState(): ResizeState {
    if (ending) return noResize;
    const generation = allocations.resizedAt(uid) ?? pod.metadata.generation ?? 0;
    return { pending: allocations.pending(uid), inProgress: resizing ? generation : undefined, error: resizeError };
  }

  function tellStatus(planned: Plan, seen: RuntimePod, granted: Pod): void {
    const old = statuses.current(uid);
    if (removed || (!old && isTerminal(pod))) return;
    const sizes = operations.sizes(granted);
    const status = podStatus({
      pod,
      granted,
      sizeOf: sizes.of,
      whole: sizes.whole,
      resize: resizeState(),
      runtime: seen,
      old,
      waiting: new Map([...operations.failures, ...planned.waiting]),
      probes: (id) => probes.results(pod, id),
      ending,
      stopped: planned.stopped,
      hostIPs: services.node().hostIPs,
      recursiveReadOnly: services.node().recursiveReadOnly ?? false,
      now: clock.now(),
    });
    statuses.set(pod, status);
  }

  /** Volumes of what runs are written again when something in them changed or a token is due. */
  function keepVolumes(seen: RuntimePod): void {
    const runs = seen.containers.some(({ state }) => state === "running");
    const due = tokens.due(uid);
    if (ending || !runs || refreshing || !(stale || (due !== undefined && due <= clock.now()))) return;
    stale = false;
    const refreshed = operations.prepareVolumes(pod).then(() => volumes.refresh(pod));
    refreshing = refreshed.then(
      () => {
        refreshing = undefined;
        wake(); // what changed meanwhile, and when the next token is due
      },
      (error: unknown) => {
        refreshing = undefined;
        stale = true;
        log.info("volumes could not be refreshed", { object, error: (error as Error).message });
        clock.after(REFRESH_RETRY_MS, wake, { background: true });
      },
    );
  }

  /** Nothing of it runs: give back what it held, then let the API forget it. */
  async function finish(seen: RuntimePod): Promise<number | undefined> {
    await refreshing;
    if (!released) await releasePod(uid, services);
    released = true;
    if (removed) {
      await purgePod(identity(pod), seen, services);
      ended = true;
      timer?.cancel();
      probes.forget(uid);
      references.release(uid);
      statuses.forget(uid);
      onEnd();
      return undefined;
    }
    probes.forget(uid);
    references.release(uid);
    if (pod.metadata.deletionTimestamp && !deleting) {
      deleting = true;
      void deletePod(pod, services).then((gone) => {
        deleting = gone;
        if (!gone) arm(clock.now() + RETRY_MS);
      });
    }
    return undefined;
  }

  if (!isTerminal(pod)) references.retain(pod);
  if (!unseen && !isTerminal(pod)) allocations.adopt(pod);
  if (pod.status?.containerStatuses?.some(({ state }) => state?.running)) stale = true; // adopted: look after its volumes
  return {
    update(next) {
      const before = pod;
      pod = next;
      if (!matters(before, next)) return;
      stale = true;
      if (!ending) references.retain(next);
      wake();
    },
    remove(last) {
      pod = last;
      removed = true;
      wake();
    },
    wake,
    terminate(why) {
      if (ending) return;
      ending = { ...why, kind: "failed", since: clock.now() };
      operations.end(ending);
      wake();
    },
    ends: () => ending !== undefined,
    released: () => released,
    referencesChanged() {
      stale = true;
      operations.retryNow();
      wake();
    },
    pod: () => pod,
    runtime: () => runtime,
    status: () => statuses.current(uid) ?? pod.status ?? {},
  };
}

/** Not the echo of a status that this kubelet wrote. Labels and annotations may stand in volumes, conditions be gates. */
function matters(before: Pod, after: Pod): boolean {
  const text = ({ metadata, spec, status }: Pod) =>
    JSON.stringify([
      metadata.generation,
      spec?.containers.map(({ image }) => image),
      spec?.ephemeralContainers?.length,
      spec?.activeDeadlineSeconds,
      metadata.labels,
      metadata.annotations,
      metadata.deletionTimestamp,
      metadata.deletionGracePeriodSeconds,
      spec?.readinessGates && status?.conditions,
      status?.phase === "Failed" || status?.phase === "Succeeded",
    ]);
  return text(before) !== text(after);
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}
