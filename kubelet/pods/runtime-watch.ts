/**
 * Runtime watch: tells which Pods to look at again, as their containers change.
 *
 * Events make it quick, a relist every 10 s makes it sure: an event that was lost only costs time.
 * A restarted runtime or CRI server looks like a cut stream: subscribe again, look at every Pod.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { RuntimeService } from "../cri/contract.ts";
import type { Container, ContainerEventResponse, PodSandbox } from "../cri/messages.ts";
import { POD_UID } from "./labels.ts";

const RELIST_MS = 10_000;
const RETRY_MS = 500;

export interface RuntimeWatch {
  readonly cri: RuntimeService;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** A Pod's runtime state changed. */
  readonly onChange: (uid: string) => void;
  /** The subscription stands anew: anything may have changed. */
  readonly onAll: () => void;
  /** After each relist, whether the runtime answered. */
  readonly onHealth: (error: Error | undefined) => void;
}

/** Runs until the signal aborts. */
export async function watchRuntime(watch: RuntimeWatch): Promise<void> {
  await Promise.all([followEvents(watch), relist(watch)]);
}

async function followEvents({ cri, clock, log, signal, onChange, onAll }: RuntimeWatch): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of cri.getContainerEvents(signal)) {
        if (event) tell(event, onChange, onAll);
        else onAll();
      }
    } catch (error) {
      if (!signal.aborted) log.warn("container events were cut", { error });
    }
    await clock.sleep(RETRY_MS, signal).catch(() => undefined);
  }
}

/** What the kubelet itself made and started it knows already. */
const TELLING: ReadonlySet<string> = new Set(["CONTAINER_STOPPED_EVENT", "CONTAINER_DELETED_EVENT"]);

function tell(event: ContainerEventResponse, onChange: (uid: string) => void, onAll: () => void): void {
  if (!TELLING.has(event.containerEventType)) return;
  const uid = event.podSandboxStatus?.metadata.uid ?? event.containersStatuses[0]?.labels[POD_UID];
  if (uid) onChange(uid);
  else if (event.containerEventType !== "CONTAINER_DELETED_EVENT") onAll();
}

async function relist({ cri, clock, log, signal, onChange, onHealth }: RuntimeWatch): Promise<void> {
  let before = new Map<string, string>();
  while (!signal.aborted) {
    try {
      const [sandboxes, containers] = await Promise.all([
        cri.listPodSandbox({}, { signal }),
        cri.listContainers({}, { signal }),
      ]);
      const now = fingerprints(sandboxes.items, containers.containers);
      for (const uid of new Set([...before.keys(), ...now.keys()])) {
        if (before.get(uid) !== now.get(uid)) onChange(uid);
      }
      before = now;
      onHealth(undefined);
    } catch (error) {
      if (signal.aborted) return;
      log.warn("the runtime does not answer", { error });
      onHealth(error as Error);
    }
    await clock.sleep(RELIST_MS, signal).catch(() => undefined);
  }
}

/** Pod uid ► states of all that it has. */
function fingerprints(sandboxes: readonly PodSandbox[], containers: readonly Container[]): Map<string, string> {
  const parts = new Map<string, string[]>();
  for (const { id, state, labels } of [...sandboxes, ...containers]) {
    const uid = labels[POD_UID];
    if (uid) parts.set(uid, [...(parts.get(uid) ?? []), `${id}:${state}`]);
  }
  return new Map([...parts].map(([uid, states]) => [uid, states.sort().join()]));
}
