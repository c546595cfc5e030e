/**
 * Container logs over HTTP: GET /containerLogs/NAMESPACE/POD/CONTAINER.
 *
 * Which run is meant follows the Pod's status, as in the real kubelet: the running one, else the one
 * that ended last; with `previous` the one before. Reading the files: container-log.ts.
 */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { ContainerStatus } from "../machinery/objects/kinds.ts";
import { ApiError } from "../machinery/objects/status.ts";
import { type LogOptions, readLog } from "./container-log.ts";
import { isCriError } from "./cri/errors.ts";
import { containerUri } from "./pods/container-status.ts";
import { findContainer } from "./pods/pod-spec.ts";
import type { ContainerRecord } from "./pods/runtime-state.ts";
import type { PodWorker } from "./pods/worker.ts";
import type { Call } from "./server.ts";

export async function containerLogs(call: Call, response: ServerResponse): Promise<void> {
  const { context, query, request } = call;
  const [namespace = "", name = "", container = ""] = call.parts;
  const worker = context.workers.find(namespace, name);
  if (!worker) throw new ApiError("NotFound", `pod "${name}" cannot be found - no logs available`);
  if (!findContainer(worker.pod(), container)) {
    throw new ApiError("NotFound", `container "${container}" not found in pod "${name}"`);
  }
  const options = logOptions(query, context.clock.now());
  const record = runOf(worker, container, query.get("previous") === "true");
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const source = {
    path: record.logPath,
    clock: context.clock,
    signal: AbortSignal.any([gone.signal, context.signal]),
    isRunning: () => isRunning(call, record.id),
  };
  response.setHeader("content-type", "text/plain");
  response.setHeader("transfer-encoding", "chunked");
  if (options.follow) response.flushHeaders();
  try {
    for await (const chunk of readLog(source, options)) {
      if (!response.write(chunk) && !gone.signal.aborted) {
        await once(response, "drain", { signal: gone.signal }).catch(() => undefined);
      }
      if (gone.signal.aborted) return;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const why = `unable to retrieve container logs for ${containerUri(record.id)}`;
    if (!response.headersSent) throw new ApiError("NotFound", why);
    response.write(why);
  }
  response.end();
  request.resume();
}

async function isRunning({ context }: Call, containerId: string): Promise<boolean> {
  try {
    const { status } = await context.cri.containerStatus({ containerId });
    return status.state === "CONTAINER_RUNNING" || status.state === "CONTAINER_CREATED";
  } catch (error) {
    // a runtime that is away says nothing about its containers
    return !isCriError(error, "NotFound");
  }
}

function logOptions(query: URLSearchParams, now: number): LogOptions {
  const number = (name: string) => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0)
      throw new ApiError("BadRequest", `${name} must be a non-negative integer`);
    return value;
  };
  const sinceSeconds = number("sinceSeconds");
  const sinceTime = query.get("sinceTime");
  const since = sinceTime ? Date.parse(sinceTime) : sinceSeconds === undefined ? undefined : now - sinceSeconds * 1000;
  const tailLines = number("tailLines");
  const limitBytes = number("limitBytes");
  const stream = query.get("stream")?.toLowerCase();
  return {
    follow: query.get("follow") === "true",
    timestamps: query.get("timestamps") === "true",
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(since === undefined || Number.isNaN(since) ? {} : { since }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(stream === "stdout" || stream === "stderr" ? { stream } : {}),
  };
}

function runOf(worker: PodWorker, container: string, previous: boolean): ContainerRecord {
  const pod = worker.pod().metadata.name;
  const runs = worker.runtime()?.containers.filter(({ name }) => name === container) ?? [];
  if (previous) {
    const waiting = statusOf(worker, container)?.state?.waiting !== undefined;
    const chosen = waiting && runs[0]?.state === "exited" ? runs[0] : runs[1];
    if (!chosen)
      throw new ApiError("BadRequest", `previous terminated container "${container}" in pod "${pod}" not found`);
    return chosen;
  }
  const [newest] = runs;
  if (newest && newest.state !== "created") return newest;
  throw new ApiError("BadRequest", waitingWords(statusOf(worker, container), container, pod));
}

function statusOf(worker: PodWorker, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = worker.status();
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (one) => one.name === name,
  );
}

const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: "trying and failing to pull image",
};

function waitingWords(status: ContainerStatus | undefined, container: string, pod: string): string {
  const reason = status?.state?.waiting?.reason;
  const start = `container "${container}" in pod "${pod}" is waiting to start`;
  if (!reason) return `${start} - no logs yet`;
  return `${start}: ${WAITING[reason] ?? reason}`;
}
