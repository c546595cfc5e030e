/**
 * Pod spec: the questions about a Pod's specification that several files ask. Pure; no state.
 */
import { createHash } from "node:crypto";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";

export type ContainerRole = "init" | "sidecar" | "regular" | "ephemeral";

/** A container with its role; ephemeral ones are seen as containers. */
export interface RoleContainer {
  readonly container: Container;
  readonly role: ContainerRole;
}

export const isSidecar = (container: Container): boolean => container.restartPolicy === "Always";

export function initContainers(pod: Pod): readonly Container[] {
  return pod.spec?.initContainers ?? [];
}

export function regularContainers(pod: Pod): readonly Container[] {
  return pod.spec?.containers ?? [];
}

export function ephemeralContainers(pod: Pod): readonly Container[] {
  return (pod.spec?.ephemeralContainers ?? []) as readonly Container[];
}

export function allContainers(pod: Pod): readonly RoleContainer[] {
  return [
    ...initContainers(pod).map(
      (container) => ({ container, role: isSidecar(container) ? "sidecar" : "init" }) as const,
    ),
    ...regularContainers(pod).map((container) => ({ container, role: "regular" }) as const),
    ...ephemeralContainers(pod).map((container) => ({ container, role: "ephemeral" }) as const),
  ];
}

export function findContainer(pod: Pod, name: string): RoleContainer | undefined {
  return allContainers(pod).find(({ container }) => container.name === name);
}

/** The field path that events about a container carry: spec.containers{web}. */
export function fieldPath({ container, role }: RoleContainer): string {
  const list = role === "regular" ? "containers" : role === "ephemeral" ? "ephemeralContainers" : "initContainers";
  return `spec.${list}{${container.name}}`;
}

/** What makes a running container outdated when it changes: only the image may change in place. */
export function containerHash(container: Container): string {
  return createHash("sha256").update(`${container.name}\n${container.image}`).digest("hex").slice(0, 8);
}

export type RestartPolicy = "Always" | "OnFailure" | "Never";

export function restartPolicy(pod: Pod): RestartPolicy {
  return (pod.spec?.restartPolicy as RestartPolicy | undefined) ?? "Always";
}

/** May a container that ended like this run again? Its own policy and rules stand before the Pod's. */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  if (container.restartPolicy !== undefined) {
    for (const rule of container.restartPolicyRules ?? []) {
      const values = rule.exitCodes?.values ?? [];
      const matches = rule.exitCodes?.operator === "NotIn" ? !values.includes(exitCode) : values.includes(exitCode);
      if (matches && rule.action === "Restart") return true;
    }
  }
  const policy = container.restartPolicy ?? restartPolicy(pod);
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

export function usesHostNetwork(pod: Pod): boolean {
  return pod.spec?.hostNetwork === true;
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** "web_default(uid)". */
export function podName(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}
