/**
 * kubectl logs: prints or follows the logs of containers, of one Pod or of all that a selector finds.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { isNotFound } from "../../machinery/objects/status.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { chooseContainer, findOne, podsBehind } from "../pods.ts";
import { listAll } from "../selection.ts";

const flags = {
  "all-containers": { type: "boolean", help: "Get all containers' logs in the pod(s)." },
  "all-pods": { type: "boolean", help: "Get logs from all pod(s). Sets prefix to true." },
  container: { type: "string", short: "c", help: "Print the logs of this container" },
  follow: { type: "boolean", short: "f", help: "Specify if the logs should be streamed." },
  "ignore-errors": {
    type: "boolean",
    help: "If watching / following pod logs, allow for any errors that occur to be non-fatal",
  },
  "limit-bytes": { type: "number", default: 0, help: "Maximum bytes of logs to return. Defaults to no limit." },
  "max-log-requests": {
    type: "number",
    default: 5,
    help: "Specify maximum number of concurrent logs to follow when using by a selector.",
  },
  prefix: { type: "boolean", help: "Prefix each log line with the log source (pod name and container name)" },
  previous: {
    type: "boolean",
    short: "p",
    help: "If true, print the logs for the previous instance of the container in a pod if it exists.",
  },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on." },
  since: { type: "string", default: "0s", help: "Only return logs newer than a relative duration like 5s, 2m, or 3h." },
  "since-time": { type: "string", default: "", help: "Only return logs after a specific date (RFC3339)." },
  tail: { type: "number", default: -1, help: "Lines of recent log file to display." },
  timestamps: { type: "boolean", help: "Include timestamps on each line in the log output" },
} as const satisfies FlagTable;

type LogsRun = Run<typeof flags>;

interface Source {
  readonly pod: Pod;
  readonly container: string;
}

export const logs = defineCommand({
  usage: "logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER] [options]",
  summary: "Print the logs for a container in a pod or specified resource.",
  examples: [
    "kubectl logs nginx",
    "kubectl logs -f deployment/web --all-containers",
    "kubectl logs -l app=web --tail=20",
  ],
  flags,
  async run(run) {
    checkLine(run);
    const cluster = await run.cluster();
    const sources = await sourcesOf(run, cluster);
    const prefix = run.flags.prefix || run.flags["all-pods"];
    if (!run.flags.follow || sources.length === 1) {
      for (const source of sources) await tolerant(run, () => print(run, cluster, source, prefix));
      return;
    }
    const most = run.flags["max-log-requests"];
    if (sources.length > most) {
      throw new CommandError(
        `you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${most}, use --max-log-requests to increase the limit`,
      );
    }
    await Promise.all(sources.map((source) => tolerant(run, () => print(run, cluster, source, prefix))));
  },
});

function checkLine({ args, flags: given }: LogsRun): void {
  if (args.length === 0 && given.selector === "") {
    throw new CommandError(
      "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples",
    );
  }
  if (args.length > 0 && given.selector !== "") throw new CommandError("only a selector (-l) or a POD name is allowed");
  if (given["since-time"] !== "" && given.since !== "0s")
    throw new CommandError("at most one of `sinceTime` or `sinceSeconds` may be specified");
  if (given["all-containers"] && given.container !== undefined)
    throw new CommandError("--all-containers=true should not be specified with container name");
  if (given.tail < -1) throw new CommandError("--tail must be greater than or equal to -1");
}

async function sourcesOf(run: LogsRun, cluster: Cluster): Promise<Source[]> {
  const { args, flags: given } = run;
  const [name = "", container] = args;
  const asked = given.container ?? container;
  if (given.selector !== "") {
    const type = resolveType(await cluster.discovery(), "pods");
    const pods = await listAll(cluster, type, cluster.namespace, { selector: given.selector });
    if (pods.length === 0) run.err(`No resources found in ${cluster.namespace} namespace.\n`);
    return pods.flatMap(({ object }) => containersOf(run, object as unknown as Pod, asked));
  }
  const found = await findOne(cluster, [name]).catch((error: unknown) => {
    throw isNotFound(error)
      ? new CommandError(
          `error from server (NotFound): ${error.message} in namespace ${JSON.stringify(cluster.namespace)}`,
        )
      : error;
  });
  const pods = await podsBehind(cluster, found);
  if (pods.length === 0) throw new CommandError(`timed out waiting for the condition`);
  if (given["all-pods"]) return pods.flatMap((pod) => containersOf(run, pod, asked));
  if (pods.length > 1) run.err(`Found ${pods.length} pods, using pod/${pods[0]!.metadata.name}\n`);
  return containersOf(run, pods[0]!, asked);
}

function containersOf(run: LogsRun, pod: Pod, asked: string | undefined): Source[] {
  if (!run.flags["all-containers"]) {
    try {
      return [{ pod, container: chooseContainer(pod, asked, run.err).name }];
    } catch (error) {
      if (asked === undefined) throw error;
      throw new CommandError(`container ${asked} is not valid for pod ${pod.metadata.name}`);
    }
  }
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  return ([...initContainers, ...containers] as Container[]).map(({ name }) => ({ pod, container: name }));
}

async function tolerant(run: LogsRun, print_: () => Promise<void>): Promise<void> {
  try {
    await print_();
  } catch (error) {
    if (!run.flags["ignore-errors"]) throw error;
    run.err(`error: ${(error as Error).message}\n`);
  }
}

function queryOf({ flags: given }: LogsRun, container: string): Record<string, string> {
  const since = goDuration(given.since);
  const tail = given.tail >= 0 ? given.tail : given.selector !== "" ? 10 : -1;
  const rows: readonly [string, string | undefined][] = [
    ["container", container],
    ["follow", given.follow ? "true" : undefined],
    ["previous", given.previous ? "true" : undefined],
    ["timestamps", given.timestamps ? "true" : undefined],
    ["sinceSeconds", since > 0 ? String(Math.ceil(since / 1000)) : undefined],
    ["sinceTime", given["since-time"] || undefined],
    ["tailLines", tail >= 0 ? String(tail) : undefined],
    ["limitBytes", given["limit-bytes"] > 0 ? String(given["limit-bytes"]) : undefined],
  ];
  return Object.fromEntries(rows.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

async function print(run: LogsRun, cluster: Cluster, { pod, container }: Source, prefix: boolean): Promise<void> {
  const type = resolveType(await cluster.discovery(), "pods");
  const { namespace, name } = pod.metadata;
  const path = resourcePath(type, namespace, name, "log");
  const chunks = cluster.stream({ method: "GET", path, query: queryOf(run, container) });
  const write = writer(run);
  if (!prefix) {
    for await (const chunk of chunks) await write(chunk);
    return;
  }
  const before = Buffer.from(`[pod/${name}/${container}] `);
  for await (const line of linesOf(chunks)) await write(Buffer.concat([before, line]));
}

/** Bytes as they are, at the pace of who reads them. */
function writer({ io }: LogsRun): (chunk: Uint8Array) => Promise<void> {
  return async (chunk) => {
    if (io.stdout.write(chunk)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        io.stdout.off("drain", done).off("close", done);
        resolve();
      };
      io.stdout.on("drain", done).on("close", done);
    });
  };
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
    }
  }
  if (rest.length > 0) yield Buffer.concat([rest, Buffer.from("\n")]);
}
