/** Attaching: joins the terminal to a container that runs: what attach, run and debug do alike. */
import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { notFound } from "../machinery/objects/status.ts";
import type { Cluster } from "./cluster.ts";
import type { Run } from "./command.ts";
import { TimedOut, watchUntil } from "./conditions.ts";
import { resolveType, resourcePath } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import type { FlagTable } from "./flags.ts";
import { podPath } from "./pods.ts";
import { runSession } from "./session.ts";

type Runs = Pick<Run<FlagTable>, "io" | "err">;

export interface Attaching {
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly quiet: boolean;
}

export async function attachTo(
  run: Runs,
  cluster: Cluster,
  pod: Pod,
  container: Pick<Container, "name" | "stdin" | "tty">,
  asked: Attaching,
): Promise<void> {
  const tell = asked.quiet ? () => {} : run.err;
  if (asked.stdin && !container.stdin)
    throw new CommandError(`container ${container.name} does not read standard input`);
  if (asked.tty && !container.tty)
    tell(`error: Unable to use a TTY - container ${container.name} did not allocate one\n`);
  const tty = asked.tty && container.tty === true && terminalAtHand(run, tell);
  tell("If you don't see a command prompt, try pressing enter.\n");
  const options = { stdin: asked.stdin, stdout: true, stderr: !tty, tty };
  const query = sessionQuery(container.name, options);
  await runSession(cluster, await podPath(cluster, pod, "attach", query), options, run.io);
}

export function terminalAtHand({ io }: Pick<Run<FlagTable>, "io">, tell: (text: string) => void): boolean {
  if (io.stdin.isTTY) return true;
  tell("Unable to use a TTY - input is not a terminal or the right kind of file\n");
  return false;
}

export function sessionQuery(
  container: string,
  options: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean; readonly tty: boolean },
): URLSearchParams {
  const query = new URLSearchParams({ container });
  for (const [name, on] of Object.entries(options)) if (on) query.append(name, "true");
  return query;
}

/** The Pod as it is when `done` holds; fails when it goes or the time is over. */
export async function podWhen(
  run: Runs,
  cluster: Cluster,
  { namespace, name }: Pod["metadata"],
  timeout: number,
  done: (pod: Pod) => boolean,
): Promise<Pod> {
  const type = resolveType(await cluster.discovery(), "pods");
  let last: Pod | undefined;
  await watchUntil({ cluster, io: run.io, timeout }, { type, namespace, name }, (object) => {
    if (!object) throw notFound("pods", name);
    last = object as unknown as Pod;
    return done(last);
  }).catch((error: unknown) => {
    throw error instanceof TimedOut ? new CommandError("timed out waiting for the condition") : error;
  });
  return last!;
}

/** Joins it; where that cannot be, its log is printed instead. */
export async function attachOrLog(
  run: Runs,
  cluster: Cluster,
  pod: Pod,
  container: Pick<Container, "name" | "stdin" | "tty">,
  asked: Attaching,
): Promise<void> {
  const { phase } = pod.status ?? {};
  if (phase === "Succeeded" || phase === "Failed") return streamLog(run, cluster, pod, container.name);
  try {
    await attachTo(run, cluster, pod, container, asked);
  } catch (error) {
    if (run.io.signal.aborted) throw error;
    const { name } = pod.metadata;
    run.err(`warning: couldn't attach to pod/${name}, falling back to streaming logs: ${(error as Error).message}\n`);
    await streamLog(run, cluster, pod, container.name);
  }
}

async function streamLog({ io }: Runs, cluster: Cluster, { metadata }: Pod, container: string): Promise<void> {
  const type = resolveType(await cluster.discovery(), "pods");
  const path = resourcePath(type, metadata.namespace, metadata.name, "log");
  for await (const chunk of cluster.stream({ method: "GET", path, query: { container, follow: "true" } })) {
    if (!io.stdout.write(chunk)) await new Promise<void>((resolve) => io.stdout.once("drain", () => resolve()));
  }
}
