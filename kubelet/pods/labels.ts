/**
 * Labels and annotations by which the kubelet finds its own sandboxes and containers again.
 *
 * Names are Kubernetes' own, so that crictl and other tools read them too. Restart counts live here:
 * they survive a kubelet that is killed.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { containerHash } from "./pod-spec.ts";

export const POD_NAME = "io.kubernetes.pod.name";
export const POD_NAMESPACE = "io.kubernetes.pod.namespace";
export const POD_UID = "io.kubernetes.pod.uid";
export const CONTAINER_NAME = "io.kubernetes.container.name";

export const HASH = "io.kubernetes.container.hash";
export const RESTART_COUNT = "io.kubernetes.container.restartCount";
export const TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath";
export const TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy";
export const GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod";

export function identityLabels({ metadata }: Pod): Record<string, string> {
  return { [POD_NAME]: metadata.name, [POD_NAMESPACE]: metadata.namespace ?? "", [POD_UID]: metadata.uid };
}

export function containerAnnotations(pod: Pod, container: Container, attempt: number): Record<string, string> {
  return {
    [HASH]: containerHash(container),
    [RESTART_COUNT]: String(attempt),
    [TERMINATION_PATH]: container.terminationMessagePath ?? "/dev/termination-log",
    [TERMINATION_POLICY]: container.terminationMessagePolicy ?? "File",
    [GRACE_PERIOD]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
  };
}
