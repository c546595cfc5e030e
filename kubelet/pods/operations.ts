/**
 * Operations: carries the actions of plans out, one at a time per container, without waiting for them.
 *
 * What is under way stands in `busy`; when one ends, for good or ill, the worker looks again. A
 * failure is remembered for the status with the time before which it is not tried again.
 * What each action does: sandbox.ts, start-container.ts, stop-container.ts.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Image } from "../cri/messages.ts";
import type { ImageVolumes } from "../volumes/mounts.ts";
import { VolumeError } from "../volumes/volume-error.ts";
import type { HostPaths } from "../volumes/volumes.ts";
import { type Backoff, nextBackoff } from "./backoff.ts";
import { StartFailure } from "./failures.ts";
import { type Action, type Ending, RESIZE, SANDBOX, type Waiting } from "./plan-draft.ts";
import { initContainers, isSidecar, type RoleContainer, regularContainers } from "./pod-spec.ts";
import type { Sizes } from "./resize-plan.ts";
import { createResizing } from "./resizing.ts";
import type { RuntimePod } from "./runtime-state.ts";
import { createSandbox, stopSandbox } from "./sandbox.ts";
import type { PodServices } from "./services.ts";
import { startContainer } from "./start-container.ts";
import { stopContainer } from "./stop-container.ts";

export interface Operations {
  readonly busy: ReadonlySet<string>;
  readonly backoffs: ReadonlyMap<string, Backoff>;
  readonly failures: ReadonlyMap<string, Waiting>;
  readonly retryAt: ReadonlyMap<string, number>;
  /** Runs that were killed to be started anew. */
  readonly replaced: ReadonlySet<string>;
  /** The resources in place; `granted` is the Pod with what it should have. */
  sizes(granted: Pod): Sizes;
  /** `pod` with what it was granted. */
  launch(pod: Pod, action: Action, runtime: RuntimePod): void;
  /** Volumes of a Pod that runs already, so that they are kept fresh. */
  prepareVolumes(pod: Pod): Promise<HostPaths>;
  /** The Pod ends: leave what only waits, hasten what stops. */
  end(ending: Ending): void;
  /** Something that the Pod refers to changed: failures may be over. */
  retryNow(): void;
}

interface Operation {
  readonly abort: AbortController;
  readonly hasten?: (seconds: number) => void;
}

const VOLUME_RETRY_MS = 500;
const VOLUME_RETRY_MAX_MS = 120_000;

export function createOperations(services: PodServices, onChange: () => void): Operations {
  const { clock, events, log } = services;
  const running = new Map<string, Operation>();
  const busy = new Set<string>();
  const backoffs = new Map<string, Backoff>();
  const failures = new Map<string, Waiting>();
  const retryAt = new Map<string, number>();
  const images = new Map<string, Promise<Image>>();
  const replaced = new Set<string>();
  const resizing = createResizing(services);
  let volumes: Promise<HostPaths> | undefined;
  let volumeRetryMs = VOLUME_RETRY_MS;

  function track(pod: Pod, name: string, operation: Operation, work: Promise<void>): void {
    running.set(name, operation);
    busy.add(name);
    const settle = () => {
      running.delete(name);
      busy.delete(name);
      onChange();
    };
    work.then(
      () => {
        failures.delete(name);
        retryAt.delete(name);
        settle();
      },
      (error: unknown) => {
        fail(pod, name, error);
        settle();
      },
    );
  }

  function fail(pod: Pod, name: string, error: unknown): void {
    const object = `pods/${pod.metadata.namespace}/${pod.metadata.name}`;
    if (error instanceof VolumeError) {
      // the status goes on saying ContainerCreating; the event says why
      retryAt.set(name, clock.now() + volumeRetryMs);
      return;
    }
    const failure = error instanceof StartFailure ? error : undefined;
    if (failure) failures.set(name, { reason: failure.reason, message: failure.message });
    retryAt.set(name, clock.now() + (failure?.retryMs ?? 1_000));
    log.info("a step of a Pod failed", {
      object,
      part: name,
      reason: failure?.reason,
      error: (error as Error).message,
    });
  }

  function prepareVolumes(pod: Pod): Promise<HostPaths> {
    volumes ??= services.volumes.prepare(pod).then(
      (prepared) => {
        volumeRetryMs = VOLUME_RETRY_MS;
        return prepared;
      },
      (error: unknown) => {
        volumes = undefined;
        volumeRetryMs = Math.min(volumeRetryMs * 2, VOLUME_RETRY_MAX_MS);
        const { volume, message } = error as VolumeError;
        events.warning(pod, "FailedMount", `MountVolume.SetUp failed for volume "${volume}" : ${message}`);
        throw error;
      },
    );
    volumes.catch(() => undefined); // told to whoever waits for it
    return volumes;
  }

  function image(pod: Pod, entry: RoleContainer): Promise<Image> {
    const { name } = entry.container;
    const found = images.get(name) ?? services.images.ensure(pod, entry);
    images.set(name, found);
    found.catch(() => undefined);
    return found;
  }

  /** Volume ► image. */
  async function imageVolumes(pod: Pod, mounted: readonly { readonly name: string }[]): Promise<ImageVolumes> {
    const wanted = (pod.spec?.volumes ?? []).filter((volume) => mounted.some(({ name }) => name === volume.name));
    const entries = wanted.map(async ({ name, image: source }) =>
      source ? ([[name, (await services.images.ensureVolume(pod, source)).id]] as const) : [],
    );
    return new Map((await Promise.all(entries)).flat());
  }

  /** While the sandbox is made, what the first containers need is fetched. */
  function prefetch(pod: Pod): void {
    prepareVolumes(pod);
    const [first] = initContainers(pod);
    if (first) image(pod, { container: first, role: isSidecar(first) ? "sidecar" : "init" });
    else for (const container of regularContainers(pod)) image(pod, { container, role: "regular" });
  }

  function start(pod: Pod, action: Extract<Action, { kind: "start" }>, runtime: RuntimePod): void {
    const { name } = action.container;
    const [sandbox] = runtime.sandboxes;
    if (!sandbox) return;
    if (action.after?.state === "exited") {
      backoffs.set(name, nextBackoff(backoffs.get(name), action.after.finishedAt, clock.now()));
    }
    if (action.after) replaced.delete(action.after.id);
    resizing.started(name, action.attempt, action.container.resources ?? {});
    const abort = new AbortController();
    const input = { pod, action, sandbox, runtime, signal: abort.signal };
    const work = startContainer(
      {
        ...input,
        image: () => image(pod, action),
        volumes: () => prepareVolumes(pod),
        imageVolumes: () => imageVolumes(pod, action.container.volumeMounts ?? []),
      },
      services,
    ).finally(() => images.delete(name));
    track(pod, name, { abort }, work);
  }

  return {
    busy,
    backoffs,
    failures,
    retryAt,
    replaced,
    sizes: resizing.sizes,
    prepareVolumes,
    launch(pod, action, runtime) {
      if (action.kind === "create-sandbox") {
        prefetch(pod);
        resizing.made(pod);
        track(pod, SANDBOX, { abort: new AbortController() }, createSandbox(pod, action.attempt, services));
      } else if (action.kind === "stop-sandbox") {
        track(pod, SANDBOX, { abort: new AbortController() }, stopSandbox(pod, action.id, services));
      } else if (action.kind === "resize") {
        track(pod, RESIZE, { abort: new AbortController() }, resizing.carryOut(pod, action.resize));
      } else if (action.kind === "start") {
        start(pod, action, runtime);
      } else {
        if (action.cause === "changed" || action.cause === "resize") replaced.add(action.record.id);
        const sandbox = runtime.sandboxes.find(({ id }) => id === action.record.sandboxId);
        const stopping = stopContainer(pod, action, sandbox, services);
        track(pod, action.record.name, { abort: new AbortController(), hasten: stopping.hasten }, stopping.done);
      }
    },
    end({ graceSeconds }) {
      retryAt.clear();
      for (const { abort, hasten } of running.values()) {
        abort.abort();
        hasten?.(graceSeconds);
      }
    },
    retryNow: () => retryAt.clear(),
  };
}
