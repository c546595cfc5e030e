/**
 * Scene: what a cluster at rest is looked at with, and how its Pods are counted. Pure.
 */
import type { Pod } from "../../../machinery/objects/kinds.ts";
import { milliValue } from "../../../machinery/objects/quantity.ts";
import type { StoredObject } from "../../../machinery/objects/wire.ts";
import type { Ground } from "../ground.ts";
import type { Objects } from "../objects.ts";
import { isEnded } from "../pod-report.ts";
import type { Shape } from "../shape.ts";
import type { Condemned } from "./condemned.ts";

export interface Scene {
  readonly seed: number;
  readonly shape: Shape;
  readonly objects: Objects;
  readonly ground: Ground;
  readonly condemned: Condemned;
  /** Milliseconds since the simulation began. */
  readonly elapsed: number;
}

/** Why this is no state to rest in; undefined when it is. */
export type Check = (scene: Scene) => string | undefined;

export const isTrue = (
  conditions: readonly { readonly type: string; readonly status: string }[] | undefined,
  type: string,
): boolean => conditions?.some((one) => one.type === type && one.status === "True") ?? false;

export const owned = (owner: StoredObject, { objects }: Scene): readonly Pod[] => objects.podsOf(owner.metadata.uid);
export const active = (all: readonly Pod[]): readonly Pod[] => all.filter((pod) => !isEnded(pod));
export const ready = (all: readonly Pod[]): readonly Pod[] =>
  active(all).filter(({ status }) => isTrue(status?.conditions, "Ready"));

/** Some wait for room, where there may be too little. */
export const waits = (all: readonly Pod[], { shape }: Scene): boolean =>
  shape.tight && all.some(({ spec }) => !spec?.nodeName);

export const cpuOf = ({ spec }: Pod): number => milliValue(spec?.containers[0]?.resources?.requests?.["cpu"]);
export const imageOf = ({ spec }: Pod): string | undefined => spec?.containers[0]?.image;
