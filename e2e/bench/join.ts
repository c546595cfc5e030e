/**
 * Join: from `k8ts agent --server …` on a machine that knows nothing until its node is Ready, and the same when the
 * command is given again after a stop and after a power cut.
 *
 * Machines are namespaces on one switch, each with a home of its own, so the first time everything is compiled and
 * every certificate asked for. Ready is what the API says; when the node was Ready before, it is when the agent says so.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { canRunContainers, clusterOf, eventually } from "../harness/cluster.ts";
import { ours } from "../harness/kubectls.ts";
import { createMachines, type Machine } from "../harness/machines.ts";
import type { Measurement } from "./bench.ts";
import { atMost, median, type Row } from "./report.ts";

const program = join(import.meta.dirname, "..", "..", "k8ts");

export const joinTimes: Measurement = {
  name: "join",
  summary: "time of joining",
  unable: () => (canRunContainers ? undefined : "machines of namespaces take root on Linux"),
  async run({ quick, simulated, say, signal }) {
    await using machines = await createMachines();
    const flags = simulated ? ["--simulated"] : [];
    const server = await machines.machine("server");
    const cluster = clusterOf(server);
    await using _running = server.start(program, "server", ...flags);
    const ready = async (name: string) => {
      const node = ["get", "node", name, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"];
      if ((await cluster.kubectl(ours, node)) !== "True") throw new Error(`${name} is not Ready`);
    };
    await eventually("the server's own node to be Ready", () => ready("server"), 120_000);
    const token = (await server.k8ts("token", "create", "--print", "token")).trim();
    const times: Record<string, Taken[]> = {
      "first, fresh machine": [],
      "again after a stop": [],
      "again after a power cut": [],
    };
    await using nodes = server.start(...ours.command, "get", "nodes", "--watch");
    await nodes.until("server");

    for (let round = 1; round <= (quick ? 1 : 5); round++) {
      signal.throwIfAborted();
      say(`round ${round}`);
      const machine = await machines.machine(`m${round}`);
      const start = () =>
        machine.start(program, "agent", "--server", `https://${server.address}:6443`, "--token", token, ...flags);
      const measure = async (way: string, shown: () => Promise<void>) => {
        const [begin, since] = [clock.monotonic(), clock.now()];
        const agent = start();
        await shown();
        const wall = (clock.monotonic() - begin) / 1000;
        times[way]?.push({ ...stepsOf(machine, since), ready: wall });
        return agent;
      };
      const first = await measure("first, fresh machine", () =>
        seen(() => nodes.stdout, new RegExp(`^m${round} +Ready`, "m")),
      );
      await machine.run("kill", "-TERM", String(machine.pidOf("supervisor")));
      await first.ended(90_000);
      const readyAgain = () => {
        const since = clock.now();
        return seen(() => (readyAt(machine, since) ? "yes" : ""), /yes/);
      };
      const second = await measure("again after a stop", readyAgain);
      await clock.sleep(1_000, signal);
      await machine.powerOff();
      await second[Symbol.asyncDispose]();
      await machine.powerOn();
      await using _third = await measure("again after a power cut", readyAgain);
      await machine.powerOff();
    }
    const title = simulated ? "join, simulated containers" : "join";
    return [{ title, rows: Object.entries(times).map(([what, all]) => row(what, all)) }];
  },
};

/** Seconds since the command. */
interface Taken {
  readonly [step: string]: number;
  readonly ready: number;
}

function row(what: string, all: readonly Taken[]): Row {
  const mid = (step: string) => median(all.map((one) => one[step] ?? Number.NaN)).toFixed(2);
  const steps = Object.keys(STEPS).flatMap((step) => (Number.isNaN(all[0]?.[step]) ? [] : `${step} ${mid(step)}`));
  return {
    what: `${what}: node Ready`,
    value: median(all.map(({ ready }) => ready)),
    unit: "s",
    aim: atMost(4),
    note: `${steps.join(", ")}; each: ${all.map(({ ready }) => ready.toFixed(2)).join(", ")}`,
  };
}

/** What the logs tell, in the order in which it happens. */
const STEPS: Readonly<Record<string, readonly [log: string, event: RegExp]>> = {
  "agent starts": ["supervisor", /"event":"process started".*"process":"agent"/],
  "containerd starts": ["supervisor", /"event":"process started".*"process":"containerd"/],
  registered: ["agent", /"event":"node registered"/],
  "agent says Ready": ["agent", /"event":"ready"/],
};

function stepsOf(machine: Machine, since: number): Record<string, number> {
  return Object.fromEntries(
    Object.entries(STEPS).map(([step, [log, event]]) => {
      const at = timeIn(machine.paths.log(log), event, since);
      return [step, at === undefined ? Number.NaN : (at - since) / 1000];
    }),
  );
}

const readyAt = (machine: Machine, since: number) => timeIn(machine.paths.log("agent"), /"event":"ready"/, since);

/** Of the first such line since then. */
function timeIn(path: string, event: RegExp, since: number): number | undefined {
  if (!existsSync(path)) return undefined;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (!event.test(line)) continue;
    const at = Date.parse((JSON.parse(line) as { time: string }).time);
    if (at >= since) return at;
  }
  return undefined;
}

async function seen(text: () => string, what: RegExp): Promise<void> {
  const until = clock.monotonic() + 120_000;
  while (!what.test(text())) {
    if (clock.monotonic() > until) throw new Error(`${what} was not seen within two minutes`);
    await clock.sleep(20);
  }
}
