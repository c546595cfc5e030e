/**
 * Running: a program that goes on (follow, watch, attach, port-forward), to talk with while it runs.
 *
 * It is killed when its block is left, so that a test that fails leaves no process behind:
 * `await using session = startKubectl(…)`. What ends by itself belongs to Cluster.kubectl.
 */
import { spawn } from "node:child_process";
import { systemClock } from "../../machinery/process/clock.ts";
import { type Cluster, eventually, type Ran } from "./cluster.ts";
import type { Kubectl } from "./kubectls.ts";

export interface Running extends AsyncDisposable {
  readonly stdout: string;
  readonly stderr: string;
  write(text: string): void;
  /** Ends its standard input. */
  end(): void;
  signal(signal: NodeJS.Signals): void;
  /** Waits until it has printed this. */
  until(text: string | RegExp, ms?: number): Promise<void>;
  /** Waits for its end; fails, with what it had printed, when it does not come. */
  ended(ms?: number): Promise<Ran>;
}

/** stdin stays open until `end()`. */
export function startKubectl({ env, enter }: Cluster, which: Kubectl, args: readonly string[]): Running {
  return start([...enter, ...which.command, ...args], env);
}

/** The same under a terminal of its own. */
export function startOnTerminal({ env, enter }: Cluster, which: Kubectl, args: readonly string[]): Running {
  const line = [...enter, ...which.command, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  return start(["script", "--quiet", "--return", "--command", line, "/dev/null"], env);
}

export function start(command: readonly string[], env: NodeJS.ProcessEnv): Running {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  let code: number | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => undefined); // it ended without reading what it was given
  const closed = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      code = status ?? 128 + (signal === "SIGKILL" ? 9 : 15);
      resolve();
    });
  });
  const printed = () => `${command.join(" ")}\nstdout: ${stdout}\nstderr: ${stderr}`;
  return {
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    write: (text) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    signal: (signal) => void child.kill(signal),
    async until(text, ms = 30_000) {
      const found = () => (typeof text === "string" ? stdout.includes(text) : text.test(stdout));
      await eventually(
        `output of ${text}`,
        async () => {
          if (!found()) throw new Error(printed());
        },
        ms,
      );
    },
    async ended(ms = 30_000) {
      await Promise.race([closed, systemClock.sleep(ms)]);
      if (code === undefined) throw new Error(`still running after ${ms / 1000} s: ${printed()}`);
      return { code, stdout, stderr };
    },
    async [Symbol.asyncDispose]() {
      if (code === undefined) child.kill("SIGKILL");
      await closed;
    },
  };
}
