/**
 * Machine bridge: the link between the machines of `up --nodes` and this computer, which is their router.
 *
 * What leaves it for elsewhere is masqueraded, so that images can be pulled. All of it may be done again at
 * any time. Pod networks of the nodes themselves are network/'s concern.
 */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { NODES_LINK } from "../machinery/machines/local-nodes.ts";
import { defineComponent } from "../machinery/process/component.ts";
import { forgetDockerForward, letDockerForward } from "./network/docker.ts";
import { hasLink } from "./network/links.ts";
import { environment, nft } from "./network/nft.ts";

const run = promisify(execFile);
const { bridge, cidr, bits, gateway } = NODES_LINK;
const TABLE = "k8ts-nodes";

export const prepareMachineCommand = defineComponent({
  name: "prepare-machine",
  command: true,
  summary: "Makes the link that a machine of up --nodes hangs on (run by the supervisor).",
  flags: { directory: { type: "string", value: "DIRECTORY", help: "of the machine: made where it is missing" } },
  async run({ directory }, { log }) {
    if (directory !== undefined) await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
    if (!hasLink(bridge))
      await ip("link", "add", bridge, "type", "bridge").catch((error: unknown) => {
        if (!hasLink(bridge)) throw error; // another machine's preparation was faster
      });
    await ip("address", "replace", `${gateway}/${bits}`, "dev", bridge);
    await ip("link", "set", bridge, "up");
    await nft(MASQUERADE);
    await letDockerForward(bridge, log);
  },
});

const MASQUERADE = `add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  chain postrouting {
    type nat hook postrouting priority srcnat ;
    ip saddr ${cidr} oifname != "${bridge}" masquerade
  }
}
`;

/** For `down`, after the machines have ended. */
export async function sweepMachineBridge(): Promise<void> {
  if (hasLink(bridge)) await ip("link", "delete", bridge);
  await nft(`add table ip ${TABLE}\ndelete table ip ${TABLE}\n`);
  await forgetDockerForward(bridge);
}

async function ip(...args: string[]): Promise<void> {
  await run("ip", args, { env: environment() });
}
