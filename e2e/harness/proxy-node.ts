/**
 * Proxy node: a process that is the service proxy of one network namespace, told of Services and endpoints on its input
 * (told-informers.ts). It writes its log on its output. Arguments: name of the node, the cluster's Pod
 * ranges, how many times faster than usual its clock goes.
 */
import { runServiceProxy } from "../../kubelet/proxy/service-proxy.ts";
import { createLogger } from "../../machinery/process/logging.ts";
import { fastClock } from "./fast-clock.ts";
import { toldInformers } from "./told-informers.ts";

const [nodeName = "", clusterCIDR = "", speed = "1"] = process.argv.slice(2);
const clock = fastClock(Number(speed));
const log = createLogger({ component: "proxy", clock, write: (line) => void process.stdout.write(line) });
await runServiceProxy({
  informers: toldInformers(process.stdin),
  clock,
  log,
  signal: new AbortController().signal,
  nodeName,
  clusterCIDR,
  written: (ms) => log.info("written", { ms: Math.round(ms * 10) / 10 }),
});
