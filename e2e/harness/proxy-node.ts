/**
 * Proxy node: a process that is the service proxy of one network namespace, told of Services and endpoints on its input
 * (told-informers.ts). It writes its log on its output. Arguments: name of the node, the cluster's Pod ranges.
 */
import { runServiceProxy } from "../../kubelet/proxy/service-proxy.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { createLogger } from "../../machinery/process/logging.ts";
import { toldInformers } from "./told-informers.ts";

const [nodeName = "", clusterCIDR = ""] = process.argv.slice(2);
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
