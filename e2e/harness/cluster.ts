/**
 * Cluster: a whole k8ts of a test's own, started by the commands that a user has.
 *
 * Its home is a temporary directory; `down` takes everything away. One real cluster at a time on this
 * computer itself (the bridge and the nftables tables have fixed names), any number on machines (machines.ts).
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../machinery/process/clock.ts";
import { type HomePaths, homePaths } from "../../machinery/process/home.ts";
import type { Kubectl } from "./kubectls.ts";
import type { Machine } from "./machines.ts";

const program = join(import.meta.dirname, "..", "..", "k8ts");

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cluster {
  readonly paths: HomePaths;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** What a command begins with that shall run where the cluster's server does; empty for this computer. */
  readonly enter: readonly string[];
  /** `k8ts …`; rejects when it fails. */
  k8ts(...args: string[]): Promise<string>;
  /** Runs kubectl and gives what it printed; rejects when it fails. */
  kubectl(which: Kubectl, args: readonly string[], input?: string): Promise<string>;
  /** The same, whatever its exit code. */
  tryKubectl(which: Kubectl, args: readonly string[], input?: string): Promise<Ran>;
  /** Pid of a process of the cluster, by the supervisor's record. */
  pidOf(process: string): number;
  /** kill -9. */
  kill(process: string): void;
  down(): Promise<void>;
}

/** Where a cluster is started. */
type Place = Pick<Machine, "paths" | "env" | "enter">;

/** Runs `k8ts up` with these flags. */
export async function startCluster(...flags: string[]): Promise<Cluster> {
  const home = mkdtempSync(join(tmpdir(), "k8ts-"));
  const paths = homePaths(home);
  const env = { ...process.env, K8TS_HOME: home, KUBECONFIG: paths.adminKubeconfig, HOME: home };
  return up({ paths, env, enter: [] }, await freePort(), flags);
}

/** The same on a machine. */
export function startClusterOn(machine: Machine, ...flags: string[]): Promise<Cluster> {
  return up(machine, 6443, flags);
}

async function up(place: Place, port: number, flags: readonly string[]): Promise<Cluster> {
  const cluster = clusterOf(place, port);
  try {
    await cluster.k8ts("up", "--port", String(port), "--no-sample", ...flags);
  } catch (error) {
    await cluster.k8ts("down", "--purge").catch(() => undefined); // nothing may be there yet
    rmSync(place.paths.root, { recursive: true, force: true });
    throw error;
  }
  return cluster;
}

/** The cluster whose server runs on a machine, however it was started. */
export function clusterOf(place: Place, port = 6443): Cluster {
  const { paths, env } = place;
  const attempt = (command: readonly string[], input?: string): Promise<Ran> => {
    const [file = "", ...args] = [...place.enter, ...command];
    return new Promise((resolve, reject) => {
      const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
      let [stdout, stderr] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
      child.stdin.on("error", () => undefined); // it ended without reading what it was given
      child.stdin.end(input ?? "");
    });
  };
  const succeed = (what: string, { code, stdout, stderr }: Ran) => {
    if (code !== 0) throw new Error(`${what}: exit code ${code}\n${stdout}\n${stderr}`);
    return stdout;
  };
  const k8ts = async (...args: string[]) => succeed(`k8ts ${args.join(" ")}`, await attempt([program, ...args]));
  const tryKubectl: Cluster["tryKubectl"] = (which, args, input) => attempt([...which.command, ...args], input);
  const pidOf = (name: string) =>
    (JSON.parse(readFileSync(join(paths.run, `${name}.pid`), "utf8")) as { pid: number }).pid;
  return {
    paths,
    port,
    env,
    get enter() {
      return place.enter;
    },
    k8ts,
    tryKubectl,
    async kubectl(which, args, input) {
      return succeed(`kubectl ${which.version} ${args.join(" ")}`, await tryKubectl(which, args, input));
    },
    pidOf,
    kill(name) {
      const [file = "", ...args] = [...place.enter, "kill", "-9", String(pidOf(name))];
      execFileSync(file, args);
    },
    async down() {
      await k8ts("down", "--purge");
    },
  };
}

/** Asks again until it answers something, or fails with what was wrong last. */
export async function eventually<T>(what: string, probe: () => Promise<T>, ms = 60_000): Promise<T> {
  const until = systemClock.monotonic() + ms;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.3, LAST_PAUSE_MS)) {
    try {
      return await probe();
    } catch (error) {
      if (systemClock.monotonic() > until) throw new Error(`${what}: not within ${ms / 1000} s`, { cause: error });
      await systemClock.sleep(pause);
    }
  }
}

/** A probe is often a process: asked without rest, it takes the time that what it waits for needs. */
const [FIRST_PAUSE_MS, LAST_PAUSE_MS] = [100, 500];

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

export const canRunContainers = process.platform === "linux" && process.getuid?.() === 0;
