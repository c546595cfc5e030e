/**
 * Resize plan: what brings a running Pod from the resources it has to those it was granted. Pure.
 *
 * The Pod's own cgroup is never smaller than what its containers need: it grows before they do, and
 * shrinks after them. A container whose resize policy asks for it is killed, and starts again with its
 * new size; all others are updated as they run. Who carries it out: resize.ts.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { compare, differingSizes, type Requirements, resizable, sameSize } from "./allocation.ts";
import { type PodLimits, podLimits } from "./resources.ts";
import { type ContainerRecord, latest, type RuntimePod } from "./runtime-state.ts";

/** The sizes that are in place. */
export interface Sizes {
  of(record: ContainerRecord): Requirements;
  /** Of the Pod's cgroup. */
  readonly pod: PodLimits;
  /** What the Pod has as a whole, where it asks for that: its limits are those of containers without any. */
  readonly whole: Requirements | undefined;
}

export interface Resize {
  /** The Pod's cgroup before any container changes; undefined: it is large enough. */
  readonly grown: PodLimits | undefined;
  /** In this order: those that shrink first. */
  readonly updates: readonly { readonly record: ContainerRecord; readonly container: Container }[];
  /** The Pod's cgroup once they have changed; undefined: to be seen later, or it is right. */
  readonly final: PodLimits | undefined;
}

export interface ResizePlan {
  /** Undefined: nothing to do at once. */
  readonly resize: Resize | undefined;
  /** To be killed, so that they start with their new size. */
  readonly restarts: readonly ContainerRecord[];
  /** Everything granted is in place. */
  readonly done: boolean;
}

/** `pod` as it was granted. */
export function planResize(pod: Pod, runtime: RuntimePod, sizes: Sizes): ResizePlan {
  const { resources: whole } = pod.spec ?? {};
  const wholeDiffers = !sameSize(sizes.whole, whole);
  const limitsAnew = differingSizes({ limits: sizes.whole?.limits ?? {} }, { limits: whole?.limits ?? {} });
  const differing = resizable(pod).flatMap((container) => {
    const record = latest(runtime, container.name);
    if (record?.state !== "running") return [];
    const has = sizes.of(record);
    const shared = limitsAnew.filter((name) => container.resources?.limits?.[name] === undefined);
    const changes = [...differingSizes(has, container.resources), ...shared];
    return changes.length > 0 ? [{ record, container, has, changes }] : [];
  });
  const restarts = differing.filter(({ container, changes }) => needsRestart(container, changes));
  const updates = differing.filter((one) => !restarts.includes(one)).sort((a, b) => weightOf(a) - weightOf(b));
  const wanted = podLimits(pod);
  const grown = larger(sizes.pod, wanted);
  const grows = !sameLimits(grown, sizes.pod);
  const settles = restarts.length === 0 && (wholeDiffers || !sameLimits(wanted, grown));
  const done = differing.length === 0 && !wholeDiffers && sameLimits(wanted, sizes.pod);
  const nothing = !grows && updates.length === 0 && !settles;
  return {
    done,
    restarts: restarts.map(({ record }) => record),
    resize: nothing
      ? undefined
      : {
          grown: grows ? grown : undefined,
          updates: updates.map(({ record, container }) => ({ record, container })),
          final: settles ? wanted : undefined,
        },
  };
}

function needsRestart({ resizePolicy = [] }: Container, changes: readonly string[]): boolean {
  return resizePolicy.some(
    ({ resourceName, restartPolicy }) => restartPolicy === "RestartContainer" && changes.includes(resourceName),
  );
}

/** Negative for what shrinks, in memory first, so that it frees room for what grows. */
function weightOf({ container, has }: { readonly container: Container; readonly has: Requirements }): number {
  const change = (name: string) => compare(container.resources?.limits?.[name], has.limits?.[name]);
  return Math.sign(change("memory")) * 2 + Math.sign(change("cpu"));
}

/** The larger of the two in each respect. */
export function larger(a: PodLimits, b: PodLimits): PodLimits {
  return {
    cpuPeriod: b.cpuPeriod,
    cpuRequest: Math.max(a.cpuRequest, b.cpuRequest),
    cpuShares: Math.max(a.cpuShares, b.cpuShares),
    cpuQuota: Math.max(a.cpuQuota, b.cpuQuota),
    memory: Math.max(a.memory, b.memory),
  };
}

export function sameLimits(a: PodLimits, b: PodLimits): boolean {
  return a.cpuShares === b.cpuShares && a.cpuQuota === b.cpuQuota && a.memory === b.memory;
}
