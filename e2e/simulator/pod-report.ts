/**
 * Pod report: what a simulated node says of a Pod that runs, and of itself. Pure.
 *
 * Images tell how they behave: "app:1" gets ready, "app:never-ready" does not, "work:5" succeeds after
 * five seconds, "flaky:5" ends then and fails for some Pods, "picky:5" with different codes.
 */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { Running } from "./ground.ts";
import { random } from "./random.ts";

type PodStatus = NonNullable<Pod["status"]>;

export const isEnded = ({ status }: Pod): boolean => status?.phase === "Succeeded" || status?.phase === "Failed";

const imageOf = (pod: Pod) => pod.spec?.containers[0]?.image ?? "";

const PICKY_CODES = [1, 1, 3, 42];

/** When the container ends by itself and how; undefined where it runs on. */
export function endsAfter(pod: Pod, seed: number): { readonly ms: number; readonly code: number } | undefined {
  const [kind, seconds] = imageOf(pod).split(":");
  if (kind !== "work" && kind !== "flaky" && kind !== "picky") return undefined;
  const dice = random(seed, "fails", pod.metadata.uid);
  const fails = kind !== "work" && dice.chance(0.4);
  const code = kind === "picky" ? dice.pick(PICKY_CODES) : 1;
  return { ms: Number(seconds) * 1000, code: fails ? code : 0 };
}

const READY_AFTER_MS = 700;

export interface Report extends PodStatus {
  /** Milliseconds until the Pod gets ready, where it will. */
  readonly readyInMs?: number;
}

export function reportOf(pod: Pod, running: Running, ranMs: number, now: number): Report {
  const { exit, restarts } = running;
  const ready = exit === undefined && ranMs >= READY_AFTER_MS && imageOf(pod) !== "app:never-ready";
  const before = pod.status?.conditions?.find(({ type }) => type === "Ready");
  const value = ready ? "True" : "False";
  const changed = before?.status === value ? before.lastTransitionTime : wireTime(now);
  const others = pod.status?.conditions?.filter(({ type }) => type !== "Ready") ?? [];
  const condition = { type: "Ready", status: value, lastTransitionTime: changed ?? wireTime(now) };
  const ip = pod.status?.podIP ?? addressOf(pod);
  const state =
    exit === undefined
      ? { running: { startedAt: wireTime(now - ranMs) } }
      : { terminated: { exitCode: exit, finishedAt: wireTime(now), startedAt: wireTime(now - ranMs) } };
  return {
    ...pod.status,
    phase: exit === undefined ? "Running" : exit === 0 ? "Succeeded" : "Failed",
    startTime: pod.status?.startTime ?? wireTime(now),
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [...others, condition],
    containerStatuses: [
      { name: "c", image: imageOf(pod), imageID: imageOf(pod), ready, started: true, restartCount: restarts, state },
    ],
    ...(ready || exit !== undefined || imageOf(pod) === "app:never-ready" ? {} : { readyInMs: READY_AFTER_MS - ranMs }),
  };
}

/** Times of a container that goes on are no news. */
export function sameReport(before: PodStatus | undefined, now: PodStatus): boolean {
  const news = ({ phase, conditions, containerStatuses }: PodStatus) => [
    phase,
    conditions?.map(({ type, status }) => [type, status]),
    containerStatuses?.map(({ ready, restartCount, state }) => [ready, restartCount, state && Object.keys(state)]),
  ];
  return before !== undefined && JSON.stringify(news(before)) === JSON.stringify(news(now));
}

/** Different for most Pods; nobody routes by it. */
function addressOf({ metadata }: Pod): string {
  const dice = random("address", metadata.uid);
  return `10.42.${dice.between(0, 255)}.${dice.between(1, 254)}`;
}

export function nodeStatus(cpu: string, pods: string, now: string): NonNullable<Node["status"]> {
  const amounts = { cpu, memory: "16Gi", pods };
  return {
    capacity: amounts,
    allocatable: amounts,
    conditions: ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map((type) => ({
      type,
      status: type === "Ready" ? "True" : "False",
      reason: "Simulated",
      message: "simulated",
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    })),
  };
}
