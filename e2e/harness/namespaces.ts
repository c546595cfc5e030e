/**
 * Namespaces: networks of the test's own, made of network namespaces and links between them, without containers.
 *
 * Programs run in one by nsenter: nothing of the machine's own network is touched or seen. Every test makes its own
 * and disposes of them; what a killed run leaves is named after its process, and is swept by the next one.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";

const PREFIX = "k8ts-test";

export interface Namespace {
  readonly name: string;
  readonly path: string;
  /** What the program prints. */
  run(program: string, ...args: string[]): string;
  /** Lines for a shell. */
  sh(script: string): string;
  /** A program that goes on until `dispose`. */
  start(program: string, ...args: string[]): ChildProcess;
}

export interface Namespaces {
  make(name: string): Namespace;
  /** A pair of interfaces, one in each. */
  link(one: Namespace, oneDevice: string, other: Namespace, otherDevice: string, mtu?: number): void;
  dispose(): Promise<void>;
}

/** Root, with the tools. */
export const canMakeNamespaces = ((): boolean => {
  try {
    execFileSync("unshare", ["--net", "sh", "-c", "ip link show && nft list ruleset"], { stdio: "ignore" });
    return true;
  } catch {
    return false; // no root, or a program is missing
  }
})();

export function createNamespaces(): Namespaces {
  sweep();
  const made: Namespace[] = [];
  const children: ChildProcess[] = [];
  return {
    make(short) {
      const name = `${PREFIX}-${process.pid}-${short}`;
      const path = `/run/netns/${name}`;
      if (existsSync(path)) execFileSync("ip", ["netns", "delete", name]);
      execFileSync("ip", ["netns", "add", name]);
      const enter = (program: string, args: readonly string[]) => [`--net=${path}`, program, ...args];
      const namespace: Namespace = {
        name,
        path,
        run: (program, ...args) => execFileSync("nsenter", enter(program, args), { encoding: "utf8", stdio: "pipe" }),
        sh: (script) =>
          execFileSync("nsenter", enter("sh", ["-e"]), { input: script, encoding: "utf8", stdio: "pipe" }),
        start(program, ...args) {
          const child = spawn("nsenter", enter(program, args), { stdio: ["pipe", "pipe", "inherit"] });
          children.push(child);
          return child;
        },
      };
      namespace.run("ip", "link", "set", "lo", "up");
      made.push(namespace);
      return namespace;
    },
    link(one, oneDevice, other, otherDevice, mtu = 1500) {
      const far = ["peer", "name", otherDevice, "netns", other.name, "mtu", String(mtu)];
      const type = ["type", "veth"];
      execFileSync("ip", ["link", "add", oneDevice, "netns", one.name, "mtu", String(mtu), ...type, ...far]);
      one.run("ip", "link", "set", oneDevice, "up");
      other.run("ip", "link", "set", otherDevice, "up");
    },
    async dispose() {
      for (const child of children.splice(0)) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }
      for (const { name } of made.splice(0)) execFileSync("ip", ["netns", "delete", name]);
    },
  };
}

/** Those of processes that are gone. */
function sweep(): void {
  const names = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  for (const name of names) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) execFileSync("ip", ["netns", "delete", name]);
  }
}
