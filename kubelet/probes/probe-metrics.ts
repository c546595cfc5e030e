/**
 * Probe metrics: /metrics/probes: how often each probe was tried, how it ended and how long that took.
 *
 * Rows are of containers of this node's Pods and go with them. The names are Kubernetes'.
 * https://kubernetes.io/docs/reference/instrumentation/metrics/
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { createMetrics, type Metrics } from "../../machinery/process/metrics.ts";
import type { Verdict } from "./attempt.ts";
import type { ProbeKind } from "./probe-loop.ts";

export interface ProbeMetrics extends Pick<Metrics, "text"> {
  /** The attempt, counted. */
  counted(pod: Pod, container: string, kind: ProbeKind, attempt: () => Promise<Verdict>): () => Promise<Verdict>;
  /** The Pod is gone. */
  forget(uid: string): void;
}

/** Where nobody asks. */
export const noProbeMetrics: ProbeMetrics = {
  text: async () => "",
  counted: (_pod, _container, _kind, attempt) => attempt,
  forget: () => undefined,
};

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const TYPES: Readonly<Record<ProbeKind, string>> = { startup: "Startup", liveness: "Liveness", readiness: "Readiness" };
const RESULTS = ["successful", "failed", "unknown"] as const;

const resultOf = ({ ok, unknown }: Verdict): (typeof RESULTS)[number] =>
  unknown ? "unknown" : ok ? "successful" : "failed";

export function createProbeMetrics(clock: Clock): ProbeMetrics {
  const metrics = createMetrics();
  const total = metrics.counter(
    "prober_probe_total",
    "Cumulative number of a liveness, readiness or startup probe for a container by result.",
    ["probe_type", "result", "container", "pod", "namespace", "pod_uid"],
  );
  const durations = metrics.histogram(
    "prober_probe_duration_seconds",
    "Duration in seconds for a probe response.",
    ["probe_type", "container", "pod", "namespace"],
    BUCKETS,
  );
  /** Pod's uid ► what removes its rows, by probe. */
  const rows = new Map<string, Map<string, () => void>>();

  return {
    text: metrics.text,
    counted(pod, container, kind, attempt) {
      const { name, namespace = "", uid } = pod.metadata;
      const [type, of] = [TYPES[kind], [container, name, namespace] as const];
      const own = rows.get(uid) ?? new Map<string, () => void>();
      rows.set(uid, own);
      own.set(`${type} ${container}`, () => {
        for (const result of RESULTS) total.forget(type, result, ...of, uid);
        durations.forget(type, ...of);
      });
      return async () => {
        const began = clock.monotonic();
        const verdict = await attempt();
        if (!rows.has(uid)) return verdict; // it went meanwhile
        total.of(type, resultOf(verdict), ...of, uid).value++;
        durations.of(type, ...of).observe((clock.monotonic() - began) / 1000);
        return verdict;
      };
    },
    forget(uid) {
      for (const remove of rows.get(uid)?.values() ?? []) remove();
      rows.delete(uid);
    },
  };
}
