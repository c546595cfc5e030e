/** kubectl version: this client's release and the server's. */
import { writeYaml } from "../../machinery/yaml-writer.ts";
import { defineCommand } from "../command.ts";
import { CommandError } from "../errors.ts";

/** The Kubernetes release whose kubectl this one follows. */
const client = { major: "1", minor: "36", gitVersion: "v1.36.0+k8ts", platform: `${process.platform}/${process.arch}` };

export const version = defineCommand({
  usage: "version [options]",
  summary: "Print the client and server version information for the current context.",
  flags: {
    client: { type: "boolean", help: "If true, shows client version only (no server required)." },
    output: { type: "string", short: "o", default: "", help: "One of 'yaml' or 'json'." },
  },
  async run({ flags, out, cluster }) {
    if (!["", "yaml", "json"].includes(flags.output)) throw new CommandError("--output must be 'yaml' or 'json'");
    const ask = async () => (await cluster()).request<{ gitVersion: string }>({ method: "GET", path: "/version" });
    const server = flags.client ? undefined : await ask();
    const whole = { clientVersion: client, ...(server ? { serverVersion: server } : {}) };
    if (flags.output === "json") return out(`${JSON.stringify(whole, undefined, 2)}\n`);
    if (flags.output === "yaml") return out(writeYaml(whole));
    out(`Client Version: ${client.gitVersion}\n`);
    if (server) out(`Server Version: ${server.gitVersion}\n`);
  },
});
