/**
 * Up: from nothing to a running cluster on this machine, step by step, for a person who watches.
 *
 * Every step may have been done before: running it again is harmless, also after a crash or a
 * reboot. It starts the supervisor and waits; keeping things running is supervisor.ts.
 */
import { spawn } from "node:child_process";
import { promises as dns } from "node:dns";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname } from "node:os";
import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import { localNodes } from "../machines/local-nodes.ts";
import type { Clock } from "../process/clock.ts";
import {
  type Component,
  type ComponentContext,
  defineComponent,
  type Flags,
  type FlagValues,
} from "../process/component.ts";
import { asArguments, UsageError } from "../process/flags.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { install, missing, nodePackages, samplePackages } from "./packages.ts";
import { livingRecord } from "./process-record.ts";
import { type ClusterOptions, processTable } from "./process-table.ts";
import { createProgress, type Progress } from "./progress.ts";
import { deploySample } from "./sample.ts";
import { recordPath, stopRecord } from "./supervised-process.ts";
import { optionsPath, programOf, readOptions } from "./supervisor.ts";
import { forgetNodes, nodeCount, patiently, resolveOn, writeJoinToken } from "./up-nodes.ts";

/** How long each step may take before `up` gives up and shows the log. Slow machines (emulated VMs) need it long. */
const STEP_MS = 180_000;
const POLL_MS = 25;

const upFlags = {
  port: { type: "number", default: 6443, help: "port of the API server" },
  "node-name": { type: "string", value: "NAME", help: "name of this node (default: the host's name)" },
  simulated: { type: "boolean", help: "simulate containers, though this machine could run them" },
  separate: { type: "boolean", help: "run each component as a process of its own" },
  "etcd-servers": {
    type: "string",
    multiple: true,
    value: "URL",
    help: "store in this etcd instead of the embedded store",
  },
  nodes: {
    type: "number",
    value: "N",
    help: "make N nodes on this machine, each a machine of namespaces with a containerd of its own",
  },
  "no-sample": { type: "boolean", help: "do not deploy the sample" },
} as const satisfies Flags;

/** `passed`: flags of the controllers, which go to them as they were given. */
export const upCommand = (passed: Flags): Component =>
  defineComponent({
    name: "up",
    command: true,
    summary: "Starts a cluster on this machine and waits until it runs containers.",
    flags: { ...upFlags, ...passed } as Flags,
    async run(values, context) {
      const flags = values as FlagValues<typeof upFlags>;
      const progress = createProgress(context.clock, process.stderr);
      // a machine that was renamed stays the node that it is
      const before = readOptions(homePaths(context.home));
      if (before?.joined)
        throw new UsageError(
          `this machine is node ${before.nodeName} of another cluster: 'k8ts agent leave' takes it out`,
        );
      const real = flags.simulated ? "asked for with --simulated" : whyNoContainers();
      const options: ClusterOptions = {
        port: flags.port,
        nodeName: (flags["node-name"] ?? before?.nodeName ?? hostname()).toLowerCase(),
        runtime: real === undefined ? "containerd" : "simulated",
        separate: flags.separate,
        etcdServers: flags["etcd-servers"],
        nodes: nodeCount(flags.nodes, real),
        controllerFlags: asArguments(passed, values),
      };
      await up(options, { sample: !flags["no-sample"], simulatedBecause: real }, context, progress);
    },
  });

interface UpChoices {
  readonly sample: boolean;
  /** Why containers are simulated; undefined where they are real. */
  readonly simulatedBecause: string | undefined;
}

async function up(options: ClusterOptions, choices: UpChoices, context: ComponentContext, progress: Progress) {
  const { clock, signal } = context;
  const paths = homePaths(context.home);
  const main = process.argv[1] as string;
  progress.say(`k8ts: starting a cluster under ${paths.root}`);
  if (choices.simulatedBecause) progress.say(`  containers are simulated: ${choices.simulatedBecause}`);
  else await ensurePackages(choices.sample, progress);

  await progress.step("processes", () => startSupervisor(options, paths, main, clock));
  const deadline = AbortSignal.any([signal, timeLimit(clock)]);
  const explained = { paths, options, main };
  const client = await progress.step("API server", () =>
    explain(explained, () => serverReady(paths, context, deadline)),
  );
  const nodes = localNodes(paths, options.nodes ?? 0);
  const names = nodes.length > 0 ? nodes.map(({ name }) => name) : [options.nodeName];
  if (nodes.length > 0) await progress.step("join token", () => writeJoinToken(programOf(main), paths));
  const dropped = await forgetNodes(client, paths, names);
  if (dropped.length > 0) progress.say(`  no nodes any more: ${dropped.join(", ")}`);
  for (const name of names) {
    await progress.step(`node ${name}`, (note) =>
      explain(explained, () => nodeReady(client, name, clock, deadline, note)),
    );
  }
  if (options.runtime === "containerd") {
    const ask = nodes.length > 0 ? (name: string) => resolveOn(names[0] as string, paths, DNS, name) : resolveHere;
    await progress.step("cluster DNS", () => explain(explained, () => dnsAnswers(ask, clock, deadline)));
  }
  const homes = nodes.length > 0 ? nodes.map((node) => node.paths) : [paths];
  const simulated = options.runtime === "simulated";
  if (choices.sample) await deploySample({ program: programOf(main), paths, homes, simulated, progress });
  progress.say(nextSteps(paths));
  await client.transport.close();
}

export function whyNoContainers(): string | undefined {
  if (process.platform !== "linux") return `containers need Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "containers need root: run this as root to have real ones";
  return undefined;
}

export async function ensurePackages(sample: boolean, progress: Progress): Promise<void> {
  const needed = missing(sample ? [...nodePackages, ...samplePackages] : nodePackages);
  if (!needed.length) return;
  await progress.step(`installing ${[...new Set(needed.map((one) => one.package))].join(", ")}`, (note) =>
    install(needed, note),
  );
}

/** Finds a supervisor that does what was asked, or replaces it. */
async function startSupervisor(options: ClusterOptions, paths: HomePaths, main: string, clock: Clock): Promise<string> {
  for (const directory of [paths.root, paths.run, paths.logs]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const living = livingRecord(recordPath(paths, "supervisor"));
  const same = JSON.stringify(readOptions(paths)) === JSON.stringify(options);
  if (living && same) return "running already";
  if (living) await stopRecord(living, clock, { graceMs: 60_000 });
  if (!livingServer(paths)) await ensurePortFree(options.port);

  writeFileSync(`${optionsPath(paths)}.new`, JSON.stringify(options), { mode: 0o600 });
  renameSync(`${optionsPath(paths)}.new`, optionsPath(paths));
  const output = openSync(`${paths.logs}/supervisor.out`, "a", 0o600);
  const { node } = programOf(main);
  const args = [
    "--disable-warning=ExperimentalWarning",
    main,
    "supervisor",
    "--main",
    main,
    "--log-file",
    paths.log("supervisor"),
  ];
  const child = spawn(node, args, { detached: true, stdio: ["ignore", output, output], cwd: paths.root });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  closeSync(output);
  child.unref();
  return living ? "restarted with other options" : "started";
}

const livingServer = (paths: HomePaths) =>
  livingRecord(recordPath(paths, "server")) ?? livingRecord(recordPath(paths, "apiserver"));

async function ensurePortFree(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "0.0.0.0", resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new UsageError(`port ${port} is taken by another program: stop it, or choose another with --port`);
  } finally {
    server.close();
  }
}

async function serverReady(paths: HomePaths, { clock, log }: ComponentContext, signal: AbortSignal): Promise<Client> {
  for (;;) {
    const client = await connect({ kubeconfig: paths.adminKubeconfig, clock, log, signal });
    try {
      for await (const _ of client.transport.stream({ method: "GET", path: "/readyz", signal }));
      return client;
    } catch (error) {
      // Not listening yet, not ready yet, or the kubeconfig is of before: all are asked again.
      if (signal.aborted) throw error;
      await client.transport.close();
      await clock.sleep(POLL_MS, signal);
    }
  }
}

async function nodeReady(
  client: Client,
  name: string,
  clock: Clock,
  signal: AbortSignal,
  note: (text: string) => void,
): Promise<string> {
  for (;;) {
    const node = await client.find("nodes", { name });
    const ready = node?.status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status === "True") return "Ready";
    note(ready?.message ?? "not registered yet");
    await clock.sleep(POLL_MS, signal);
  }
}

const DNS = "10.43.0.10";

/** Asked through the Service's address, so that the proxy is known to work too. */
async function dnsAnswers(ask: (name: string) => Promise<string>, clock: Clock, signal: AbortSignal): Promise<string> {
  const address = await patiently(() => ask("kubernetes.default.svc.cluster.local"), clock, POLL_MS, signal);
  return `kubernetes.default is ${address}`;
}

async function resolveHere(name: string): Promise<string> {
  const resolver = new dns.Resolver({ timeout: 250, tries: 1 });
  resolver.setServers([DNS]);
  const [address = ""] = await resolver.resolve4(name);
  return address;
}

function timeLimit(clock: Clock): AbortSignal {
  const controller = new AbortController();
  clock.after(STEP_MS, () => controller.abort(new Error(`not there after ${STEP_MS / 1000} seconds`)), {
    background: true,
  });
  return controller.signal;
}

/** A step that fails shows what the processes said last. */
async function explain<T>(
  where: { paths: HomePaths; options: ClusterOptions; main: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const nodes = localNodes(where.paths, where.options.nodes ?? 0).flatMap(({ name, paths }) =>
      ["supervisor", "agent"].map((component) => lastError(paths, component, `${name}/`)),
    );
    const said = processTable(where.options, where.paths, programOf(where.main))
      .map(({ name }) => lastError(where.paths, name))
      .concat(nodes)
      .filter(Boolean);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error([reason, ...said, `See: ./k8ts logs COMPONENT (files in ${where.paths.logs})`].join("\n"), {
      cause: error,
    });
  }
}

function lastError(paths: HomePaths, name: string, of = ""): string {
  if (!existsSync(paths.log(name))) return "";
  const lines = readFileSync(paths.log(name), "utf8").trimEnd().split("\n").slice(-200);
  const found = lines.findLast((line) => line.includes('"level":"error"'));
  return found ? `${of}${name}: ${found.slice(0, 600)}` : "";
}

function nextSteps(paths: HomePaths): string {
  return `
The cluster runs. Go on with:
  export KUBECONFIG=${paths.adminKubeconfig}
  ./k8ts kubectl get pods -A
  ./k8ts kubectl trace deployment/hello
  ./k8ts logs server
  ./k8ts down`;
}
