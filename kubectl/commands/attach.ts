/** kubectl attach: joins the streams of a container that runs. */
import { attachTo } from "../attaching.ts";
import { defineCommand } from "../command.ts";
import { CommandError } from "../errors.ts";
import { chooseContainer } from "../pods.ts";
import { podOf } from "./exec.ts";

export const attach = defineCommand({
  usage: "attach (POD | TYPE/NAME) -c CONTAINER [options]",
  summary: "Attach to a process that is already running inside an existing container.",
  flags: {
    container: { type: "string", short: "c", help: "Container name." },
    stdin: { type: "boolean", short: "i", help: "Pass stdin to the container" },
    tty: { type: "boolean", short: "t", help: "Stdin is a TTY" },
    quiet: { type: "boolean", short: "q", help: "Only print output from the remote session" },
  },
  async run(run) {
    const [name, ...more] = run.args;
    if (name === undefined) throw new CommandError("at least 1 argument is required for attach");
    if (more.length > 1) throw new CommandError("expected POD, TYPE/NAME, or TYPE NAME");
    const cluster = await run.cluster();
    const tell = run.flags.quiet ? () => {} : run.err;
    const pod = await podOf(cluster, more.length > 0 ? `${name}/${more[0]}` : name);
    const container = chooseContainer(pod, run.flags.container, tell);
    await attachTo(run, cluster, pod, container, run.flags);
  },
});
