/**
 * Network node: a process that does for one network namespace what an agent does for a machine's Pod network.
 *
 * It is told the cluster's nodes as lines of JSON on its input, and writes its log on its output. Arguments: name of
 * the node, home, how many times faster than usual its clock goes.
 */
import { createInterface } from "node:readline";
import { bridgeNetwork } from "../../kubelet/network/bridge-network.ts";
import { runNodeRoutes } from "../../kubelet/network/node-routes.ts";
import { type Change, keyOf } from "../../machinery/client/informer.ts";
import { createObjectCache } from "../../machinery/client/object-cache.ts";
import type { Informers } from "../../machinery/client/shared-informers.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import { type Clock, systemClock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { createLogger } from "../../machinery/process/logging.ts";

const [nodeName = "", home = "", speed = "1"] = process.argv.slice(2);
const write = (line: string) => void process.stdout.write(line);
const clock: Clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() * Number(speed),
  after: (ms, fn, options) => systemClock.after(ms / Number(speed), fn, options),
};
const log = createLogger({ component: nodeName, clock, write });
const signal = new AbortController().signal;

const cache = createObjectCache<Node>();
const subscribers = new Set<(change: Change<Node>) => void>();
const first = Promise.withResolvers<void>();
const informer = {
  ...cache,
  subscribe(onChange: (change: Change<Node>) => void) {
    subscribers.add(onChange);
    return () => void subscribers.delete(onChange);
  },
  synced: () => first.promise,
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const nodes = JSON.parse(line) as readonly Node[];
  const names = new Set(nodes.map(keyOf));
  const gone = [...cache.keys()].filter((key) => !names.has(key)).flatMap((key) => cache.remove(key));
  const changes = [...gone, ...nodes.flatMap((node) => cache.put(node))];
  for (const change of changes) for (const subscriber of subscribers) subscriber(change);
  first.resolve();
});

await first.promise;
const own = cache.get(nodeName) as Node;
const podCIDRs = own.spec?.podCIDRs ?? [];
const paths = homePaths(home);
await bridgeNetwork({
  paths,
  clusterCIDR: "10.42.0.0/16,fd00:42::/48",
  serviceCIDR: "10.43.0.0/16,fd00:43::/112",
  nodeAddress: own.status?.addresses?.[0]?.address ?? "",
}).prepareNode({ nodeName, podCIDR: podCIDRs[0] ?? "", podCIDRs, log, signal });
const report = (_: Node, message: string) => log.warn("reported", { message });
const informers = { of: () => informer } as unknown as Informers;
await runNodeRoutes({ informers, clock, log, signal, nodeName, paths, report });
