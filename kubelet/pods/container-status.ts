/**
 * Container statuses: what status.containerStatuses and its siblings say. Pure.
 *
 * The newest run is `state`, the one before it `lastState`. A run that the runtime has forgotten
 * is taken from the status written last. Phase and conditions follow from these: pod-phase.ts,
 * pod-conditions.ts.
 */
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { Requirements } from "./allocation.ts";
import type { Waiting } from "./plan-draft.ts";
import {
  type ContainerRole,
  ephemeralContainers,
  findContainer,
  initContainers,
  isSidecar,
  regularContainers,
  restartsAfter,
} from "./pod-spec.ts";
import { isReady, isStarted, type ProbeResults } from "./probe-results.ts";
import type { ContainerRecord, RuntimePod } from "./runtime-state.ts";

export interface ContainerStatusInput {
  readonly pod: Pod;
  /** The Pod with what it was granted, and what its runs have; undefined: what it asks for. */
  readonly granted?: Pod;
  readonly sizeOf?: (record: ContainerRecord) => Requirements;
  readonly runtime: RuntimePod;
  /** The status written last: this process's own, or the API's. */
  readonly old: PodStatus;
  /** Why a container does not start: back-off, image, configuration. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly probes: (containerId: string) => ProbeResults;
  /** No container will start again. */
  readonly over: boolean;
  /** Whether the runtime makes mounts read-only all the way down. */
  readonly recursiveReadOnly?: boolean;
}

type Lists = Pick<PodStatus, "containerStatuses" | "initContainerStatuses" | "ephemeralContainerStatuses">;

export function containerStatuses(input: ContainerStatusInput): Lists {
  const { pod, old } = input;
  const of = (
    containers: readonly Container[],
    role: (container: Container) => ContainerRole,
    before?: ContainerStatus[],
  ) =>
    containers.map((container) =>
      statusOf(
        input,
        container,
        role(container),
        before?.find(({ name }) => name === container.name),
      ),
    );
  const regular = of(regularContainers(pod), () => "regular", old.containerStatuses);
  const init = of(initContainers(pod), (one) => (isSidecar(one) ? "sidecar" : "init"), old.initContainerStatuses);
  const ephemeral = of(ephemeralContainers(pod), () => "ephemeral", old.ephemeralContainerStatuses);
  return {
    ...(regular.length > 0 ? { containerStatuses: regular.sort(byName) } : {}),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral.sort(byName) } : {}),
  };
}

function statusOf(
  input: ContainerStatusInput,
  container: Container,
  role: ContainerRole,
  old: ContainerStatus | undefined,
): ContainerStatus {
  const [record, previous] = input.runtime.containers.filter(({ name }) => name === container.name);
  const status = record ? fromRecord(input, container, record, previous, old) : forgotten(input, container, role, old);
  const waiting = input.waiting.get(container.name);
  const restarts = !input.over && waiting && mayStart(input.pod, container, role, record);
  const shown = restarts ? asWaiting(status, waiting) : status;
  return { ...shown, ...health(input, role, shown) };
}

function fromRecord(
  input: ContainerStatusInput,
  container: Container,
  record: ContainerRecord,
  previous: ContainerRecord | undefined,
  old: ContainerStatus | undefined,
): ContainerStatus {
  const lastState = previous ? stateOf(previous) : (lostRun(record, old) ?? old?.lastState ?? {});
  return {
    name: container.name,
    image: record.image,
    imageID: record.imageRef,
    containerID: containerUri(record.id),
    restartCount: record.attempt,
    ready: false,
    state: record.state === "created" ? { waiting: { reason: initialReason(input.pod) } } : stateOf(record),
    lastState,
    ...resourcesOf(input, container, record),
    ...(record.user
      ? { user: { linux: { ...record.user, supplementalGroups: [...record.user.supplementalGroups] } } }
      : {}),
    ...volumeMountsOf(container, input.recursiveReadOnly),
  };
}

/** The run before this one, as the last status showed it, where the runtime no longer has it. */
function lostRun(record: ContainerRecord, old: ContainerStatus | undefined): ContainerState | undefined {
  const ended = old?.state?.terminated;
  return ended && old?.containerID !== containerUri(record.id) ? { terminated: ended } : undefined;
}

/** No run of it is known: it has not begun, or everything about it was lost. */
function forgotten(
  input: ContainerStatusInput,
  container: Container,
  role: ContainerRole,
  old: ContainerStatus | undefined,
): ContainerStatus {
  const { pod, over } = input;
  const base: ContainerStatus = {
    name: container.name,
    image: container.image ?? "",
    imageID: "",
    restartCount: old?.restartCount ?? 0,
    ready: false,
    state: { waiting: { reason: initialReason(pod) } },
    lastState: old?.lastState ?? {},
    ...resourcesOf(input, container),
    ...volumeMountsOf(container, input.recursiveReadOnly),
  };
  if (old?.state?.terminated) return old;
  if (!old?.state?.running) return base;
  const lost = {
    exitCode: 137,
    reason: "ContainerStatusUnknown",
    message: "The container could not be located when the pod was terminated",
  };
  if (over || role === "init") return { ...base, state: { terminated: lost } };
  return { ...base, lastState: { terminated: lost }, restartCount: base.restartCount + 1 };
}

function stateOf(record: ContainerRecord): ContainerState {
  if (record.state === "running") return { running: { startedAt: wireTime(record.startedAt) } };
  if (record.state === "exited") {
    return {
      terminated: {
        exitCode: record.exitCode,
        ...(record.reason ? { reason: record.reason } : {}),
        ...(record.message ? { message: record.message } : {}),
        startedAt: record.startedAt > 0 ? wireTime(record.startedAt) : wireTime(record.createdAt),
        finishedAt: wireTime(record.finishedAt),
        containerID: containerUri(record.id),
      },
    };
  }
  return { waiting: { reason: "ContainerStatusUnknown" } };
}

function asWaiting(status: ContainerStatus, { reason, message }: Waiting): ContainerStatus {
  const waiting = { reason, ...(message ? { message } : {}) };
  const ended = status.state?.terminated;
  return { ...status, state: { waiting }, ...(ended ? { lastState: { terminated: ended } } : {}) };
}

function mayStart(pod: Pod, container: Container, role: ContainerRole, record: ContainerRecord | undefined): boolean {
  if (!record || record.state === "created" || record.state === "unknown") return true;
  if (record.state === "running") return false;
  if (role === "sidecar") return true;
  if (role === "ephemeral" || (role === "init" && record.exitCode === 0)) return false;
  return restartsAfter(pod, container, record.exitCode);
}

/** `started` and `ready`: by probes while it runs; a plain init container is ready once it succeeded. */
function health({ probes }: ContainerStatusInput, role: ContainerRole, status: ContainerStatus) {
  const id = status.state?.running && status.containerID ? status.containerID.slice(URI.length) : undefined;
  const results = id === undefined ? undefined : probes(id);
  const started = results !== undefined && isStarted(results);
  if (role === "init") return { started, ready: status.state?.terminated?.exitCode === 0 };
  return { started, ready: results !== undefined && isReady(results) };
}

const URI = "containerd://";

export function containerUri(id: string): string {
  return `${URI}${id}`;
}

/** The reason of a container whose turn has not come. */
function initialReason(pod: Pod): string {
  return initContainers(pod).length > 0 ? "PodInitializing" : "ContainerCreating";
}

/** What a run has while it runs, else what it would start with; and what was granted. */
function resourcesOf(
  { pod, granted = pod, sizeOf }: ContainerStatusInput,
  container: Container,
  record?: ContainerRecord,
): Partial<ContainerStatus> {
  const own = findContainer(granted, container.name)?.container ?? container;
  const running = record?.state === "running" ? sizeOf?.(record) : undefined;
  const { limits, requests } = running ?? own.resources ?? {};
  return {
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
    ...(own.resources?.requests ? { allocatedResources: own.resources.requests } : {}),
  };
}

function volumeMountsOf(container: Container, recursively = false): Partial<ContainerStatus> {
  if (!container.volumeMounts?.length) return {};
  return {
    volumeMounts: container.volumeMounts.map(
      ({ name, mountPath, readOnly, recursiveReadOnly: wanted = "Disabled" }) => ({
        name,
        mountPath,
        ...(readOnly
          ? { readOnly, recursiveReadOnly: wanted === "IfPossible" ? (recursively ? "Enabled" : "Disabled") : wanted }
          : {}),
      }),
    ),
  };
}

const byName = (a: ContainerStatus, b: ContainerStatus): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
