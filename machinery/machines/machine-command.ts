/**
 * machine: runs a command on a machine of its own, made of namespaces, that ends with it. The command behind `k8ts machine`.
 *
 * So a second cluster, or a test on real containers, runs beside others. It reaches nothing outside: the machine is alone.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOOTED, bootCommand, boundTo, entering } from "./boot.ts";

const USAGE = `Usage: k8ts machine COMMAND [ARGUMENT…]

Runs a command on a machine of its own: network, processes, mounts and host name are the machine's, files are shared.
Everything that it started is gone when it ends.
`;

/** Resolves with the command's exit code. */
export async function machineCommand(argv: readonly string[]): Promise<number> {
  if (argv.length === 0 || argv[0] === "--help") {
    process.stderr.write(USAGE);
    return argv.length === 0 ? 2 : 0;
  }
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    process.stderr.write("k8ts: a machine of namespaces needs root on Linux\n");
    return 1;
  }
  const directory = mkdtempSync(join(tmpdir(), "k8ts-machine-"));
  const alone = { name: "machine", directory, address: "10.99.0.11/24", gateway: "10.99.0.1" };
  try {
    const holder = started(boundTo(bootCommand(alone)), ["ignore", "pipe", "inherit"]);
    await new Promise<void>((resolve, reject) => {
      holder.stdout?.on("data", (text) => String(text).includes(BOOTED) && resolve());
      holder.once("exit", (code) => reject(new Error(`the machine did not boot (exit code ${code})`)));
    });
    const inDirectory = ["sh", "-c", 'cd "$0" && exec "$@"', process.cwd(), ...argv];
    const command = started([...entering(holder.pid as number), ...boundTo(inDirectory)], "inherit");
    const code = await ended(command);
    holder.kill("SIGKILL");
    await ended(holder);
    return code;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function started([file = "", ...args]: readonly string[], stdio: "inherit" | ("ignore" | "pipe" | "inherit")[]) {
  return spawn(file, args, { stdio });
}

function ended(child: ReturnType<typeof started>): Promise<number> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}
