/**
 * Runtime state: what the runtime holds for one Pod, as far as decisions and status need it.
 *
 * Plain data, read from CRI by observe.ts; everything that decides (plan.ts, status.ts) sees only
 * this. Newest first in every list. Nothing here knows how the runtime is spoken to.
 */

export interface SandboxRecord {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  /** Milliseconds since 1970, as all times here. */
  readonly createdAt: number;
  readonly ips: readonly string[];
}

export type ContainerPhase = "created" | "running" | "exited" | "unknown";

export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  /** 0 for the first run: the restart count. */
  readonly attempt: number;
  readonly state: ContainerPhase;
  readonly createdAt: number;
  /** 0 when it has not happened. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageRef: string;
  /** Hash of what the kubelet made it from; empty for containers of others. */
  readonly hash: string;
  readonly logPath: string;
  /** As whom it runs, where the runtime tells. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly supplementalGroups: readonly number[] };
}

export interface RuntimePod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly sandboxes: readonly SandboxRecord[];
  readonly containers: readonly ContainerRecord[];
}

export function nothingRuns(pod: {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}): RuntimePod {
  return { uid: pod.uid, name: pod.name, namespace: pod.namespace, sandboxes: [], containers: [] };
}

/** The newest record of a container. */
export function latest(runtime: RuntimePod, name: string): ContainerRecord | undefined {
  return runtime.containers.find((container) => container.name === name);
}

/** The sandbox in which containers may run: the newest, when it is ready and has its addresses. */
export function activeSandbox(runtime: RuntimePod, hostNetwork: boolean): SandboxRecord | undefined {
  const [newest] = runtime.sandboxes;
  if (!newest?.ready) return undefined;
  return hostNetwork || newest.ips.length > 0 ? newest : undefined;
}

/** "web_default(uid)": how Kubernetes names a Pod in messages. */
export function podLabel(pod: { readonly name: string; readonly namespace: string; readonly uid: string }): string {
  return `${pod.name}_${pod.namespace}(${pod.uid})`;
}
