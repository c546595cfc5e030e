/**
 * Pod security contract: what a check of the Pod Security Standards is, and the words that checks share.
 *
 * A check looks at one Pod and answers undefined or what is forbidden about it. Each is of one level and has a
 * version since when it is as it is: see standards.ts.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
import type { Container, PodSpec } from "../../../machinery/objects/kinds.ts";
import type { ObjectMeta } from "../../../machinery/objects/wire.ts";

/** Of a Pod or of a template. */
export interface Judged {
  readonly metadata: Pick<ObjectMeta, "annotations">;
  readonly spec: PodSpec;
}

export interface Forbidden {
  /** "hostPort" */
  readonly reason: string;
  /** `container "a" uses hostPort 80` */
  readonly detail: string;
}

export type Check = (judged: Judged) => Forbidden | undefined;

/** All containers of a Pod, in the order in which they are named. */
export function containersOf({ initContainers, containers, ephemeralContainers }: PodSpec): readonly Container[] {
  return [...(initContainers ?? []), ...(containers ?? []), ...((ephemeralContainers ?? []) as Container[])];
}

export const quoted = (values: Iterable<string>): string => [...values].map((one) => `"${one}"`).join(", ");
export const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();
export const plural = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many);
/** `container "a"` or `containers "a", "b"`. */
export const named = (containers: readonly Container[]): string =>
  `${plural(containers.length, "container")} ${quoted(containers.map(({ name }) => name))}`;

/** Who set something that is forbidden: "pod and containers …"; undefined when nobody did. */
export function setters(pod: boolean, containers: readonly Container[]): string | undefined {
  const who = [...(pod ? ["pod"] : []), ...(containers.length > 0 ? [named(containers)] : [])];
  return who.length > 0 ? who.join(" and ") : undefined;
}

/** The Pod's containers have users of their own, so root in them is nobody outside. */
export const hasOwnUsers = ({ hostUsers }: PodSpec): boolean => hostUsers === false;
export const isWindows = ({ os }: PodSpec): boolean => os?.name === "windows";
