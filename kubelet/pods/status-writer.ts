/**
 * Status writer: brings each Pod's status to the API, the latest only, retried until it is there.
 *
 * Never in the way of starting containers: setting a status returns at once, one write a Pod is
 * under way, and what changes meanwhile goes with the next. What others overwrote is written again, but for an end:
 * a Pod that others have ended stays so, and its worker, who hears of it too, will say what became of its containers.
 * A Pod that is gone, or another one under its name, ends the writing.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import { ApiError, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { statusPatch } from "./status-patch.ts";

export interface StatusWriter {
  /** The status that this Pod should have; `pod` as it was last seen. */
  set(pod: Pod, status: PodStatus): void;
  /** The status set last, by this process. */
  current(uid: string): PodStatus | undefined;
  /** The API shows the Pod like this now. */
  seen(pod: Pod): void;
  /** Resolves when what was set is written; at once when the Pod is gone. */
  written(uid: string): Promise<void>;
  forget(uid: string): void;
}

export interface StatusWriterContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface Entry {
  pod: Pod;
  wanted: PodStatus;
  /** The status as the server has it, and at which revision. */
  base: PodStatus;
  revision: number;
  writing: Promise<void> | undefined;
}

const RETRY_MS = 500;
const RETRY_MAX_MS = 30_000;

export function createStatusWriter({ client, clock, log, signal }: StatusWriterContext): StatusWriter {
  const entries = new Map<string, Entry>();

  function kick(uid: string, entry: Entry): void {
    if (entry.writing || signal.aborted || !due(entry)) return;
    entry.writing = write(uid, entry).finally(() => {
      entry.writing = undefined;
      if (entries.get(uid) === entry) kick(uid, entry);
    });
  }

  async function write(uid: string, entry: Entry): Promise<void> {
    for (
      let delay = RETRY_MS;
      !signal.aborted && entries.get(uid) === entry;
      delay = Math.min(delay * 2, RETRY_MAX_MS)
    ) {
      const patch = due(entry);
      if (!patch) return;
      const { namespace, name, resourceVersion } = entry.pod.metadata;
      try {
        const body = { metadata: { uid }, status: patch };
        const answer = await client
          .because({ revision: resourceVersion, controller: "kubelet" })
          .patch("pods", { namespace, name }, body, { type: "strategic", subresource: "status" });
        adopt(entry, answer);
        return;
      } catch (error) {
        if (isNotFound(error) || isConflict(error)) {
          // deleted, or another Pod by this name: the informer will tell
          entries.delete(uid);
          return;
        }
        const refused = error instanceof ApiError && !error.retryable;
        log.warn("a Pod's status could not be written", { object: `pods/${namespace}/${name}`, error, refused });
        await clock.sleep(refused ? RETRY_MAX_MS : delay, signal).catch(() => undefined);
      }
    }
  }

  function adopt(entry: Entry, pod: Pod): void {
    const revision = Number(pod.metadata.resourceVersion);
    if (revision < entry.revision) return;
    entry.pod = pod;
    entry.base = pod.status ?? {};
    entry.revision = revision;
  }

  return {
    set(pod, status) {
      const { uid } = pod.metadata;
      const found = entries.get(uid);
      const entry: Entry = found ?? {
        pod,
        wanted: status,
        base: pod.status ?? {},
        revision: Number(pod.metadata.resourceVersion),
        writing: undefined,
      };
      entry.wanted = status;
      entries.set(uid, entry);
      adopt(entry, pod);
      kick(uid, entry);
    },
    current: (uid) => entries.get(uid)?.wanted,
    seen(pod) {
      const entry = entries.get(pod.metadata.uid);
      if (!entry) return;
      adopt(entry, pod);
      kick(pod.metadata.uid, entry);
    },
    async written(uid) {
      for (let entry = entries.get(uid); entry?.writing; entry = entries.get(uid)) await entry.writing;
    },
    forget: (uid) => void entries.delete(uid),
  };
}

function due({ base, wanted }: Entry): ReturnType<typeof statusPatch> {
  return isEnd(base) && !isEnd(wanted) ? undefined : statusPatch(base, wanted);
}

const isEnd = ({ phase }: PodStatus): boolean => phase === "Failed" || phase === "Succeeded";
