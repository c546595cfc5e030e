/** Containers: why one is not running or not ready, by what its node has told of it. Pure. */

import { age } from "../../machinery/objects/duration.ts";
import type { Container, CoreEvent, Pod } from "../../machinery/objects/kinds.ts";
import { lastEvent, oneLine } from "./explanation.ts";

type ContainerStatus = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number];
type Terminated = NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]>;

export interface ContainerTrouble {
  /** "container web: image nginx:none cannot be pulled" */
  readonly says: string;
  readonly because: readonly (string | undefined)[];
  readonly helps: readonly string[];
}

interface Case {
  readonly pod: Pod;
  readonly status: ContainerStatus;
  readonly spec: Container | undefined;
  readonly events: readonly CoreEvent[];
  readonly now: number;
}

/** All that keeps the Pod from being ready: the first init container that is not done, else every container. */
export function containerTroubles(pod: Pod, events: readonly CoreEvent[], now: number): readonly ContainerTrouble[] {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const judge = (statuses: readonly ContainerStatus[], specs: readonly Container[], init: boolean) =>
    statuses.flatMap((status) => {
      const spec = specs.find(({ name }) => name === status.name);
      return trouble({ pod, status, spec, events, now }, init && spec?.restartPolicy !== "Always") ?? [];
    });
  const [first] = judge(initContainerStatuses, initContainers as Container[], true);
  return first ? [first] : judge(containerStatuses, containers as Container[], false);
}

function trouble(one: Case, mustEnd: boolean): ContainerTrouble | undefined {
  const { status } = one;
  const { waiting, terminated, running } = status.state ?? {};
  if (waiting) return ofWaiting(one, waiting.reason ?? "", waiting.message);
  if (terminated) {
    if (terminated.exitCode === 0 && (mustEnd || one.pod.spec?.restartPolicy !== "Always")) return undefined;
    return told(one, `has ended ${ending(terminated)}`, [oneLine(terminated.message) || undefined], logsOf(one, false));
  }
  if (!running) return told(one, "has not been started yet", [], []);
  if (mustEnd)
    return told(
      one,
      `still runs, since ${age(running.startedAt, one.now)}: the others wait for its end`,
      [],
      logsOf(one, false),
    );
  return status.ready ? undefined : notReady(one, running.startedAt);
}

function told({ status, pod }: Case, says: string, because: ContainerTrouble["because"], helps: readonly string[]) {
  const init = pod.status?.initContainerStatuses?.includes(status) ? "init container" : "container";
  return { says: `${init} ${status.name} ${says}`, because, helps };
}

const logsOf = ({ pod: { metadata }, status }: Case, previous: boolean): readonly string[] => [
  `kubectl logs ${metadata.name} -c ${status.name} -n ${metadata.namespace}${previous ? " --previous" : ""}`,
];

type Waiting = (one: Case, message: string | undefined) => ContainerTrouble;

function ofWaiting(one: Case, reason: string, message: string | undefined): ContainerTrouble {
  const known = Object.hasOwn(WAITING, reason) ? WAITING[reason] : undefined;
  return known?.(one, message) ?? told(one, `waits: ${reason}`, [oneLine(message) || undefined], []);
}

const PULL_HELPS = [
  "check the image's name and tag, and that the registry can be reached from the node",
  "a private registry needs imagePullSecrets; `k8ts images import FILE` needs no registry",
];

const notPulled: Waiting = (one, message) => {
  const failed = lastEvent(
    one.events.filter(({ message: text }) => text?.includes(one.status.image)),
    "Failed",
  );
  const why = failed ?? (oneLine(message) || undefined);
  return told(one, `has no image: ${one.status.image} cannot be pulled`, [why], PULL_HELPS);
};

const creating: Waiting = (one) =>
  told(
    one,
    "is being made",
    [lastEvent(one.events, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Pulling")],
    [],
  );

const notMade: Waiting = (one, message) => told(one, "cannot be made", [oneLine(message) || undefined], []);

const WAITING: Readonly<Record<string, Waiting>> = {
  ImagePullBackOff: notPulled,
  ErrImagePull: notPulled,
  ErrImageNeverPull: (one) =>
    told(
      one,
      `has no image: ${one.status.image} is not on the node, and imagePullPolicy is Never`,
      [],
      ["load it there (`k8ts images import FILE`), or let it be pulled"],
    ),
  InvalidImageName: (one, message) => told(one, `has an image name that is none: ${one.status.image}`, [message], []),
  CrashLoopBackOff: (one, message) => {
    const last = one.status.lastState?.terminated;
    const ends = last ? `, the last time ${ending(last)}${lasted(last)}` : "";
    const pause = /back-off (\S+) restarting/.exec(message ?? "")?.[1];
    const says = `has ended ${one.status.restartCount} times${ends}${pause ? `; the pause before the next start is ${pause}` : ""}`;
    return told(
      one,
      says,
      [oneLine(last?.message) || undefined, lastEvent(one.events, "Unhealthy")],
      logsOf(one, true),
    );
  },
  CreateContainerConfigError: (one, message) =>
    told(
      one,
      "cannot be made from its configuration",
      [oneLine(message) || undefined],
      ["create what is missing, or mark the reference as optional"],
    ),
  CreateContainerError: notMade,
  RunContainerError: notMade,
  StartError: notMade,
  ContainerCreating: creating,
  PodInitializing: creating,
};

const SIGNALS: Readonly<Record<number, string>> = {
  126: "the command cannot be executed",
  127: "the command was not found",
  134: "aborted",
  137: "killed",
  139: "segmentation fault",
  143: "asked to end",
};

/** "with exit code 137 (OOMKilled: it used more memory than its limit)" */
function ending({ exitCode, reason, signal }: Terminated): string {
  const known =
    reason === "OOMKilled" ? "OOMKilled: it used more memory than its limit" : (SIGNALS[exitCode] ?? reason ?? "");
  return `with exit code ${exitCode}${known ? ` (${known})` : ""}${signal ? `, signal ${signal}` : ""}`;
}

function lasted({ startedAt, finishedAt }: Terminated): string {
  const ms = Date.parse(finishedAt ?? "") - Date.parse(startedAt ?? "");
  return Number.isFinite(ms) ? ` after ${age(startedAt, Date.parse(finishedAt ?? ""))}` : "";
}

function notReady(one: Case, startedAt: string | undefined): ContainerTrouble {
  const { spec, status } = one;
  const since = `runs since ${age(startedAt, one.now)}`;
  const failed = lastEvent(one.events, "Unhealthy");
  if (spec?.startupProbe && !status.started) {
    return told(one, `${since}, but its startup probe has not passed yet`, [failed], logsOf(one, false));
  }
  if (!spec?.readinessProbe) return told(one, `${since} and is about to be ready`, [], []);
  return told(one, `${since}, but its readiness probe does not pass`, [probed(spec), failed], logsOf(one, false));
}

function probed({ readinessProbe: probe }: Container): string | undefined {
  if (!probe) return undefined;
  const { httpGet, exec, tcpSocket, grpc, failureThreshold = 3, periodSeconds = 10 } = probe;
  const what = httpGet
    ? `GET ${httpGet.path ?? "/"} on port ${httpGet.port}`
    : exec
      ? `the command ${(exec.command ?? []).join(" ")}`
      : `a connection to port ${tcpSocket?.port ?? grpc?.port}`;
  return `it is probed by ${what} every ${periodSeconds}s; ${failureThreshold} failures in a row count`;
}
