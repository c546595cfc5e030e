/**
 * World: a whole cluster in this process, from a plan to a verdict and a trace.
 *
 * The API server, controllers and scheduler are the real ones; machines, the network, time and users are
 * simulated. First comes the storm (faults and changes), then everything has to come to rest: rest/.
 */
import { runControllers } from "../../controllers/controllers.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { ApiError, isNotFound } from "../../machinery/objects/status.ts";
import { runScheduler } from "../../scheduler/scheduler.ts";
import { createFigures } from "./figures.ts";
import { createGround } from "./ground.ts";
import { watchInvariants } from "./invariants/invariants.ts";
import { createLeaders } from "./leaders.ts";
import { createLedger } from "./ledger.ts";
import { nodeName } from "./nodes.ts";
import type { Plan } from "./plan.ts";
import { type Components, startProcesses } from "./processes.ts";
import { random } from "./random.ts";
import { watchCondemned } from "./rest/condemned.ts";
import { unrest } from "./rest/rest.ts";
import { createServer, type Prepared } from "./server.ts";
import { STORM_MS } from "./shape.ts";
import { startStorm } from "./storm.ts";
import { createTrouble } from "./trouble.ts";
import { touch } from "./users.ts";
import { createVirtualTime, within } from "./virtual-time.ts";

export interface Verdict {
  /** What was broken first; undefined when all held. */
  readonly violation: string | undefined;
  /** Which promise that was: the part that found it. */
  readonly promise: string | undefined;
  readonly trace: readonly string[];
  readonly writes: number;
  /** Timers that fired: a measure of all work. */
  readonly timers: number;
  /** Virtual time that it took. */
  readonly elapsedMs: number;
}

/** Nothing but signs of life for as long means that nothing more will come. */
const QUIET_MS = 75_000;
/** A Job whose policy ignores failures fails as often as chance has it, and waits up to ten minutes before each new Pod. */
const REST_WITHIN_MS = 30 * 60_000;
/** How often it is looked whether all is at rest. */
const LOOK_MS = 5_000;
/** More work than any plan needs: something runs in circles. */
const MOST_TIMERS = 1_500_000;
/** Whoever counts seconds by a clock that was wrong looks again within the longest minReadySeconds. */
const COUNTED_AGAIN_MS = 8_000;
const MASTERS = ["system:masters"];
const ADMIN_RETRY_MS = 500;

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
  let violation: { readonly promise: string; readonly problem: string } | undefined;
  const broke = (promise: string, problem: string) => {
    if (violation === undefined) say(`VIOLATION ${problem}`);
    violation ??= { promise, problem };
  };

  await ledger.fill(prepared.first);
  const figures = createFigures(seed, ground, time.elapsed);
  const server = createServer(seed, time, ledger.store, prepared, async (node) => figures(node));
  await within(time, server.start());
  const admin = (user: string) => {
    const handler = server.handler();
    return handler && createClient(directTransport({ handler, user, groups: MASTERS }));
  };
  const skews = () => [...processes.hosts.values()].map(({ skewMs }) => skewMs);
  watchInvariants(
    ledger,
    ground,
    {
      clockBehind: () => skews().some((ms) => ms < 0),
      clockOff: () =>
        skews().some((ms) => ms !== 0) ||
        [...processes.hosts.values()].some(({ jumpedAt }) => time.elapsed() - jumpedAt < COUNTED_AGAIN_MS),
      aheadMs: () => Math.max(0, ...skews()),
    },
    broke,
  );
  const condemned = watchCondemned(ledger);
  const trouble = createTrouble(seed, time.elapsed, say);
  let touches = 0;
  const world = {
    seed,
    time,
    say,
    broke,
    trouble,
    events: shape.events,
    handler: () => server.handler(),
    serverGone: () => server.gone(),
    oldVersion: (behindMs: number) => ledger.revisionAt(time.elapsed() - behindMs),
    sends: createLeaders(shape, ledger.objects, broke),
    async meddle(path: string) {
      const client = admin("stranger");
      if (client) await touch(path, client, `t${++touches}`);
    },
  };
  const processes = startProcesses(plan, world, ground, components);
  const removeNode = (index: number): void => {
    if (processes.nodes.isOn(index)) return;
    const again = () => clock.after(ADMIN_RETRY_MS, () => removeNode(index));
    const client = admin("operator");
    if (!client) return void again();
    client.delete("nodes", { name: nodeName(index) }).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      if (!isNotFound(error)) again();
    });
  };
  const compact = () => void ledger.store.revision().then((revision) => ledger.store.compact(revision));
  startStorm(plan.faults, clock, { ...processes, server, trouble, compact, removeNode, say });

  const over = () => violation !== undefined || time.fired() > MOST_TIMERS;
  await time.run(STORM_MS + 5_000, over);
  const calm = () => time.elapsed() - ledger.lastWriteAt > QUIET_MS;
  const wrong = () => unrest({ seed, shape, objects: ledger.objects, ground, condemned, elapsed: time.elapsed() });
  // what waits for its time (a Job's back-off) may be quiet for a while, and is not over
  for (const end = time.elapsed() + REST_WITHIN_MS; time.elapsed() < end && !over(); ) {
    await time.run(LOOK_MS, over);
    if (calm() && wrong() === undefined) break;
  }
  if (violation === undefined) {
    const why = wrong();
    if (why) broke(`rest: ${why.of}`, `it came to rest in a wrong state: ${why.problem}`);
    else if (!calm()) broke("rest", `it does not come to rest: ${ledger.trace.slice(-6).join("; ")}`);
  }
  for (const host of processes.hosts.values()) host.end();
  server.end();
  return {
    violation: violation?.problem,
    promise: violation?.promise,
    get trace() {
      return ledger.trace;
    },
    writes: ledger.length,
    timers: time.fired(),
    elapsedMs: time.elapsed(),
  };
}
