/**
 * Host: runs one process of a simulated cluster, kills it at any step and starts it again.
 *
 * A killed process is abandoned: no timer of it fires, no answer reaches it, nothing leaves it. Its next life
 * knows nothing. A process that ends by itself is a fault of its own, told to `broke`.
 */
import type { Transport } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { type Connection, type ConnectionOptions, createConnection } from "./connection.ts";
import { random } from "./random.ts";
import type { ProcessClock, VirtualTime } from "./virtual-time.ts";

/** What a life of a process is given. */
export interface Life {
  readonly name: string;
  readonly number: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  transport(user: string, groups?: readonly string[]): Transport;
}

export interface Host {
  readonly name: string;
  crash(downMs: number): void;
  pause(ms: number): void;
  jump(ms: number): void;
  /** How far its wall clock is off. */
  readonly skewMs: number;
  /** When it was last set, right or wrong. */
  readonly jumpedAt: number;
  /** Ends it for good, as the end of the simulation does: all its lives let go of what they hold. */
  end(): void;
}

export interface HostOptions
  extends Pick<ConnectionOptions, "handler" | "serverGone" | "trouble" | "oldVersion" | "meddle" | "events"> {
  readonly name: string;
  readonly seed: number;
  readonly time: VirtualTime;
  readonly run: (life: Life) => Promise<void>;
  readonly say: (text: string) => void;
  readonly broke: (promise: string, problem: string) => void;
  /** A life of a process sends a write. */
  readonly sends: (name: string, life: number, path: string) => void;
}

export function createHost(options: HostOptions): Host {
  const { name, seed, time, run, say, broke } = options;
  const supervisor = time.clock(random(seed, name, "supervisor"));
  let number = 0;
  /** Aborts when the simulation is over; a life that died knows nothing of it before. */
  const over = new AbortController();
  /** Of the machine's clock: a new life has it too. */
  let skew = 0;
  let jumpedAt = Number.NEGATIVE_INFINITY;
  let current: { readonly clock: ProcessClock; readonly connections: Connection[] } | undefined;

  const kill = () => {
    current?.clock.kill();
    for (const connection of current?.connections ?? []) connection.sever();
    current = undefined;
  };
  const start = () => {
    const life = ++number;
    const clock = time.clock(random(seed, name, life, "clock"));
    clock.jump(skew);
    const connections: Connection[] = [];
    const mine = { clock, connections };
    current = mine;
    const transport = (user: string, groups: readonly string[] = []) => {
      const connection = createConnection({
        ...options,
        process: name,
        user,
        groups,
        clock,
        random: random(seed, name, life, "network", connections.length),
        crash,
        sends: (path) => options.sends(name, life, path),
      });
      connections.push(connection);
      return connection;
    };
    say(`${name} starts, life ${life}`);
    run({ name, number: life, clock, signal: over.signal, transport }).then(
      () => current === mine && broke("processes", `${name} ended by itself`),
      (error: unknown) => current === mine && broke("processes", `${name} ended: ${(error as Error)?.stack ?? error}`),
    );
  };
  const crash = (downMs: number) => {
    if (!current) return;
    say(`${name} crashes`);
    kill();
    supervisor.after(downMs, start);
  };
  start();

  return {
    name,
    crash,
    pause(ms) {
      say(`${name} stands still for ${ms} ms`);
      current?.clock.pause(ms);
    },
    jump(ms) {
      say(`the clock of ${name} jumps by ${ms} ms`);
      skew += ms;
      jumpedAt = time.elapsed();
      current?.clock.jump(ms);
    },
    get skewMs() {
      return skew;
    },
    get jumpedAt() {
      return jumpedAt;
    },
    end() {
      kill();
      supervisor.kill();
      over.abort();
    },
  };
}
