/**
 * Processes: the hosts of a simulated cluster and what runs on each: machines, users, controllers, schedulers.
 */
import { CONTROLLERS_USER, type runControllers } from "../../controllers/controllers.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { type runScheduler, SCHEDULER_USER } from "../../scheduler/scheduler.ts";
import type { Ground } from "./ground.ts";
import { createHost, type Host, type HostOptions, type Life } from "./host.ts";
import { type Nodes, startNodes } from "./nodes.ts";
import type { Plan } from "./plan.ts";
import { runUsers } from "./users.ts";
import { watchfulLog } from "./watchful-log.ts";

/** The parts that a broken version may be put in for: mutants.ts. */
export interface Components {
  readonly runControllers: typeof runControllers;
  readonly runScheduler: typeof runScheduler;
}

export interface Processes {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly nodes: Nodes;
}

const MASTERS = ["system:masters"];

/** Figures settle sooner than they would; what is decided by them is the same. */
const autoscaling = {
  syncMs: 15_000,
  downscaleStabilizationMs: 45_000,
  tolerance: 0.1,
  cpuInitializationMs: 20_000,
  initialReadinessMs: 10_000,
};

export function startProcesses(
  { seed, shape, steps }: Plan,
  world: Omit<HostOptions, "name" | "run">,
  ground: Ground,
  { runControllers, runScheduler }: Components,
): Processes {
  const hosts = new Map<string, Host>();
  const { say, broke } = world;
  const run = (name: string, start: (life: Life) => Promise<void>) =>
    void hosts.set(name, createHost({ ...world, name, run: start }));
  const started: { nodes?: Nodes } = {};
  run("nodes", (life) => {
    const informing = life.transport("system:nodes-informer", MASTERS);
    const cpus = shape.tight ? "1" : "8";
    started.nodes = startNodes({ ...life, seed, count: shape.nodes, cpus, pods: "30", ground, informing });
    return new Promise<never>(() => undefined);
  });
  run("users", async (life) => {
    await runUsers(steps, createClient(life.transport("user", MASTERS)), life.clock, say);
    await new Promise<never>(() => undefined);
  });
  const leadership = shape.candidates > 1 ? "renew" : "none";
  for (let index = 0; index < shape.candidates; index++) {
    const common = ({ name, number, clock, signal }: Life) =>
      ({
        clock,
        log: watchfulLog(name, broke),
        signal,
        leadership,
        identity: `${name}-${number}`,
      }) as const;
    run(`controllers-${index}`, (life) =>
      runControllers({ ...common(life), transport: life.transport(CONTROLLERS_USER), autoscaling }),
    );
    run(`scheduler-${index}`, (life) =>
      runScheduler({ ...common(life), client: createClient(life.transport(SCHEDULER_USER)) }),
    );
  }
  return { hosts, nodes: started.nodes as Nodes };
}
