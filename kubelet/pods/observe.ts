/**
 * Observe: reads from the runtime what it holds for one Pod.
 *
 * Two lists a look; details are asked for once per container and state, since they do not change
 * within one. A container that ends while it is read shows up as it is at the next look.
 */
import type { RuntimeService } from "../cri/contract.ts";
import { isCriError } from "../cri/errors.ts";
import { type Container, type ContainerStatus, nanosToMs, type PodSandbox } from "../cri/messages.ts";
import { comesFromNode } from "../static-pods/marks.ts";
import { HASH, POD_NAME, POD_NAMESPACE, POD_UID, RESTART_COUNT } from "./labels.ts";
import type { PodIdentity } from "./paths.ts";
import type { ContainerPhase, ContainerRecord, RuntimePod, SandboxRecord } from "./runtime-state.ts";

export interface RuntimeObserver {
  observe(pod: PodIdentity): Promise<RuntimePod>;
  /** Every Pod of which the runtime holds anything. */
  pods(): Promise<readonly FoundPod[]>;
  forget(uid: string): void;
}

export interface FoundPod extends PodIdentity {
  /** Not from the API, as far as its sandbox tells. */
  readonly isStatic: boolean;
}

export interface ObserverContext {
  readonly cri: RuntimeService;
  /** What an ended container left as its last words, beyond what the runtime tells. */
  readonly terminationMessage: (pod: PodIdentity, status: ContainerStatus) => Promise<string>;
}

interface Known {
  readonly containers: Map<string, ContainerRecord>;
  readonly ips: Map<string, readonly string[]>;
}

const PHASES: Readonly<Record<Container["state"], ContainerPhase>> = {
  CONTAINER_CREATED: "created",
  CONTAINER_RUNNING: "running",
  CONTAINER_EXITED: "exited",
  CONTAINER_UNKNOWN: "unknown",
};

export function createObserver({ cri, terminationMessage }: ObserverContext): RuntimeObserver {
  const known = new Map<string, Known>();

  async function sandboxRecord(sandbox: PodSandbox, memory: Known): Promise<SandboxRecord | undefined> {
    const ready = sandbox.state === "SANDBOX_READY";
    let ips = memory.ips.get(sandbox.id);
    if (ready && !ips?.length) {
      const answer = await unlessGone(cri.podSandboxStatus({ podSandboxId: sandbox.id }));
      if (!answer) return undefined;
      ips = addressesOf(answer.status.network);
      memory.ips.set(sandbox.id, ips);
    }
    return {
      id: sandbox.id,
      attempt: sandbox.metadata.attempt,
      ready,
      createdAt: nanosToMs(sandbox.createdAt) ?? 0,
      ips: ips ?? [],
    };
  }

  async function containerRecord(pod: PodIdentity, container: Container, memory: Known) {
    const phase = PHASES[container.state];
    const before = memory.containers.get(container.id);
    if (before?.state === phase && phase !== "unknown") return before;
    const answer = await unlessGone(cri.containerStatus({ containerId: container.id }));
    if (!answer) return undefined;
    const { status } = answer;
    const ended = status.state === "CONTAINER_EXITED";
    const message = ended ? await terminationMessage(pod, status) : status.message;
    const record = toRecord(container, status, message);
    memory.containers.set(container.id, record);
    return record;
  }

  return {
    async observe(pod) {
      const filter = { labelSelector: { [POD_UID]: pod.uid } };
      const [sandboxes, containers] = await Promise.all([
        cri.listPodSandbox({ filter }),
        cri.listContainers({ filter }),
      ]);
      const memory = known.get(pod.uid) ?? { containers: new Map(), ips: new Map() };
      known.set(pod.uid, memory);
      drop(memory.containers, containers.containers);
      drop(memory.ips, sandboxes.items);
      const [sandboxRecords, containerRecords] = await Promise.all([
        Promise.all(sandboxes.items.map((sandbox) => sandboxRecord(sandbox, memory))),
        Promise.all(containers.containers.map((container) => containerRecord(pod, container, memory))),
      ]);
      return {
        uid: pod.uid,
        name: pod.name,
        namespace: pod.namespace,
        sandboxes: sandboxRecords.filter((record) => record !== undefined).sort(newestFirst),
        containers: containerRecords.filter((record) => record !== undefined).sort(newestFirst),
      };
    },

    async pods() {
      const [sandboxes, containers] = await Promise.all([cri.listPodSandbox({}), cri.listContainers({})]);
      const found = new Map<string, FoundPod>();
      for (const { labels, annotations } of [...sandboxes.items, ...containers.containers]) {
        const uid = labels[POD_UID];
        if (!uid) continue;
        const isStatic = found.get(uid)?.isStatic || comesFromNode(annotations);
        found.set(uid, { uid, name: labels[POD_NAME] ?? "", namespace: labels[POD_NAMESPACE] ?? "", isStatic });
      }
      return [...found.values()];
    },

    forget: (uid) => void known.delete(uid),
  };
}

function toRecord(container: Container, status: ContainerStatus, message: string): ContainerRecord {
  const attempt = Number(status.annotations[RESTART_COUNT] ?? status.metadata.attempt);
  return {
    id: status.id,
    name: status.metadata.name,
    sandboxId: container.podSandboxId,
    attempt: Number.isNaN(attempt) ? status.metadata.attempt : attempt,
    state: PHASES[status.state],
    createdAt: nanosToMs(status.createdAt) ?? 0,
    startedAt: nanosToMs(status.startedAt) ?? 0,
    finishedAt: nanosToMs(status.finishedAt) ?? 0,
    exitCode: status.exitCode,
    reason:
      status.reason || (status.state === "CONTAINER_EXITED" ? (status.exitCode === 0 ? "Completed" : "Error") : ""),
    message,
    image: status.image.userSpecifiedImage || status.image.image,
    imageRef: status.imageRef,
    hash: status.annotations[HASH] ?? "",
    logPath: status.logPath,
    ...(status.user?.linux ? { user: status.user.linux } : {}),
  };
}

function addressesOf(network: { ip: string; additionalIps: readonly { ip: string }[] } | undefined): readonly string[] {
  if (!network?.ip) return [];
  return [network.ip, ...network.additionalIps.map(({ ip }) => ip)];
}

/** What went away between a list and a question about it is no error. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isCriError(error, "NotFound")) return undefined;
    throw error;
  }
}

function drop(memory: Map<string, unknown>, present: readonly { readonly id: string }[]): void {
  const ids = new Set(present.map(({ id }) => id));
  for (const id of memory.keys()) if (!ids.has(id)) memory.delete(id);
}

type Aged = { readonly attempt: number; readonly createdAt: number };
const newestFirst = (a: Aged, b: Aged): number => b.createdAt - a.createdAt || b.attempt - a.attempt;
