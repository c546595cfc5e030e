/**
 * Runtime on containerd: the runtime interface, translated to containerd's own CRI socket.
 *
 * Most calls pass through as they are. Written out are those that containerd 1.6 lacks or whose
 * effects we own: cgroups (cgroups.ts), events (event-hub.ts), exec and streams (exec.ts, streams.ts), imports
 * (import-image.ts), credentials (credentials.ts). It keeps nothing that a restart would lose.
 */
import { rmSync } from "node:fs";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { HomePaths } from "../../../machinery/process/home.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { callNames, calls, methodOf } from "../../cri/calls.ts";
import type { Answer, CallName, CallOptions, Request, Runtime } from "../../cri/contract.ts";
import { CriError, isCriError } from "../../cri/errors.ts";
import type { RuntimeHandler } from "../../cri/messages.ts";
import { imageTar } from "../../images/build.ts";
import { architectureOf, pauseImage } from "../../images/pause.ts";
import { ownParent, removeCgroup, underRoot } from "./cgroups.ts";
import { type ContainerLogs, containerLogs } from "./container-logs.ts";
import { credentialsFor } from "./credentials.ts";
import { createEventHub, type Hint } from "./event-hub.ts";
import { exec, type OciProcess } from "./exec.ts";
import { type GrpcChannel, openChannel } from "./grpc.ts";
import { createImageMounts, type ImageMounts } from "./image-mounts.ts";
import { importImage } from "./import-image.ts";
import { type ContainerdLayout, containerdLayout, NAMESPACE, PAUSE_IMAGE, shimSocket } from "./layout.ts";
import { lostShims } from "./lost-shims.ts";
import { atLeast, parseVersion, refuseNewer, type Version } from "./newer.ts";
import { criMethods, subscribeMethod, taskMethods, topics } from "./services.ts";
import { containerdStreams } from "./streams.ts";

export interface ContainerdRuntimeOptions {
  readonly paths: HomePaths;
  readonly clock: Clock;
  readonly log: Logger;
  /** Another containerd's socket than the home's own. */
  readonly socket?: string;
}

type Unary = Pick<Runtime, Uncapitalize<CallName>>;
type Empty = Answer<"StopContainer">;
type Send = <N extends CallName>(name: N, request: Request<N>, options?: CallOptions) => Promise<Answer<N>>;
type Overrides = { [N in CallName]?: (request: Request<N>, options?: CallOptions) => Promise<Answer<N>> };

/** Resolves once containerd answers and has the pause image; rejects with Unavailable when it does not in time. */
export async function createContainerdRuntime(options: ContainerdRuntimeOptions): Promise<Runtime> {
  const { paths, clock, log } = options;
  const layout = { ...containerdLayout(paths), ...(options.socket && { socket: options.socket }) };
  const channel = openChannel(layout.socket, clock);
  const methods = criMethods();
  const send: Send = (name, request, given) => {
    const timeoutMs = given?.timeoutMs ?? calls[name].timeoutMs;
    return channel.call(methods.unary(name), request, { ...given, timeoutMs });
  };
  const has = async (image: string) => (await send("ImageStatus", { image: { image } })).image !== undefined;
  const bring: Runtime["importImage"] = (tar, given) =>
    importImage(tar, { socket: layout.socket, clock, has, signal: given?.signal });
  const ensurePause = async () => {
    if (!(await has(PAUSE_IMAGE))) await bring(imageTar(pauseImage(PAUSE_IMAGE, architectureOf(process.arch))));
  };

  try {
    const { runtimeVersion } = await send("Version", {}, { timeoutMs: 10_000 });
    await ensurePause();
    const logs = containerLogs(layout, log);
    const shims = lostShims(layout, clock, log);
    const list = () => {
      shims.look();
      return logs.tend(() => listAll(send));
    };
    await list();
    const hub = createEventHub({ clock, log, list, hints: (signal) => hints(channel, signal) });
    rmSync(layout.exec, { recursive: true, force: true }); // what an earlier server left
    const execParts = { channel, tasks: taskMethods(), clock, directory: layout.exec };
    const version = parseVersion(runtimeVersion);
    const imageMounts = atLeast(version, [2, 1]) ? undefined : createImageMounts({ layout, log, ...asked(send) });
    await imageMounts?.tend();
    const special = overrides({ send, layout, logs, version, ensurePause, imageMounts });
    const pass = (name: CallName) =>
      special[name] ?? ((request: never, given?: CallOptions) => send(name, request, given));
    const unary = Object.fromEntries(callNames.map((name) => [methodOf(name), pass(name)]));
    return {
      ...(unary as unknown as Unary),
      exec: (request, streams) => exec(request, streams, { ...execParts, processOf: (id) => processOf(send, id) }),
      ...containerdStreams({
        clock,
        url: async (call, request) => (await channel.call(methods.stream(call), request)).url,
      }),
      getContainerEvents: (signal) => hub.events(signal),
      importImage: bring,
      async close() {
        hub.close();
        channel.close();
      },
    };
  } catch (error) {
    channel.close();
    throw error;
  }
}

interface Parts {
  readonly send: Send;
  readonly layout: ContainerdLayout;
  readonly logs: ContainerLogs;
  readonly version: Version;
  /** Undefined where containerd sees to volumes that are images. */
  readonly imageMounts: ImageMounts | undefined;
  ensurePause(): Promise<void>;
}

function overrides({ send, layout, logs, version, ensurePause, imageMounts }: Parts): Overrides {
  return {
    /** Newer than containerd 1.6; we always configure this driver. */
    RuntimeConfig: async () => ({ linux: { cgroupDriver: "CGROUPFS" } }),

    /** containerd 1.6 tells its handlers only with its configuration. */
    async Status(request, options) {
      const answer = await send("Status", request, options);
      return answer.runtimeHandlers.length > 0 ? answer : { ...answer, runtimeHandlers: handlersIn(answer.info) };
    },

    async RunPodSandbox(request, options) {
      refuseNewer(version, { sandbox: request.config });
      const ours = { ...request, config: underRoot(request.config, layout.cgroup) };
      try {
        return await send("RunPodSandbox", ours, options);
      } catch (error) {
        if (await hasPause()) throw error;
      }
      await ensurePause(); // someone removed it
      return send("RunPodSandbox", ours, options);
    },

    async RemovePodSandbox(request, options) {
      const { items } = await send("ListPodSandbox", { filter: { id: request.podSandboxId } });
      const { containers } = await send("ListContainers", { filter: { podSandboxId: request.podSandboxId } });
      await unlessGone(onceMore(() => send("RemovePodSandbox", request, options)));
      for (const { id } of containers) logs.removed(id);
      await imageMounts?.tend();
      for (const sandbox of items) removeCgroup(ownParent(sandbox, layout.cgroup));
      rmSync(shimSocket(layout, request.podSandboxId), { force: true });
      return {};
    },

    async CreateContainer(request, options) {
      refuseNewer(version, { sandbox: request.sandboxConfig, container: request.config });
      const sandboxConfig = underRoot(request.sandboxConfig, layout.cgroup);
      const create = (config: typeof request.config) =>
        logs.created({ ...request, config, sandboxConfig }, (ours) => send("CreateContainer", ours, options));
      return imageMounts ? imageMounts.within(request.config, create) : create(request.config);
    },

    StartContainer: (request, options) =>
      logs.started(request.containerId, () => send("StartContainer", request, options)),

    async ContainerStatus(request, options) {
      const answer = await send("ContainerStatus", request, options);
      const logPath = logs.pathOf(answer.status.id);
      return logPath === undefined ? answer : { ...answer, status: { ...answer.status, logPath } };
    },

    async ReopenContainerLog(request, options) {
      const answer = await send("ReopenContainerLog", request, options);
      logs.reopen(request.containerId);
      return answer;
    },

    /** Its own time limit, not the call's, ends the process. */
    ExecSync: (request, options) => send("ExecSync", request, options),

    StopPodSandbox: (request, options) => unlessGone(onceMore(() => send("StopPodSandbox", request, options))),
    async RemoveContainer(request, options) {
      const answer = await unlessGone(send("RemoveContainer", request, options));
      logs.removed(request.containerId);
      await imageMounts?.tend();
      return answer;
    },
    StopContainer: (request, options) => {
      const timeoutMs = calls.StopContainer.timeoutMs + request.timeout * 1000;
      return unlessGone(send("StopContainer", request, { timeoutMs, ...options }));
    },

    PullImage: (request, options) =>
      send("PullImage", { ...request, ...credentialsFor(layout.credentials, request) }, options),

    /** containerd 1.6 does not know pinned images. */
    async ListImages(request, options) {
      const { images } = await send("ListImages", request, options);
      return {
        images: images.map((image) => (image.repoTags.includes(PAUSE_IMAGE) ? { ...image, pinned: true } : image)),
      };
    },
  };

  async function hasPause(): Promise<boolean> {
    const { image } = await send("ImageStatus", { image: { image: PAUSE_IMAGE } });
    return image !== undefined;
  }
}

function handlersIn(info: Readonly<Record<string, string>>): readonly RuntimeHandler[] {
  const { containerd } = JSON.parse(info["config"] ?? "{}") as { containerd?: { runtimes?: object } };
  const features = { recursiveReadOnlyMounts: false, userNamespaces: false };
  return ["", ...Object.keys(containerd?.runtimes ?? {})].map((name) => ({ name, features }));
}

/** Stopping and removing what is gone succeeds; containerd's releases differ in that. */
async function unlessGone(sent: Promise<Empty>): Promise<Empty> {
  try {
    return await sent;
  } catch (error) {
    if (isCriError(error, "NotFound")) return {};
    throw error;
  }
}

/** A shim that ends while containerd still speaks to it fails a call that succeeds when it is asked again. */
async function onceMore<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof CriError) || !error.message.includes("ttrpc: closed")) throw error;
    return ask();
  }
}

/** How the container's own process was started: exec'd ones get the same user, capabilities and environment. */
async function processOf(send: Send, containerId: string): Promise<OciProcess> {
  const { status, info } = await send("ContainerStatus", { containerId, verbose: true });
  if (status.state !== "CONTAINER_RUNNING") {
    throw new CriError("Unknown", `failed to exec in container: container is in ${status.state} state`);
  }
  const parsed = JSON.parse(info["info"] ?? "{}") as { runtimeSpec?: { process?: OciProcess } };
  return parsed.runtimeSpec?.process ?? {};
}

const asked = (send: Send): Pick<Runtime, "imageStatus" | "listContainers"> => ({
  imageStatus: (request) => send("ImageStatus", request),
  listContainers: (request) => send("ListContainers", request),
});

async function listAll(send: Send) {
  const [{ items }, { containers }] = await Promise.all([send("ListPodSandbox", {}), send("ListContainers", {})]);
  return { sandboxes: items, containers };
}

async function* hints(channel: GrpcChannel, signal: AbortSignal): AsyncGenerator<Hint | undefined> {
  const filters = Object.keys(topics).map((topic) => `namespace==${NAMESPACE},topic=="${topic}"`);
  const events = channel.stream(subscribeMethod(), { filters }, signal);
  yield undefined;
  for await (const hint of events) if (hint) yield hint;
}
