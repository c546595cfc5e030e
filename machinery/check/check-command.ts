/**
 * check: tests whether this machine can be a node or a server, and says for each thing what to do. The command behind `k8ts check`.
 *
 * Changes nothing. What a failed join asks for its reasons is `whatIsBad`.
 */
import { existsSync } from "node:fs";
import { connect } from "../client/connect.ts";
import { loadKubeconfig } from "../client/kubeconfig.ts";
import type { Clock } from "../process/clock.ts";
import { type ComponentContext, defineComponent } from "../process/component.ts";
import { homePaths } from "../process/home.ts";
import { probeDisk } from "./disk-probe.ts";
import { type Finding, findingsText } from "./finding.ts";
import { machineFacts } from "./machine-facts.ts";
import { judgeMachine } from "./machine-rules.ts";
import { probeOverlay } from "./overlay-probe.ts";
import { probePorts } from "./port-probe.ts";
import { probeServer } from "./server-probe.ts";

export class CheckFailed extends Error {
  override readonly name = "CheckFailed";
}

export const checkCommand = defineComponent({
  name: "check",
  command: true,
  summary:
    "Tests whether this machine can be a node or a server, and says what to do for each thing that is not right.",
  flags: {
    server: { type: "string", value: "URL", help: "also test the way to this server, and its clock" },
    port: { type: "number", default: 6443, help: "port that a server on this machine is to have" },
  },
  async run({ server, port }, context) {
    const paths = homePaths(context.home);
    const findings = [
      ...judgeMachine(await machineFacts(context.home)),
      await probeDisk(context.home, context.clock),
      ...(await probePorts(paths, port)),
      ...(server === undefined ? [] : await probeServer(server, context.clock)),
      ...(await lookAtOthers(context)),
    ];
    process.stdout.write(`${findingsText(findings)}\n`);
    const count = findings.filter(({ state }) => state === "bad").length;
    if (count > 0) throw new CheckFailed(`${count} of ${findings.length} checks failed`);
  },
});

/** What of the machine stands in the way, for somebody whose machine could not join. */
export async function whatIsBad(home: string, server: string, clock: Clock): Promise<readonly Finding[]> {
  const findings = [...judgeMachine(await machineFacts(home)), ...(await probeServer(server, clock))];
  return findings.filter(({ state }) => state === "bad");
}

/** Only a node that has joined knows the others: its proxy may see them all, its kubelet itself alone. */
async function lookAtOthers({ home, clock, log, signal }: ComponentContext): Promise<readonly Finding[]> {
  const paths = homePaths(home);
  const [own, all] = [paths.kubeconfig("kubelet"), paths.kubeconfig("proxy")];
  if (!existsSync(own) || !existsSync(all)) return [];
  const [user] = (await loadKubeconfig([own])).users;
  const self = user?.name.replace(/^system:node:/, "") ?? "";
  const client = await connect({ kubeconfig: all, clock, log, signal });
  try {
    const { items } = await client.list("nodes");
    return await probeOverlay({ nodes: items, self, clock });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [{ name: "other nodes", state: "poor", found: `not looked at: ${why}`, advice: "look at k8ts logs agent" }];
  } finally {
    await client.transport.close();
  }
}
