/**
 * k8ts: the table of contents of every command and process.
 *
 * Imports nothing before the compile cache is on, and then only what the command needs.
 * This is the only file that ends the process.
 */
import { existsSync, mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join, resolve } from "node:path";
import type { Component } from "./machinery/process/component.ts";

interface Command {
  readonly summary: string;
  /** Resolves with the exit code. */
  run(argv: readonly string[]): Promise<number>;
}

const home = process.env["K8TS_HOME"] ?? `${process.env["HOME"] ?? "/root"}/.k8ts`;

const component = (summary: string, load: () => Promise<unknown>): Command => ({
  summary,
  async run(argv) {
    const [{ runComponent }, loaded] = await Promise.all([import("./machinery/process/run.ts"), load()]);
    return runComponent(loaded as Component, argv);
  },
});

const commands: Readonly<Record<string, Command>> = {
  up: component("start a cluster on this machine", async () => {
    const [{ upCommand }, { controllerFlags }] = await Promise.all([
      import("./machinery/cluster/up.ts"),
      import("./controllers/controller-flags.ts"),
    ]);
    const { "cluster-cidr": _ofTheWholeCluster, ...given } = controllerFlags;
    return upCommand(given);
  }),
  down: component(
    "stop it and clean up; --purge removes the data too",
    async () => (await import("./machinery/cluster/down.ts")).downCommand,
  ),
  kubectl: {
    summary: "work with the cluster",
    async run(argv) {
      const { runKubectl } = await import("./kubectl/process.ts");
      return runKubectl(argv, join(home, "admin.kubeconfig"));
    },
  },
  token: {
    summary: "make, show and delete the tokens by which machines join",
    async run(argv) {
      const [{ tokenCommand }, { systemClock }] = await Promise.all([
        import("./machinery/join/token-command.ts"),
        import("./machinery/process/clock.ts"),
      ]);
      const context = {
        home,
        clock: systemClock,
        env: process.env,
        print: (text: string) => void process.stdout.write(text),
      };
      return said("token", () => tokenCommand(argv, context));
    },
  },
  kubeconfig: {
    summary: "print the path of the administrator's kubeconfig",
    async run() {
      const path = join(home, "admin.kubeconfig");
      if (existsSync(path)) process.stdout.write(`${path}\n`);
      else process.stderr.write(`k8ts: there is no ${path}: start a cluster with 'k8ts up'\n`);
      return existsSync(path) ? 0 : 1;
    },
  },
  logs: {
    summary: "show a component's log; -f follows it",
    async run(argv) {
      const [{ logsCommand }, { systemClock }] = await Promise.all([
        import("./machinery/cluster/logs-command.ts"),
        import("./machinery/process/clock.ts"),
      ]);
      return logsCommand(argv, home, systemClock);
    },
  },
  images: {
    summary: "import images, list them",
    run: async (argv) => (await import("./kubelet/images/images-command.ts")).imagesCommand(argv),
  },
  store: {
    summary: "back up, restore, move or verify what the API server keeps",
    run: async (argv) => (await import("./apiserver/store/tools/store-command.ts")).storeCommand(argv),
  },
  server: component("run a server of a cluster on this machine, and a node", async () => {
    if (process.argv.includes("--no-agent") && !joinsServers(process.argv)) return loadServer();
    const [{ serverMachine }, server, { agentComponent }] = await Promise.all([
      import("./machinery/cluster/machine.ts"),
      loadServer(),
      import("./kubelet/agent.ts"),
    ]);
    return serverMachine(server as unknown as Component, agentComponent as unknown as Component);
  }),
  agent: {
    summary: "join this machine to a cluster and run its node; 'agent leave' takes it out",
    async run(argv) {
      const [{ runComponent }, { agentComponent }] = await Promise.all([
        import("./machinery/process/run.ts"),
        import("./kubelet/agent.ts"),
      ]);
      if (argv[0] === "leave")
        return runComponent(
          (await import("./machinery/cluster/leave.ts")).leaveCommand as unknown as Component,
          argv.slice(1),
        );
      const agent = agentComponent as unknown as Component;
      if (!isMachine(argv)) return runComponent(agent, argv);
      const { agentMachine } = await import("./machinery/cluster/machine.ts");
      return runComponent(agentMachine(agent), argv);
    },
  },
  apiserver: component("run the API server", async () => (await import("./apiserver/apiserver.ts")).apiserverComponent),
  controllers: component(
    "run the controllers",
    async () => (await import("./controllers/controllers.ts")).controllersComponent,
  ),
  scheduler: component("run the scheduler", async () => (await import("./scheduler/scheduler.ts")).schedulerComponent),
  kubelet: component("run the kubelet", async () => (await import("./kubelet/kubelet.ts")).kubeletComponent),
  cri: component(
    "run the runtime interface",
    async () => (await import("./kubelet/cri/cri-component.ts")).criComponent,
  ),
  proxy: component("run the service proxy", async () => (await import("./kubelet/proxy/proxy.ts")).proxyComponent),
  dns: component("run the cluster's name server", async () => (await import("./kubelet/dns/dns.ts")).dnsComponent),
  supervisor: component(
    "keep the processes of up running",
    async () => (await import("./machinery/cluster/supervisor.ts")).supervisorComponent,
  ),
  "prepare-node": component(
    "prepare this machine for containerd",
    async () => (await import("./kubelet/prepare-node.ts")).prepareNodeCommand,
  ),
  "prepare-machine": component(
    "make the link between the machines of up --nodes",
    async () => (await import("./kubelet/machine-bridge.ts")).prepareMachineCommand,
  ),
  "sweep-node": component(
    "remove what containers left on this machine",
    async () => (await import("./kubelet/sweep-node.ts")).sweepNodeCommand,
  ),
  check: component(
    "test whether this machine can be a node, and say what to do",
    async () => (await import("./machinery/check/check-command.ts")).checkCommand,
  ),
  machine: {
    summary: "run a command on a machine of its own, made of namespaces",
    run: async (argv) => (await import("./machinery/machines/machine-command.ts")).machineCommand(argv),
  },
  test: component("run every check and test", async () => (await import("./e2e/run-tests.ts")).testCommand),
  bench: component("measure it all", async () => (await import("./e2e/bench/bench.ts")).benchCommand),
  soak: component(
    "run a cluster of three machines under random faults",
    async () => (await import("./e2e/soak/soak.ts")).soakCommand,
  ),
  simulate: component(
    "run whole clusters in virtual time with faults",
    async () => (await import("./e2e/simulator/simulate.ts")).simulateCommand,
  ),
};

/** Without a server to join it is the process that a machine's supervisor starts. */
const isMachine = (argv: readonly string[]): boolean =>
  joinsServers(argv) || argv.some((one) => one === "--help" || one === "-h");
const joinsServers = (argv: readonly string[]): boolean =>
  process.env["K8TS_SERVER"] !== undefined || argv.some((one) => one === "--server" || one.startsWith("--server="));

/** The server: controllers and scheduler speak to the API server's pipeline directly, each with its own identity. */
async function loadServer() {
  const [
    api,
    controllers,
    given,
    scheduler,
    { createClient },
    { directTransport },
    counts,
    { defineComponent },
    ticks,
    { homePaths },
  ] = await Promise.all([
    import("./apiserver/apiserver.ts"),
    import("./controllers/controllers.ts"),
    import("./controllers/controller-flags.ts"),
    import("./scheduler/scheduler.ts"),
    import("./machinery/client/create-client.ts"),
    import("./machinery/client/transport/direct.ts"),
    import("./machinery/client/transport/counted.ts"),
    import("./machinery/process/component.ts"),
    import("./machinery/process/minute-ticks.ts"),
    import("./machinery/process/home.ts"),
  ]);
  return defineComponent({
    name: "server",
    summary: "Runs API server, controllers and scheduler in one process.",
    flags: {
      ...api.apiserverFlags,
      ...given.controllerFlags,
      "no-agent": { type: "boolean", help: "run no node on this machine, and stay this one process" },
    },
    stopsLater: (flags) => flags["shutdown-delay-duration"] * 1000,
    async run(flags, { ready, signal, ...context }) {
      const server = await api.startApiserver(flags, { ...context, signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (!server) return;
      const { clock, log } = context;
      const { handler, metrics } = server;
      const { counted } = counts.createRequestCounts(metrics, `127.0.0.1:${server.port}`);
      const as = (user: string) => counted(directTransport({ handler, user, groups: ["system:authenticated"] }));
      // Others may share an etcd; an embedded store has one server only.
      const leadership = flags.store === "etcd" ? "renew" : "hold";
      const common = { clock, signal, leadership, metrics } as const;
      const running = [
        controllers.runControllers({
          ...common,
          log: log.child({ part: "controllers" }),
          transport: as(controllers.CONTROLLERS_USER),
          rootCa: server.pki.authority.certificate,
          ...given.settingsOf(flags),
          ...(await given.keysOf(flags, homePaths(context.home))),
          ticks: ticks.minuteTicks,
        }),
        scheduler.runScheduler({
          ...common,
          log: log.child({ part: "scheduler" }),
          client: createClient(as(scheduler.SCHEDULER_USER)),
          mayBeAsked: server.scheduling.offer,
        }),
      ];
      ready();
      try {
        await Promise.all(running);
      } finally {
        await server.close();
      }
    },
  });
}

/** `server --install` and `agent --install`: a service of systemd that runs the rest of the line. */
function installing(name: string, argv: readonly string[]): Command | undefined {
  if ((name !== "server" && name !== "agent") || !argv.includes("--install")) return undefined;
  const install = async () =>
    (await import("./machinery/cluster/service.ts")).installService(name, argv, resolve(home));
  return { summary: "", run: () => said(name, install) };
}

/** A command's failure in one line, for the person in front. */
async function said(name: string, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    process.stderr.write(`k8ts ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof Error && error.name === "UsageError" ? 2 : 1;
  }
}

function usage(problem?: string): number {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  const text = `Usage: k8ts COMMAND [flags]\n\n${lines.join("\n")}\n\nk8ts COMMAND --help shows a command's flags.\n`;
  if (problem) process.stderr.write(`k8ts: ${problem}\n\n${text}`);
  else process.stdout.write(text);
  return problem ? 2 : 0;
}

const [name = "help", ...argv] = process.argv.slice(2);
/** A machine that joins gets a home anyway, and soon loads again what it has loaded now. */
const joins = (name === "agent" || name === "server") && joinsServers(argv);
if (existsSync(home) || joins) {
  const cache = join(home, "cache", "compiled");
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  enableCompileCache(cache);
}
const command = installing(name, argv) ?? (Object.hasOwn(commands, name) ? commands[name] : undefined);
if (command) process.exit(await command.run(argv));
process.exit(usage(["help", "--help", "-h"].includes(name) ? undefined : `unknown command "${name}"`));
