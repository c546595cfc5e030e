/**
 * Network node: a process that does for one network namespace what an agent does for a machine's Pod network.
 *
 * It is told the cluster's nodes on its input (told-informers.ts), and writes its log on its output. Arguments: name of
 * the node, home, how many times faster than usual its clock goes.
 */
import { bridgeNetwork } from "../../kubelet/network/bridge-network.ts";
import { runNodeRoutes } from "../../kubelet/network/node-routes.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { createLogger } from "../../machinery/process/logging.ts";
import { fastClock } from "./fast-clock.ts";
import { toldInformers } from "./told-informers.ts";

const [nodeName = "", home = "", speed = "1"] = process.argv.slice(2);
const write = (line: string) => void process.stdout.write(line);
const clock = fastClock(Number(speed));
const log = createLogger({ component: nodeName, clock, write });
const signal = new AbortController().signal;

const informers = toldInformers(process.stdin);
await informers.of("nodes").synced();
const own = informers.of("nodes").get(nodeName) as Node;
const clusterCIDR = "10.42.0.0/16,fd00:42::/48";
const podCIDRs = own.spec?.podCIDRs ?? [];
const paths = homePaths(home);
await bridgeNetwork({
  paths,
  clusterCIDR,
  serviceCIDR: "10.43.0.0/16,fd00:43::/112",
  nodeAddress: own.status?.addresses?.[0]?.address ?? "",
}).prepareNode({ nodeName, podCIDR: podCIDRs[0] ?? "", podCIDRs, log, signal });
const report = (_: Node, message: string) => log.warn("reported", { message });
await runNodeRoutes({ informers, clock, log, signal, nodeName, paths, clusterCIDR, report });
