/**
 * World: the sandboxes and containers of a simulated runtime, and what happens to them over time.
 *
 * Every change of state is made here, once, and told to the listeners. The calls of the runtime
 * interface stand in pods.ts, containers.ts and streams.ts and change nothing themselves.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import { CriError } from "../../cri/errors.ts";
import type { EventQueue } from "../../cri/event-queue.ts";
import { type ContainerEventType, msToNanos } from "../../cri/messages.ts";
import type { Addresses } from "./addresses.ts";
import { appendLog } from "./log-file.ts";
import { type SimulatedContainer, type SimulatedSandbox, sandboxStatusAnswer } from "./state.ts";

export interface WorldOptions {
  readonly clock: Clock;
  readonly addresses: Addresses;
  readonly logs: boolean;
}

/** Ended by SIGTERM, by SIGKILL. */
export const TERMINATED = 143;
export const KILLED = 137;

export type World = ReturnType<typeof createWorld>;

export function createWorld({ clock, addresses, logs }: WorldOptions) {
  const sandboxes = new Map<string, SimulatedSandbox>();
  const containers = new Map<string, SimulatedContainer>();
  const listeners = new Set<EventQueue>();
  return {
    sandboxes: sandboxes as ReadonlyMap<string, SimulatedSandbox>,
    containers: containers as ReadonlyMap<string, SimulatedContainer>,
    listeners,
    addSandbox,
    addContainer,
    start,
    end,
    remove,
    stopSandbox,
    removeSandbox,
    sandboxOf,
    containerOf,
    running,
    /** Nothing happens by itself any more. */
    freeze() {
      for (const container of containers.values()) quiet(container);
    },
    newId: () => Buffer.from(clock.bytes(32)).toString("hex"),
  };

  function addSandbox(sandbox: SimulatedSandbox): void {
    sandboxes.set(sandbox.id, sandbox);
    tell(sandbox, sandbox.id, "CONTAINER_CREATED_EVENT");
    tell(sandbox, sandbox.id, "CONTAINER_STARTED_EVENT");
  }

  function addContainer(container: SimulatedContainer): void {
    containers.set(container.id, container);
    container.sandbox.containers.add(container);
    tell(container.sandbox, container.id, "CONTAINER_CREATED_EVENT");
  }

  function start(container: SimulatedContainer): void {
    const { runMs, logEveryMs } = container.behaviour;
    container.state = "CONTAINER_RUNNING";
    container.startedAt = clock.now();
    write(
      container,
      `simulated container ${container.config.metadata.name} of ${container.config.image.image} started`,
    );
    tell(container.sandbox, container.id, "CONTAINER_STARTED_EVENT");
    if (Number.isFinite(runMs)) later(container, runMs, () => endByItself(container));
    if (Number.isFinite(logEveryMs)) keepWriting(container, Math.max(logEveryMs, 1), 1);
  }

  function endByItself(container: SimulatedContainer): void {
    const { exitCode, oomKilled } = container.behaviour;
    if (oomKilled) end(container, KILLED, "OOMKilled");
    else end(container, exitCode, exitCode === 0 ? "Completed" : "Error");
  }

  function keepWriting(container: SimulatedContainer, everyMs: number, line: number): void {
    later(container, everyMs, () => {
      write(container, `line ${line}`);
      keepWriting(container, everyMs, line + 1);
    });
  }

  function later(container: SimulatedContainer, ms: number, run: () => void): void {
    const timer = clock.after(
      ms,
      () => {
        container.timers.delete(timer);
        run();
      },
      { background: true },
    );
    container.timers.add(timer);
  }

  function end(container: SimulatedContainer, exitCode: number, reason: string): void {
    if (container.state !== "CONTAINER_RUNNING") return;
    quiet(container);
    Object.assign(container, { state: "CONTAINER_EXITED", finishedAt: clock.now(), exitCode, reason });
    write(container, `simulated container ended with exit code ${exitCode}`);
    tell(container.sandbox, container.id, "CONTAINER_STOPPED_EVENT");
  }

  function quiet({ timers }: SimulatedContainer): void {
    for (const timer of timers) timer.cancel();
    timers.clear();
  }

  function stopSandbox(sandbox: SimulatedSandbox): void {
    for (const container of sandbox.containers) end(container, KILLED, "Error");
    if (!sandbox.ready) return;
    sandbox.ready = false;
    addresses.giveBack(sandbox.ip);
    tell(sandbox, sandbox.id, "CONTAINER_STOPPED_EVENT");
  }

  function removeSandbox(sandbox: SimulatedSandbox): void {
    stopSandbox(sandbox);
    for (const container of sandbox.containers) remove(container);
    sandboxes.delete(sandbox.id);
    tell(sandbox, sandbox.id, "CONTAINER_DELETED_EVENT");
  }

  function remove(container: SimulatedContainer): void {
    end(container, KILLED, "Error");
    quiet(container);
    containers.delete(container.id);
    container.sandbox.containers.delete(container);
    tell(container.sandbox, container.id, "CONTAINER_DELETED_EVENT");
  }

  function tell(sandbox: SimulatedSandbox, containerId: string, containerEventType: ContainerEventType): void {
    if (listeners.size === 0) return;
    const createdAt = msToNanos(clock.now());
    const podSandboxStatus = sandboxStatusAnswer(sandbox);
    for (const queue of listeners)
      queue.put({ containerId, containerEventType, createdAt, podSandboxStatus, containersStatuses: [] });
  }

  function write(container: SimulatedContainer, text: string): void {
    if (logs) appendLog(container.logPath, clock.now(), text);
  }

  function sandboxOf(id: string): SimulatedSandbox {
    return sandboxes.get(id) ?? missing("sandbox", id);
  }

  function containerOf(id: string): SimulatedContainer {
    return containers.get(id) ?? missing("container", id);
  }

  function running(id: string): SimulatedContainer {
    const container = containerOf(id);
    if (container.state !== "CONTAINER_RUNNING")
      throw new CriError("FailedPrecondition", `container "${id}" is in ${container.state} state`);
    return container;
  }
}

function missing(kind: string, id: string): never {
  throw new CriError("NotFound", `${kind} "${id}": not found`);
}
