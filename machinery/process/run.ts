/**
 * Run: a component as a process, from its command line to its exit code.
 *
 * SIGTERM and SIGINT stop it cleanly; a second one gives up waiting. An error that nobody
 * caught is logged and ends the process, for state that is unknown must not go on.
 */
import { flushCompileCache } from "node:module";
import { resolve } from "node:path";
import { systemClock } from "./clock.ts";
import type { Component } from "./component.ts";
import { commonFlags, helpText, parseFlags, UsageError } from "./flags.ts";
import { countBuffersWithHeap } from "./garbage-collection.ts";
import { openLogFile } from "./log-file.ts";
import { createLogger, type Level, type Logger } from "./logging.ts";

/** How long a component may take to stop before its process ends anyway. */
const STOP_MS = 15_000;

/** A process that is killed has not written what it compiled: some time after its start it does so for the next one. */
const COMPILED_MS = 60_000;

const LEVELS: readonly string[] = ["debug", "info", "warn", "error"];

/** $K8TS_HOME or ~/.k8ts, absolute. */
export function homeDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env["K8TS_HOME"] ?? `${env["HOME"] ?? "/root"}/.k8ts`);
}

/** Resolves with the exit code. Never rejects. */
export async function runComponent(component: Component, argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(helpText(component.name, component.summary, component.flags));
    return 0;
  }
  countBuffersWithHeap();
  try {
    const flags = parseFlags({ ...component.flags, ...commonFlags }, argv, process.env);
    const level = flags["log-level"];
    if (!LEVELS.includes(level)) throw new UsageError(`--log-level is one of ${LEVELS.join(", ")}, not "${level}"`);
    const file = flags["log-file"] === undefined ? undefined : openLogFile(flags["log-file"]);
    const toStderr = (line: string) => void process.stderr.write(line);
    const write = file?.write ?? (component.command ? () => undefined : toStderr);
    const log = createLogger({ component: component.name, clock: systemClock, level: level as Level, write });
    return await supervised(component, flags, log);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`k8ts ${component.name}: ${error.message}\nSee: k8ts ${component.name} --help\n`);
    return 2;
  }
}

/** Runs the component until it ends, a signal stops it, or something nobody caught breaks it. */
function supervised(component: Component, flags: object, log: Logger): Promise<number> {
  const stop = new AbortController();
  return new Promise((finish) => {
    const onSignal = (signal: string) => {
      if (stop.signal.aborted) return finish(1);
      log.info("stopping", { signal });
      stop.abort(new Error(`stopped by ${signal}`));
      const later = component.stopsLater?.(flags as never) ?? 0;
      systemClock.after(STOP_MS + later, () => finish(1), { background: true });
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    const broken = (event: string) => (error: unknown) => {
      log.error(event, { error });
      finish(1);
    };
    process.on("uncaughtException", broken("uncaught exception"));
    process.on("unhandledRejection", broken("unhandled rejection"));

    const context = {
      clock: systemClock,
      log,
      signal: stop.signal,
      home: homeDirectory(),
      ready() {
        log.info("ready", { pid: process.pid });
        systemClock.after(COMPILED_MS, flushCompileCache, { background: true });
      },
    };
    component.run(flags as never, context).then(
      () => finish(0),
      (error: unknown) => {
        if (stop.signal.aborted) return finish(0);
        log.error("failed", { error });
        if (error instanceof Error) process.stderr.write(`k8ts ${component.name}: ${error.message}\n`);
        finish(error instanceof UsageError ? 2 : 1);
      },
    );
  });
}
