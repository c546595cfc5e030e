/** kubectl exec: runs a command in a container, with its streams, terminal and exit code. */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { sessionQuery, terminalAtHand } from "../attaching.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { chooseContainer, findOne, podPath, podsBehind } from "../pods.ts";
import { runSession } from "../session.ts";

const flags = {
  container: { type: "string", short: "c", help: "Container name." },
  stdin: { type: "boolean", short: "i", help: "Pass stdin to the container" },
  tty: { type: "boolean", short: "t", help: "Stdin is a TTY" },
  quiet: { type: "boolean", short: "q", help: "Only print output from the remote session" },
} as const satisfies FlagTable;

export const exec = defineCommand({
  usage: "exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
  summary: "Execute a command in a container.",
  examples: ["kubectl exec mypod -- date", "kubectl exec -it deploy/web -c app -- sh"],
  flags,
  async run(run) {
    const { name, command } = lineOf(run);
    const cluster = await run.cluster();
    const tell = run.flags.quiet ? () => {} : run.err;
    const pod = await podOf(cluster, name);
    const container = run.flags.container ?? chooseContainer(pod, undefined, tell).name;
    const tty = run.flags.tty && terminalAtHand(run, tell);
    const options = { stdin: run.flags.stdin, stdout: true, stderr: !tty, tty };
    const query = sessionQuery(container, options);
    for (const word of command) query.append("command", word);
    await runSession(cluster, await podPath(cluster, pod, "exec", query), options, run.io);
  },
});

function lineOf({ args, dash }: Run<typeof flags>): { name: string; command: readonly string[] } {
  const [name] = args;
  if (dash === undefined && args.length > 1) {
    throw new CommandError(
      "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee 'kubectl exec -h' for help and examples",
    );
  }
  if (name === undefined || dash === 0) throw new CommandError("pod, type/name or --filename must be specified");
  const command = args.slice(dash ?? 1);
  if (command.length === 0) throw new CommandError("you must specify at least one command for the container");
  return { name, command };
}

/** The Pod that a command or a terminal goes to. */
export async function podOf(cluster: Cluster, name: string): Promise<Pod> {
  const [pod] = await podsBehind(cluster, await findOne(cluster, [name]));
  if (!pod) throw new CommandError(`no pods found for ${name}`);
  const phase = pod.status?.phase ?? "";
  if (phase === "Succeeded" || phase === "Failed") {
    throw new CommandError(`cannot exec into a container in a completed pod; current phase is ${phase}`);
  }
  return pod;
}
