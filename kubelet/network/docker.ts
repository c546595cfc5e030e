/**
 * Docker: lives beside a Docker that drops everything that it does not forward itself.
 *
 * Docker sets the FORWARD policy to drop; no accept in a table of ours can overrule that. Its own
 * door for others is the chain DOCKER-USER: one marked rule goes in, and sweep.ts takes it out.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "../../machinery/process/logging.ts";
import { environment } from "./nft.ts";

const run = promisify(execFile);

/** How we know the rule again. */
const COMMENT = "k8ts";

const rule = (direction: "-i" | "-o", bridge: string) => [
  direction,
  bridge,
  "-m",
  "comment",
  "--comment",
  COMMENT,
  "-j",
  "ACCEPT",
];

export async function letDockerForward(bridge: string, log: Logger): Promise<void> {
  if (!(await iptables("-n", "-L", "DOCKER-USER"))) return;
  for (const direction of ["-i", "-o"] as const) {
    if (await iptables("-C", "DOCKER-USER", ...rule(direction, bridge))) continue;
    if (await iptables("-I", "DOCKER-USER", ...rule(direction, bridge)))
      log.info("rule added to DOCKER-USER", { direction });
    else log.warn("Docker drops what Pods send: no rule could be added to DOCKER-USER");
  }
}

export async function forgetDockerForward(bridge: string): Promise<void> {
  for (const direction of ["-i", "-o"] as const) {
    while (await iptables("-D", "DOCKER-USER", ...rule(direction, bridge)));
  }
}

/** False where the call fails: no iptables, no such chain or rule. */
async function iptables(...args: string[]): Promise<boolean> {
  try {
    await run("iptables", ["-w", "5", ...args], { env: environment() });
    return true;
  } catch {
    return false;
  }
}
