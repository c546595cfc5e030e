/**
 * Child: a process of the benchmark that answers commands, so that load and server do not share a thread.
 *
 * One side calls `startChild`, the file that it names calls `answerCommands`. A child ends with its parent.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { countBuffersWithHeap } from "../../machinery/process/garbage-collection.ts";

export interface Child {
  readonly pid: number;
  call<T>(command: string, argument?: unknown): Promise<T>;
  stop(): Promise<void>;
}

interface Call {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly problem: string };

/** `within`: a command that runs the process somewhere, such as unshare --net, and becomes it. */
export function startChild(file: string, within: readonly string[] = []): Child {
  // as `k8ts` and the supervisor start it
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", "--max-semi-space-size=16"];
  const [execPath, ...execArgv] = [...within, ...node];
  const child = fork(file, { ...(execPath && { execPath }), execArgv, serialization: "advanced" });
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let calls = 0;
  child.on("message", (answer: Answer) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("problem" in answer) call?.reject(new Error(answer.problem));
    else call?.resolve(answer.value as never);
  });
  child.on("exit", (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${code}`));
    waiting.clear();
  });
  return {
    pid: child.pid as number,
    call: <T>(command: string, argument?: unknown) =>
      new Promise<T>((resolve, reject) => {
        calls++;
        waiting.set(calls, { resolve: resolve as (value: never) => void, reject });
        child.send({ id: calls, command, argument } satisfies Call);
      }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}

export type Commands = Readonly<Record<string, (argument: never) => unknown>>;

/** `end` is called when the parent is gone or wants no more. */
export function answerCommands(commands: Commands, end: () => Promise<void>): void {
  countBuffersWithHeap(); // as components do
  process.on("message", async ({ id, command, argument }: Call) => {
    try {
      const run = commands[command];
      if (!run) throw new Error(`no command ${command}`);
      process.send?.({ id, value: await run(argument as never) } satisfies Answer);
    } catch (error) {
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.send?.({ id, problem } satisfies Answer);
    }
  });
  process.on("disconnect", async () => {
    await end();
    process.exit(0);
  });
}
