/**
 * Service: makes `k8ts server` or `k8ts agent` a service of systemd, which starts it with the machine.
 *
 * Delegate keeps the controllers that containers need switched on in every cgroup above; with KillMode=process a
 * stop or a restart of the unit reaches k8ts alone, and containers live on. The join token stands in a file that
 * root alone can read, never on a command line. `down` and `agent leave` take the service away again.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../process/clock.ts";
import { UsageError } from "../process/flags.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { readOptions } from "./supervisor.ts";

const run = promisify(execFile);

export type ServiceKind = "server" | "agent";

const KINDS: readonly ServiceKind[] = ["server", "agent"];
const UNITS = "/etc/systemd/system";
const LIMITS = "/etc/sysctl.d/90-k8ts.conf";
const unitName = (kind: ServiceKind) => `k8ts-${kind}.service`;
const unitPath = (kind: ServiceKind) => join(UNITS, unitName(kind));
const secretsPath = (kind: ServiceKind) => `/etc/k8ts/${kind}.env`;
/** Emulated machines need it long. */
const READY_MS = 900_000;
const LOOK_MS = 500;

export interface UnitOptions {
  readonly kind: ServiceKind;
  /** Path of the k8ts program. */
  readonly program: string;
  readonly args: readonly string[];
  readonly home: string;
}

export function unitText({ kind, program, args, home }: UnitOptions): string {
  const what = kind === "server" ? "a server of a k8ts cluster, and its node" : "a node of a k8ts cluster";
  return `[Unit]
Description=k8ts ${kind}: ${what}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
Environment=${quoted(`K8TS_HOME=${home}`)}
EnvironmentFile=-${secretsPath(kind)}
ExecStart=${[program, kind, ...args].map(quoted).join(" ")}
Delegate=yes
KillMode=process
TimeoutStopSec=150
Restart=always
RestartSec=3
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

/** systemd's own quoting: % and $ are its variables. */
function quoted(word: string): string {
  const text = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w./:=,@+-]+$/.test(word) ? word : `"${text}"`;
}

/** What programs that watch files need with many Pods: see check/machine-rules.ts. */
const LIMITS_TEXT = "fs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 524288\n";

/** The arguments without what the unit does not need, and the token by itself. */
export function serviceArguments(argv: readonly string[]): {
  readonly args: readonly string[];
  readonly token?: string;
} {
  const args: string[] = [];
  let token: string | undefined;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === "--install") continue;
    if (word === "--token") token = argv[++at];
    else if (word.startsWith("--token=")) token = word.slice("--token=".length);
    else args.push(word);
  }
  return { args, ...(token !== undefined && { token }) };
}

/** Resolves with the exit code once the node is Ready, or has taken too long. */
export async function installService(kind: ServiceKind, argv: readonly string[], home: string): Promise<number> {
  if (process.getuid?.() !== 0) throw new UsageError("--install needs root");
  if (!existsSync("/run/systemd/system"))
    throw new UsageError(
      `--install needs systemd, which does not run here: start 'k8ts ${kind}' by what starts services on this machine`,
    );
  const other = KINDS.find((one) => one !== kind && existsSync(unitPath(one)));
  if (other) throw new UsageError(`this machine is a ${other} already (${unitPath(other)}): 'k8ts down' takes it away`);
  const { args, token } = serviceArguments(argv);
  const program = join(dirname(process.argv[1] as string), "k8ts");
  if (token !== undefined) writePrivately(secretsPath(kind), `K8TS_TOKEN=${token}\n`);
  writeFileSync(unitPath(kind), unitText({ kind, program, args, home }));
  writeFileSync(LIMITS, LIMITS_TEXT);
  await run("sysctl", ["-q", "-p", LIMITS]).catch(() => undefined); // in a container they may not be ours to set
  await systemctl("daemon-reload");
  await systemctl("enable", unitName(kind));
  await systemctl("restart", unitName(kind));
  say(`k8ts: ${unitPath(kind)} is written, enabled and started`);
  if (kind === "server" && args.includes("--no-agent")) return 0;
  return waitForNode(kind, homePaths(home));
}

/** By the agent's own word in its log: this process needs no connection for that. */
async function waitForNode(kind: ServiceKind, paths: HomePaths): Promise<number> {
  const until = systemClock.monotonic() + READY_MS;
  const begun = systemClock.now();
  while (systemClock.monotonic() < until) {
    if (readyAfter(paths.log("agent"), begun)) {
      say(`k8ts: node ${readOptions(paths)?.nodeName ?? ""} is Ready`);
      return 0;
    }
    await systemClock.sleep(LOOK_MS);
  }
  const { stdout } = await run("journalctl", ["-u", unitName(kind), "-n", "15", "--no-pager", "-o", "cat"]);
  say(`k8ts: the node is not Ready after ${READY_MS / 1000} s; the service goes on trying. It said last:\n${stdout}`);
  return 1;
}

function readyAfter(log: string, begun: number): boolean {
  if (!existsSync(log)) return false;
  const lines = readFileSync(log, "utf8").trimEnd().split("\n").slice(-500);
  return lines.some((line) => {
    if (!line.includes('"event":"ready"')) return false;
    return Date.parse((JSON.parse(line) as { time: string }).time) >= begun;
  });
}

/** Stops the service and forgets it, where the unit is of this home. */
export async function removeService(home: string): Promise<void> {
  for (const kind of KINDS) {
    if (!existsSync(unitPath(kind)) || !readFileSync(unitPath(kind), "utf8").includes(quoted(`K8TS_HOME=${home}`)))
      continue;
    await systemctl("disable", "--now", unitName(kind));
    for (const file of [unitPath(kind), secretsPath(kind), LIMITS]) rmSync(file, { force: true });
    await systemctl("daemon-reload");
  }
}

async function systemctl(...args: string[]): Promise<void> {
  await run("systemctl", args);
}

function writePrivately(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, text, { mode: 0o600 });
}

const say = (line: string) => void process.stderr.write(`${line}\n`);
