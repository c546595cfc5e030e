/**
 * Pods: manifests of Pods for tests, and what the API says of them.
 *
 * All run busybox and end at once when they are asked to, so that tests do not wait for them.
 */
import { expect } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Cluster, eventually } from "./cluster.ts";
import type { Kubectl } from "./kubectls.ts";

export const BUSYBOX = "busybox:1.36";

/** A shell that dies by SIGTERM at once, which process 1 does not by itself. */
export const sh = (script: string) => ["sh", "-c", `trap 'exit 143' TERM; ${script}`];

/** Sleeps on, ready to be asked to end. */
export const IDLE = sh("sleep 86400 & wait");

export interface PodSpec {
  readonly [field: string]: unknown;
  /** A container may leave out its image and its name ("main", for the only one). */
  readonly containers?: readonly Readonly<Record<string, unknown>>[];
}

/** The manifest, as JSON (which is YAML). */
export function pod(name: string, spec: PodSpec, metadata: Record<string, unknown> = {}): string {
  const { containers = [{ command: IDLE }], ...rest } = spec;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...metadata },
    spec: {
      terminationGracePeriodSeconds: 2,
      ...rest,
      containers: containers.map((container) => ({ name: "main", image: BUSYBOX, ...container })),
    },
  });
}

/** Several manifests in one. */
export const manifests = (...parts: readonly string[]) => parts.join("\n---\n");

export async function getPod(cluster: Cluster, kubectl: Kubectl, name: string): Promise<Pod> {
  return JSON.parse(await cluster.kubectl(kubectl, ["get", "pod", name, "-o", "json"])) as Pod;
}

export function containerStatus(pod: Pod, name = "main") {
  return pod.status?.containerStatuses?.find((status) => status.name === name);
}

export const isReady = (pod: Pod) =>
  pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

/** Waits until the Pods are Ready. */
export async function ready(cluster: Cluster, kubectl: Kubectl, ...names: readonly string[]): Promise<void> {
  await eventually(`Pods ${names.join(", ")} to be Ready`, async () => {
    const pods = names.map((name) => `pod/${name}`);
    const wait = ["wait", "--for=condition=Ready", ...pods, "--timeout=30s"];
    if ((await cluster.tryKubectl(kubectl, wait)).code === 0) return;
    for (const name of names) {
      const { status } = await getPod(cluster, kubectl, name);
      expect(isReady({ status } as Pod), `${name}: ${JSON.stringify(status)}`).toBe(true);
    }
  });
}
