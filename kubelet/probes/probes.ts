/**
 * Probes: runs the probes of all containers of the node and keeps their latest results.
 *
 * Level-based: `sync` is told what runs and starts or ends loops accordingly. A container that was
 * ready before the kubelet restarted stays ready until a probe says otherwise.
 */
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { containerUri } from "../pods/container-status.ts";
import { allContainers, fieldPath, type RoleContainer } from "../pods/pod-spec.ts";
import { noProbes, type ProbeResults, type ProbeVerdict } from "../pods/probe-results.ts";
import type { RuntimePod } from "../pods/runtime-state.ts";
import type { Prober, Verdict } from "./attempt.ts";
import { INITIAL, type ProbeKind, probeOf, runProbe } from "./probe-loop.ts";
import { noProbeMetrics, type ProbeMetrics } from "./probe-metrics.ts";

export interface Probes {
  /** What runs now; `ending` Pods keep only their readiness probes. */
  sync(pod: Pod, runtime: RuntimePod, podIP: string, ending: boolean): void;
  results(pod: Pod, containerId: string): ProbeResults;
  forget(uid: string): void;
}

export interface ProbesContext {
  readonly clock: Clock;
  readonly prober: Prober;
  readonly events: EventRecorder;
  readonly signal: AbortSignal;
  /** A result of one of this Pod's containers changed. */
  readonly onChange: (uid: string) => void;
  readonly metrics?: ProbeMetrics;
}

interface Running {
  readonly name: string;
  readonly stop: AbortController;
  readonly kinds: Map<ProbeKind, AbortController>;
  readonly results: Map<ProbeKind, ProbeVerdict>;
}

const KINDS: readonly ProbeKind[] = ["startup", "liveness", "readiness"];
const WORDS: Readonly<Record<ProbeKind, string>> = { startup: "Startup", liveness: "Liveness", readiness: "Readiness" };

export function createProbes(context: ProbesContext): Probes {
  const { clock, prober, events, signal, onChange, metrics = noProbeMetrics } = context;
  const pods = new Map<string, Map<string, Running>>();

  function begin(pod: Pod, entry: RoleContainer, containerId: string, startedAt: number, podIP: string): Running {
    const { container } = entry;
    const running: Running = {
      name: container.name,
      stop: new AbortController(),
      kinds: new Map(),
      results: new Map(),
    };
    for (const kind of KINDS) {
      const probe = probeOf(container, kind);
      if (!probe) continue;
      const initial = before(pod, containerId, kind) ?? INITIAL[kind];
      running.results.set(kind, initial);
      if (kind === "startup" && initial === "success") continue;
      const stop = new AbortController();
      running.kinds.set(kind, stop);
      const report = {
        onResult: (result: ProbeVerdict) => {
          running.results.set(kind, result);
          onChange(pod.metadata.uid);
        },
        onFailure: (verdict: Verdict) =>
          events.warning(pod, "Unhealthy", failureWords(kind, verdict), fieldPath(entry)),
      };
      void runProbe({
        kind,
        probe,
        startedAt,
        initial,
        clock,
        signal: AbortSignal.any([signal, running.stop.signal, stop.signal]),
        attempt: metrics.counted(pod, container.name, kind, () =>
          prober.attempt(probe, { container, containerId, podIP }),
        ),
        isStarted: () => (running.results.get("startup") ?? "success") === "success",
        ...report,
      });
    }
    return running;
  }

  return {
    sync(pod, runtime, podIP, ending) {
      const loops = pods.get(pod.metadata.uid) ?? new Map<string, Running>();
      pods.set(pod.metadata.uid, loops);
      const alive = runtime.containers.filter(({ state }) => state === "running");
      for (const [id, running] of loops) {
        if (alive.some((record) => record.id === id)) continue;
        running.stop.abort();
        loops.delete(id);
      }
      for (const { id, name, startedAt } of alive) {
        const entry = allContainers(pod).find(({ container }) => container.name === name);
        if (!loops.has(id) && entry && hasProbes(entry.container)) {
          loops.set(id, begin(pod, entry, id, startedAt || clock.now(), podIP));
        }
      }
      if (ending) for (const running of loops.values()) onlyReadiness(running);
    },

    results(pod, containerId) {
      const running = pods.get(pod.metadata.uid)?.get(containerId);
      if (running) {
        const of = (kind: ProbeKind) => running.results.get(kind);
        return { startup: of("startup"), liveness: of("liveness"), readiness: of("readiness") };
      }
      return noProbes;
    },

    forget(uid) {
      for (const running of pods.get(uid)?.values() ?? []) running.stop.abort();
      pods.delete(uid);
      metrics.forget(uid);
    },
  };
}

function failureWords(kind: ProbeKind, { unknown, output }: Verdict): string {
  return unknown
    ? `${WORDS[kind]} probe errored and resulted in unknown state: ${output}`
    : `${WORDS[kind]} probe failed: ${output}`;
}

const hasProbes = (container: Container): boolean => KINDS.some((kind) => probeOf(container, kind) !== undefined);

function onlyReadiness(running: Running): void {
  for (const kind of ["startup", "liveness"] as const) {
    running.kinds.get(kind)?.abort();
    if (running.results.has(kind)) running.results.set(kind, "success");
  }
}

/** What the API's status says of this very run: the kubelet was restarted, not the container. */
function before(pod: Pod, containerId: string, kind: ProbeKind): ProbeVerdict | undefined {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const status = statuses.find(({ containerID }) => containerID === containerUri(containerId));
  if (kind === "startup" && status?.started) return "success";
  if (kind === "readiness" && status?.ready) return "success";
  return undefined;
}
