/**
 * Source: the files of the static Pods, read again whenever something changes there.
 *
 * A file that cannot be read as a Pod counts as it was when it last could: half a write must not stop what runs. Only
 * a file that is gone takes its Pod along. Names that begin with a dot are nobody's. Without news from the file system
 * everything is looked at every now and then.
 */
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { podFromManifest } from "./manifest.ts";

export interface SourceContext {
  /** A directory of files, or one file. */
  readonly path: string;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly lookMs: number;
}

export interface Source {
  /** What the files say now. Rejects where they cannot be read at all. */
  read(): Promise<readonly Pod[]>;
  /** Whether it is known which Pods there are: it was read once. */
  isComplete(): boolean;
  /** Tells the Pods at once, and whenever they changed, until the signal aborts. */
  follow(tell: (pods: readonly Pod[]) => void): Promise<void>;
}

interface Known {
  readonly text: string;
  /** Undefined where the file never was a Pod. */
  readonly pod: Pod | undefined;
}

/** For a node without static Pods. */
export const noSource: Source = { read: async () => [], isComplete: () => true, follow: async (tell) => tell([]) };

/** A file that is being written changes many times. */
const SETTLE_MS = 100;

export function createSource({ path, nodeName, clock, log, signal, lookMs }: SourceContext): Source {
  let known: ReadonlyMap<string, Known> = new Map();
  let isComplete = false;

  function parsed(file: string, text: string): Known {
    const before = known.get(file);
    if (before?.text === text) return before;
    try {
      const pod = podFromManifest(text, { nodeName, seenAt: wireTime(clock.now()) });
      return { text, pod: before?.pod?.metadata.uid === pod.metadata.uid ? before.pod : pod };
    } catch (error) {
      log.warn("a file of static Pods cannot be used", { file, error: (error as Error).message });
      return { text, pod: before?.pod };
    }
  }

  async function read(): Promise<readonly Pod[]> {
    const next = new Map<string, Known>();
    for (const file of await filesOf(path)) {
      const text = await textOf(file);
      if (text !== undefined) next.set(file, parsed(file, text));
    }
    known = next;
    isComplete = true;
    const pods = new Map<string, Pod>();
    for (const [file, { pod }] of next) {
      if (!pod) continue;
      const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
      if (pods.has(key))
        log.warn("two files hold a static Pod of the same name: the second is left", { file, pod: key });
      else pods.set(key, pod);
    }
    return [...pods.values()];
  }

  async function textOf(file: string): Promise<string | undefined> {
    try {
      const { size } = await stat(file);
      if (size > limits.staticPodBytes) throw new Error(`the file is larger than ${limits.staticPodBytes} bytes`);
      return await readFile(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      log.warn("a file of static Pods cannot be read", { file, error: (error as Error).message });
      return known.get(file)?.text;
    }
  }

  return {
    read,
    isComplete: () => isComplete,
    async follow(tell) {
      const news = watchPath(path, clock, signal);
      try {
        while (!signal.aborted) {
          try {
            tell(await read());
          } catch (error) {
            log.warn("the files of static Pods cannot be listed", { path, error: (error as Error).message });
          }
          await news.wait(lookMs);
        }
      } finally {
        news.close();
      }
    },
  };
}

/** Sorted, so that the same one wins each time; nothing where the path does not exist. */
async function filesOf(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!found) return [];
  if (found.isFile()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  return entries
    .filter((entry) => !entry.name.startsWith(".") && !entry.isDirectory())
    .map((entry) => join(path, entry.name))
    .sort();
}

/** Wakes soon after the file system told of a change. */
function watchPath(path: string, clock: Clock, signal: AbortSignal) {
  let wake: () => void = () => undefined;
  let pending = false;
  let watcher: FSWatcher | undefined;
  let watched: number | undefined;
  const changed = () => {
    pending = true;
    wake();
  };

  async function begin(): Promise<void> {
    const found = await stat(path).catch(() => undefined);
    if (watcher && found?.ino === watched) return;
    watcher?.close();
    watcher = undefined;
    if (!found) return;
    watched = found.ino;
    const own = found.isDirectory() ? undefined : basename(path);
    try {
      watcher = watch(found.isDirectory() ? path : dirname(path), { persistent: false }, (_event, name) => {
        if (own === undefined || name === null || name === own) changed();
      });
      const ended = () => {
        watcher?.close();
        watcher = undefined;
      };
      watcher.on("error", ended);
    } catch {
      watcher = undefined; // too many watches on this host: the clock alone must do
    }
  }

  return {
    async wait(ms: number): Promise<void> {
      await begin();
      if (!pending) {
        const woken = new AbortController();
        wake = () => woken.abort();
        await clock.sleep(ms, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
      }
      if (pending) await clock.sleep(SETTLE_MS, signal).catch(() => undefined);
      pending = false;
    },
    close: () => watcher?.close(),
  };
}
