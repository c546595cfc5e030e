/**
 * Event hub: turns "something happened to this id" into what happened, for any number of listeners.
 *
 * A source only hints at ids; the hub reads the runtime again and compares with what it knew, so an
 * event is sent when the runtime already answers accordingly, and never twice. A full reread every
 * 10 s finds what a source missed. A listener that does not keep up is cut, never buffered without limit.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { CriError } from "../../cri/errors.ts";
import { createEventQueue, type EventQueue } from "../../cri/event-queue.ts";
import {
  type Container,
  type ContainerEventResponse,
  type ContainerEventType,
  msToNanos,
  type PodSandbox,
  type PodSandboxStatus,
} from "../../cri/messages.ts";

export type Phase = "created" | "running" | "stopped";

/** What the hub knows of a sandbox or container. */
export interface Known {
  readonly id: string;
  readonly phase: Phase;
  readonly sandboxId: string;
}

export interface HubOptions {
  readonly clock: Clock;
  readonly log: Logger;
  list(): Promise<{ readonly sandboxes: readonly PodSandbox[]; readonly containers: readonly Container[] }>;
  /** Hints, for as long as the source stands; throws when it is cut. Undefined says it stands. */
  hints(signal: AbortSignal): AsyncIterable<Hint | undefined>;
}

export interface EventHub {
  events(signal: AbortSignal): AsyncIterable<ContainerEventResponse | undefined>;
  close(): void;
}

const RELIST_MS = 10_000;
const RECONNECT_MS = 200;

/** A hint comes a moment before the runtime answers accordingly: the waits between looks for an end. */
const FOLLOW_UP_MS = [2, 10, 20, 50, 150, 400, 1000];

/** Nobody waits to hear what begins, and where a hundred Pods do, each look is at all of them: these looks are shared. */
const BEGUN_MS = 200;
const BEGUN_LOOKS = 5;

/** `id` has reached, or is about to reach, a phase. */
export interface Hint {
  readonly id: string;
  readonly phase: Phase | "gone";
}

export function createEventHub({ clock, log, list, hints }: HubOptions): EventHub {
  const stop = new AbortController();
  const listeners = new Set<EventQueue>();
  let known = new Map<string, Known>();
  let sandboxes = new Map<string, PodSandbox>();
  let reading: Promise<void> | undefined;
  let readAgain: Promise<void> | undefined;
  let soon: Promise<void> | undefined;

  const background = Promise.all([follow(), relist()]);
  background.catch((error: unknown) => log.error("container events stopped", { error }));

  return {
    async *events(signal) {
      const listener = createEventQueue();
      listeners.add(listener);
      try {
        await reread();
        listener.clear(); // what this found, the caller will list
        yield undefined;
        yield* listener.take(AbortSignal.any([signal, stop.signal]));
      } finally {
        listeners.delete(listener);
      }
    },
    close: () => stop.abort(new CriError("Unavailable", "the runtime is closed")),
  };

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        for await (const hint of hints(stop.signal)) {
          if (listeners.size === 0) continue;
          if (hint)
            followUp(hint).catch((error: unknown) => log.warn("reading containers failed", { error: reasonOf(error) }));
          else await reread();
        }
      } catch (error) {
        log.warn("containerd's events were cut", { error: reasonOf(error) });
      }
      await pause(RECONNECT_MS);
    }
  }

  async function relist(): Promise<void> {
    while (!stop.signal.aborted) {
      await pause(RELIST_MS);
      if (stop.signal.aborted) return;
      if (listeners.size === 0) continue;
      await reread().catch((error: unknown) => log.warn("listing containers failed", { error: reasonOf(error) }));
    }
  }

  /** Rereads until the runtime answers as the hint said. */
  async function followUp({ id, phase }: Hint): Promise<void> {
    const over = () => stop.signal.aborted || reached(known.get(id)?.phase, phase);
    if (phase === "created" || phase === "running") {
      for (let looks = 0; looks < BEGUN_LOOKS && !over(); looks++) await lookSoon();
      return;
    }
    for (const wait of FOLLOW_UP_MS) {
      await pause(wait);
      if (over()) return;
      await reread();
    }
  }

  function lookSoon(): Promise<void> {
    soon ??= pause(BEGUN_MS).then(() => {
      soon = undefined;
      return reread();
    });
    return soon;
  }

  /** Many hints at once share one reread, but always one that began after the hint. */
  function reread(): Promise<void> {
    if (!reading) {
      reading = read().finally(() => {
        reading = undefined;
      });
      return reading;
    }
    readAgain ??= reading
      .catch(() => undefined) // the caller of that one is told
      .then(() => {
        readAgain = undefined;
        return reread();
      });
    return readAgain;
  }

  async function read(): Promise<void> {
    const now = await list();
    const next = new Map(knownOf(now).map((entry) => [entry.id, entry]));
    const pods = new Map(now.sandboxes.map((sandbox) => [sandbox.id, sandbox]));
    for (const [entry, type] of changes(known, next))
      for (const listener of listeners)
        listener.put(eventOf(entry, type, pods.get(entry.sandboxId) ?? sandboxes.get(entry.sandboxId)));
    known = next;
    sandboxes = pods;
  }

  function eventOf(
    { id }: Known,
    containerEventType: ContainerEventType,
    pod: PodSandbox | undefined,
  ): ContainerEventResponse {
    const event = { containerId: id, containerEventType, createdAt: msToNanos(clock.now()), containersStatuses: [] };
    return pod ? { ...event, podSandboxStatus: pod satisfies PodSandboxStatus } : event;
  }

  async function pause(ms: number): Promise<void> {
    await clock.sleep(ms, stop.signal).catch(() => undefined); // closed: the loops look
  }
}

function knownOf(now: { sandboxes: readonly PodSandbox[]; containers: readonly Container[] }): readonly Known[] {
  return [
    ...now.sandboxes.map(({ id, state }) => ({
      id,
      sandboxId: id,
      phase: state === "SANDBOX_READY" ? ("running" as const) : ("stopped" as const),
    })),
    ...now.containers.map(({ id, podSandboxId, state }) => ({ id, sandboxId: podSandboxId, phase: PHASES[state] })),
  ];
}

const PHASES: Readonly<Record<Container["state"], Phase>> = {
  CONTAINER_CREATED: "created",
  CONTAINER_RUNNING: "running",
  CONTAINER_EXITED: "stopped",
  CONTAINER_UNKNOWN: "stopped",
};

const ORDER: readonly Phase[] = ["created", "running", "stopped"];

const EVENTS: Readonly<Record<Phase, ContainerEventType>> = {
  created: "CONTAINER_CREATED_EVENT",
  running: "CONTAINER_STARTED_EVENT",
  stopped: "CONTAINER_STOPPED_EVENT",
};

function reached(now: Phase | undefined, wanted: Hint["phase"]): boolean {
  if (wanted === "gone" || now === undefined) return wanted === "gone" && now === undefined;
  return ORDER.indexOf(now) >= ORDER.indexOf(wanted);
}

/** Every phase that was passed, in order: what appears running was also created, what ran and is gone has stopped. */
export function changes(
  before: ReadonlyMap<string, Known>,
  now: ReadonlyMap<string, Known>,
): readonly (readonly [Known, ContainerEventType])[] {
  const passed = [...now.values()].flatMap((entry) => {
    const from = ORDER.indexOf(before.get(entry.id)?.phase as Phase); // -1: it was not there
    return ORDER.slice(from + 1, ORDER.indexOf(entry.phase) + 1).map((phase) => [entry, EVENTS[phase]] as const);
  });
  const gone = [...before.values()].filter(({ id }) => !now.has(id));
  const ended = gone.filter(({ phase }) => phase === "running").map((entry) => [entry, EVENTS.stopped] as const);
  return [...passed, ...ended, ...gone.map((entry) => [entry, "CONTAINER_DELETED_EVENT"] as const)];
}

/** A lost connection is told by its message; where it happened in this code says nothing. */
function reasonOf(error: unknown): unknown {
  return error instanceof CriError ? `${error.code}: ${error.message}` : error;
}
