/**
 * Served store: an embedded store in a process of its own, so that a test can kill that process and not itself.
 *
 * `startServedStore` is the parent's end: a store whose calls fail with `unavailable` while the process is dead.
 * As a program this file is the child's end: its one argument is the directory.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { type Store, type StoreBatch, StoreError, type StoreErrorCode } from "../contract.ts";
import { openLmdbStore } from "../lmdb/lmdb-store.ts";

export interface ServedStore {
  readonly store: Store;
  /** kill -9, wherever it is. */
  kill(): Promise<void>;
  /** The same directory again. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Method = "get" | "list" | "commit" | "history" | "revision" | "compact";

type Ask =
  | { readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
  | { readonly id: number; readonly method: "watch"; readonly prefix: string; readonly after: number }
  | { readonly id: number; readonly method: "unwatch" };

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly batch: StoreBatch }
  | { readonly id: number; readonly problem: string; readonly code: StoreErrorCode };

const gone = () => new StoreError("unavailable", "the process of the store is gone");

export async function startServedStore(directory: string): Promise<ServedStore> {
  const waiting = new Map<number, (answer: Answer) => void>();
  let child: ChildProcess | undefined;
  let calls = 0;

  const start = async () => {
    const process = fork(import.meta.filename, [directory], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      serialization: "advanced",
    });
    process.on("message", (answer: Answer) => waiting.get(answer.id)?.(answer));
    process.on("exit", () => {
      for (const [id, settle] of waiting) settle({ id, problem: "gone", code: "unavailable" });
    });
    await once(process, "message"); // it is open
    child = process;
  };
  const send = (ask: Ask): void => {
    if (!child?.connected) throw gone();
    child.send(ask, () => undefined);
  };
  const call = <T>(method: Method, args: readonly unknown[]): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, (answer) => {
        waiting.delete(id);
        if ("problem" in answer) reject(new StoreError(answer.code, answer.problem));
        else resolve((answer as { value: T }).value);
      });
      send({ id, method, args });
    });

  async function* watch({ prefix, after, signal }: Parameters<Store["watch"]>[0]): AsyncGenerator<StoreBatch> {
    const id = ++calls;
    const arrived: Answer[] = [];
    let wake: () => void = () => {};
    waiting.set(id, (answer) => {
      arrived.push(answer);
      wake();
    });
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      send({ id, method: "watch", prefix, after });
      while (!signal.aborted) {
        const answer = arrived.shift();
        if (!answer) await new Promise<void>((resolve) => (wake = resolve));
        else if ("problem" in answer) throw new StoreError(answer.code, answer.problem);
        else yield (answer as { batch: StoreBatch }).batch;
      }
    } finally {
      waiting.delete(id);
      if (child?.connected) send({ id, method: "unwatch" });
    }
  }

  const kill = async () => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    const exited = once(dying, "exit");
    dying.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    kill,
    start,
    stop: kill,
    store: {
      get: (key) => call("get", [key]),
      list: (request) => call("list", [request]),
      commit: (...args) => call("commit", args),
      watch,
      history: (key) => call("history", [key]),
      revision: () => call("revision", []),
      compact: (revision) => call("compact", [revision]),
      close: kill,
    },
  };
}

/** The child's end. It ends with its parent. */
async function serve(directory: string): Promise<void> {
  const store = await openLmdbStore({ directory, clock: systemClock, log: silent });
  const watches = new Map<number, AbortController>();
  const say = (answer: Answer) => process.send?.(answer);
  const fail = (id: number, error: unknown) => {
    const { code = "unavailable", message } = error as StoreError;
    say({ id, problem: message, code });
  };
  const watch = async (id: number, prefix: string, after: number) => {
    const stop = new AbortController();
    watches.set(id, stop);
    for await (const batch of store.watch({ prefix, after, signal: stop.signal })) say({ id, batch });
  };
  process.on("message", (ask: Ask) => {
    const { id } = ask;
    if (ask.method === "unwatch") return watches.get(id)?.abort();
    if (ask.method === "watch") return void watch(id, ask.prefix, ask.after).catch((error) => fail(id, error));
    const run = store[ask.method] as (...args: readonly unknown[]) => Promise<unknown>;
    run(...ask.args).then(
      (value) => say({ id, value }),
      (error) => fail(id, error),
    );
  });
  process.on("disconnect", () => process.kill(process.pid));
  say({ id: 0, value: "open" });
}

if (process.argv[1] === import.meta.filename) await serve(process.argv[2] ?? "");
