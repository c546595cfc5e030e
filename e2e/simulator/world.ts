/**
 * World: a whole cluster in this process, from a plan to a verdict and a trace.
 *
 * The API server, controllers and scheduler are the real ones; machines, the network, time and users are
 * simulated. First comes the storm (faults and changes), then everything has to come to rest: rest.ts.
 */
import { CONTROLLERS_USER, runControllers } from "../../controllers/controllers.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { runScheduler, SCHEDULER_USER } from "../../scheduler/scheduler.ts";
import { createGround } from "./ground.ts";
import { createHost, type Host, type Life } from "./host.ts";
import { watchInvariants } from "./invariants/invariants.ts";
import { createLedger } from "./ledger.ts";
import { startNodes } from "./nodes.ts";
import { type Plan, STORM_MS } from "./plan.ts";
import { random } from "./random.ts";
import { unrest } from "./rest.ts";
import { createServer, type Prepared } from "./server.ts";
import { startStorm } from "./storm.ts";
import { createTrouble } from "./trouble.ts";
import { runUsers, touch } from "./users.ts";
import { createVirtualTime } from "./virtual-time.ts";
import { watchfulLog } from "./watchful-log.ts";

export interface Verdict {
  /** What was broken first; undefined when all held. */
  readonly violation: string | undefined;
  readonly trace: readonly string[];
  readonly writes: number;
  /** Timers that fired: a measure of all work. */
  readonly timers: number;
  /** Virtual time that it took. */
  readonly elapsedMs: number;
}

/** The parts that a broken version may be put in for: mutants.ts. */
export interface Components {
  readonly runControllers: typeof runControllers;
  readonly runScheduler: typeof runScheduler;
}

/** Nothing but signs of life for as long means that nothing more will come. */
const QUIET_MS = 75_000;
const REST_WITHIN_MS = 12 * 60_000;
/** How often it is looked whether all is at rest. */
const LOOK_MS = 5_000;
/** More work than any plan needs: something runs in circles. */
const MOST_TIMERS = 1_500_000;
const MASTERS = ["system:masters"];

export async function simulate(
  plan: Plan,
  prepared: Prepared,
  components: Components = { runControllers, runScheduler },
): Promise<Verdict> {
  const { seed, shape } = plan;
  const time = createVirtualTime();
  const clock = time.clock(random(seed, "world"));
  const ledger = createLedger(clock, time.elapsed);
  const ground = createGround(time.elapsed);
  const { say } = ledger;
  let violation: string | undefined;
  const broke = (problem: string) => {
    if (violation === undefined) say(`VIOLATION ${problem}`);
    violation ??= problem;
  };

  const server = createServer(seed, time, ledger.store, prepared);
  await within(time, server.start());
  const hosts = new Map<string, Host>();
  const clockBehind = () => [...hosts.values()].some(({ skewMs }) => skewMs < 0);
  watchInvariants(ledger, ground, { clockBehind }, broke);
  const trouble = createTrouble(seed, time.elapsed, say);
  let touches = 0;
  const meddle = async (path: string) => {
    const handler = server.handler();
    if (!handler) return;
    await touch(path, createClient(directTransport({ handler, user: "stranger", groups: MASTERS })), `t${++touches}`);
  };
  const world = {
    seed,
    time,
    say,
    broke,
    trouble,
    handler: () => server.handler(),
    serverGone: () => server.gone(),
    oldVersion: (behindMs: number) => ledger.revisionAt(time.elapsed() - behindMs),
    meddle,
  };
  const run = (name: string, start: (life: Life) => Promise<void>) =>
    void hosts.set(name, createHost({ ...world, name, run: start }));
  const nodesHost: { nodes?: ReturnType<typeof startNodes> } = {};
  run("nodes", (life) => {
    nodesHost.nodes = startNodes({
      ...life,
      seed,
      count: shape.nodes,
      cpus: shape.tight ? "1" : "8",
      pods: "30",
      ground,
      informing: life.transport("system:nodes-informer", MASTERS),
    });
    return new Promise<never>(() => undefined);
  });
  run("users", async (life) => {
    await runUsers(plan.steps, createClient(life.transport("user", MASTERS)), life.clock, say);
    await new Promise<never>(() => undefined);
  });
  const leadership = shape.candidates > 1 ? "renew" : "none";
  for (let index = 0; index < shape.candidates; index++) {
    run(`controllers-${index}`, ({ name, number, clock: own, signal, transport }) =>
      components.runControllers({
        transport: transport(CONTROLLERS_USER),
        clock: own,
        log: watchfulLog(name, broke),
        signal,
        leadership,
        identity: `${name}-${number}`,
      }),
    );
    run(`scheduler-${index}`, ({ name, number, clock: own, signal, transport }) =>
      components.runScheduler({
        client: createClient(transport(SCHEDULER_USER)),
        clock: own,
        log: watchfulLog(name, broke),
        signal,
        leadership,
        identity: `${name}-${number}`,
      }),
    );
  }
  const compact = () => void ledger.store.revision().then((revision) => ledger.store.compact(revision));
  if (nodesHost.nodes) startStorm(plan.faults, clock, { hosts, nodes: nodesHost.nodes, server, trouble, compact, say });

  const tired = () => time.fired() > MOST_TIMERS;
  await time.run(STORM_MS + 5_000, () => violation !== undefined || tired());
  const calm = () => time.elapsed() - ledger.lastWriteAt > QUIET_MS;
  const wrong = () => unrest(ledger.objects, ground, shape);
  // what waits for its time (a Job's back-off) may be quiet for a while, and is not over
  for (const end = time.elapsed() + REST_WITHIN_MS; violation === undefined && time.elapsed() < end && !tired(); ) {
    await time.run(LOOK_MS, () => violation !== undefined || tired());
    if (calm() && wrong() === undefined) break;
  }
  if (violation === undefined) {
    const why = wrong();
    if (why) broke(`it came to rest in a wrong state: ${why}`);
    else if (!calm()) broke(`it does not come to rest: ${ledger.trace.slice(-6).join("; ")}`);
  }
  for (const host of hosts.values()) host.kill();
  server.crash();
  return {
    violation,
    trace: ledger.trace,
    writes: ledger.trace.length,
    timers: time.fired(),
    elapsedMs: time.elapsed(),
  };
}

/** Lets time pass until the work is done. */
async function within(time: ReturnType<typeof createVirtualTime>, work: Promise<unknown>): Promise<void> {
  let over = false;
  const ended = work.finally(() => {
    over = true;
  });
  for (let passed = 0; !over && passed < 60_000; passed += 100) await time.run(100, () => over);
  await ended;
}
