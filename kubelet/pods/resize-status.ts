/**
 * Resize status: what conditions and events say of a Pod whose resources change in place. Pure.
 *
 * PodResizePending: asked for and not granted yet. PodResizeInProgress: granted and not carried out yet,
 * with reason Error when that failed. Both are absent when there is nothing to say.
 */
import type { Container, Pod, PodCondition } from "../../machinery/objects/kinds.ts";
import { type Requirements, resizable } from "./allocation.ts";
import type { Pending } from "./allocations.ts";
import { initContainers } from "./pod-spec.ts";

export const RESIZE_CONDITIONS: readonly string[] = ["PodResizePending", "PodResizeInProgress"];

export interface ResizeState {
  readonly pending: Pending | undefined;
  /** The generation that is being carried out; undefined: everything granted is in place. */
  readonly inProgress: number | undefined;
  /** Why carrying it out failed. */
  readonly error: string | undefined;
}

export const noResize: ResizeState = { pending: undefined, inProgress: undefined, error: undefined };

type Said = Pick<PodCondition, "status" | "reason" | "message" | "observedGeneration">;

/** By type; only what there is to say. */
export function resizeConditions(
  pod: Pod,
  { pending, inProgress, error }: ResizeState,
): Readonly<Record<string, Said>> {
  const generation = pod.metadata.generation;
  return {
    ...(pending
      ? {
          PodResizePending: {
            status: "True",
            reason: pending.reason,
            message: pending.message,
            ...(generation === undefined ? {} : { observedGeneration: generation }),
          },
        }
      : {}),
    ...(inProgress === undefined
      ? {}
      : {
          PodResizeInProgress: {
            status: "True",
            ...(error === undefined ? {} : { reason: "Error", message: error }),
            observedGeneration: inProgress,
          },
        }),
  };
}

/** "Pod resize started: {…}", as Kubernetes summarizes what is asked for. */
export function resizeMessage(what: string, pod: Pod, error?: string): string {
  const sidecars = new Set(initContainers(pod).map(({ name }) => name));
  const summary = (containers: readonly Container[]) =>
    containers.map(({ name, resources }) => ({ name, resources: sorted(resources ?? {}) }));
  const all = resizable(pod);
  const init = summary(all.filter(({ name }) => sidecars.has(name)));
  const text = JSON.stringify({
    ...(init.length > 0 ? { initContainers: init } : {}),
    containers: summary(all.filter(({ name }) => !sidecars.has(name))),
    generation: pod.metadata.generation ?? 0,
    ...(error === undefined ? {} : { error }),
  });
  return `Pod resize ${what}: ${text}`;
}

function sorted({ limits, requests }: Requirements): Requirements {
  const inOrder = (amounts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...(limits ? { limits: inOrder(limits) } : {}), ...(requests ? { requests: inOrder(requests) } : {}) };
}
