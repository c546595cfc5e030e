/**
 * Scheduler: gives each Pod a node. As a process of its own, or run by the server in its process.
 *
 * A lost leadership abandons everything it knew and starts over as a candidate.
 * The loop is in scheduling-loop.ts, what fits and what is best in plugins/.
 */
import { readFile } from "node:fs/promises";
import type { Client } from "../machinery/client/client.ts";
import { connect } from "../machinery/client/connect.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import type { Leadership } from "../machinery/loop/leader-election.ts";
import { keepLeading, type LeadershipMode } from "../machinery/loop/leadership.ts";
import type { ExplainPod } from "../machinery/objects/scheduling.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { defineComponent } from "../machinery/process/component.ts";
import { homePaths } from "../machinery/process/home.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Metrics } from "../machinery/process/metrics.ts";
import { type Configuration, readConfiguration } from "./configuration.ts";
import { answerQuestions } from "./explain/answer-questions.ts";
import { createExplain } from "./explain/explain.ts";
import { createKeptAttempts } from "./explain/kept-attempts.ts";
import { defaultProfile } from "./plugins/plugins.ts";
import { DEFAULT_SCHEDULER } from "./profile.ts";
import { createSchedulerMetrics, type SchedulerMetrics } from "./scheduler-metrics.ts";
import { runScheduling } from "./scheduling-loop.ts";

export interface SchedulerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly schedulerName?: string;
  readonly leadership: LeadershipMode;
  /** Who holds the lease; must be the same at each start where it is held without renewing. */
  readonly identity?: string;
  /** Where whoever wants to know why a Pod is where it is finds this scheduler; the result takes that back. */
  readonly mayBeAsked?: (scheduler: string, explain: ExplainPod) => () => void;
  /** It is not in the server's process: it comes to the server for such questions. */
  readonly answers?: boolean;
  /** Where it counts what it does. */
  readonly metrics?: Metrics;
  /** Profiles of a file, in place of the default one. */
  readonly configuration?: Configuration;
}

export const SCHEDULER_USER = "system:kube-scheduler";

/** Resolves when the signal aborts. */
export async function runScheduler(options: SchedulerOptions): Promise<void> {
  const { client, clock, log, signal, leadership, identity, schedulerName = DEFAULT_SCHEDULER } = options;
  const lease = schedulerName === DEFAULT_SCHEDULER ? "kube-scheduler" : schedulerName;
  const metrics = options.metrics && createSchedulerMetrics(options.metrics);
  await keepLeading({ client, clock, log, signal, leadership, identity, lease }, (leading) =>
    lead(options, leading, metrics),
  );
}

async function lead(
  { clock, log, schedulerName = DEFAULT_SCHEDULER, mayBeAsked, answers, configuration }: SchedulerOptions,
  { client, signal }: Leadership,
  metrics: SchedulerMetrics | undefined,
) {
  const informers = createInformers({ client, clock, log, signal });
  const events = createEvents({ client, clock, log, signal });
  const kept = createKeptAttempts();
  const explain = createExplain(kept, clock);
  const names = configuration?.schedulerNames ?? [schedulerName];
  const unasked = names.map((name) => mayBeAsked?.(name, explain));
  const answering = answers
    ? names.map((name) => answerQuestions({ client, clock, log, signal, schedulerName: name, explain }))
    : [];
  const scheduling = runScheduling({
    client,
    informers,
    events,
    clock,
    log,
    signal,
    metrics,
    profiles: configuration?.profiles ?? ((handle) => [defaultProfile(handle, schedulerName)]),
    backoffMs: configuration?.backoffMs,
    onAttempt: kept.note,
  });
  try {
    await scheduling;
    await Promise.all(answering);
  } finally {
    for (const takeBack of unasked) takeBack?.();
  }
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
    config: {
      type: "string",
      value: "FILE",
      help: "a KubeSchedulerConfiguration with profiles, plugins and their arguments, in place of --scheduler-name",
    },
    "no-leader-elect": { type: "boolean", help: "start at once: nothing else schedules for this name" },
  },
  async run(flags, { clock, log, signal, home, ready }) {
    const kubeconfig = flags.kubeconfig ?? homePaths(home).kubeconfig("scheduler");
    const configuration =
      flags.config === undefined ? undefined : readConfiguration(await readFile(flags.config, "utf8"));
    const client = await connect({ kubeconfig, clock, log, signal });
    ready();
    const leadership = flags["no-leader-elect"] ? "none" : "renew";
    await runScheduler({
      client,
      clock,
      log,
      signal,
      leadership,
      schedulerName: flags["scheduler-name"],
      answers: true,
      ...(configuration ? { configuration } : {}),
    });
    await client.transport.close();
  },
});
