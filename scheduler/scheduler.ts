/**
 * Scheduler: gives each Pod a node. As a process of its own, or run by the server in its process.
 *
 * The loop is in scheduling-loop.ts, what fits and what is best in plugins/.
 */
import { hostname } from "node:os";
import type { Client } from "../machinery/client/client.ts";
import { connect } from "../machinery/client/connect.ts";
import { createInformers, type Informers } from "../machinery/client/shared-informers.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import { electLeader } from "../machinery/loop/leader-election.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { defineComponent } from "../machinery/process/component.ts";
import { homePaths } from "../machinery/process/home.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { runScheduling } from "./scheduling-loop.ts";

export interface SchedulerOptions {
  readonly client: Client;
  /** Shared with others of the same process where given. */
  readonly informers?: Informers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly schedulerName?: string;
}

export const DEFAULT_SCHEDULER = "default-scheduler";

/** Resolves when the signal aborts. */
export async function runScheduler(options: SchedulerOptions): Promise<void> {
  const { client, clock, log, signal, schedulerName = DEFAULT_SCHEDULER } = options;
  const informers = options.informers ?? createInformers({ client, clock, log, signal });
  const events = createEvents({ client, clock, log, signal });
  await runScheduling({ client, informers, events, clock, log, signal, schedulerName });
}

export const schedulerComponent = defineComponent({
  name: "scheduler",
  summary: "Gives each Pod a node.",
  flags: {
    kubeconfig: {
      type: "string",
      value: "FILE",
      help: "identity and address of the API server (default: scheduler.kubeconfig under $K8TS_HOME)",
    },
    "scheduler-name": {
      type: "string",
      default: DEFAULT_SCHEDULER,
      value: "NAME",
      help: "the spec.schedulerName that this scheduler answers to",
    },
    "no-leader-elect": { type: "boolean", help: "start at once: nothing else schedules for this name" },
  },
  async run(flags, { clock, log, signal, home, ready }) {
    const kubeconfig = flags.kubeconfig ?? homePaths(home).kubeconfig("scheduler");
    const client = await connect({ kubeconfig, clock, log, signal });
    const schedulerName = flags["scheduler-name"];
    ready();
    if (flags["no-leader-elect"]) return runScheduler({ client, clock, log, signal, schedulerName });
    const name = schedulerName === DEFAULT_SCHEDULER ? "kube-scheduler" : schedulerName;
    const identity = `${hostname()}_${clock.uuid()}`;
    await electLeader({ client, clock, log, signal, name, identity }, (led) =>
      runScheduler({ client: led.client, clock, log, signal: led.signal, schedulerName }),
    );
  },
});
