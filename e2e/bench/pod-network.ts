/**
 * Pod network: throughput and round trips between Pods of one node, of two on a link, of two with a router between, and
 * through a Service, beside a bare veth.
 *
 * Pods and machines are network namespaces; what an agent does to them is done by the same code as in an agent. All
 * take turns in short rounds, each time in another order; a number is the median of its rounds, and a ratio that of the
 * rounds' ratios.
 */
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { canMakeNamespaces, createNamespaces, type Namespace } from "../harness/namespaces.ts";
import type { Measurement, MeasurementContext } from "./bench.ts";
import { atLeast, median, type Row } from "./report.ts";

const harness = (file: string) => join(import.meta.dirname, "../harness", file);
const NODE = ["--disable-warning=ExperimentalWarning"];
const MACHINES = { a: "192.0.2.11", b: "192.0.2.12", c: "198.51.100.13" } as const;
type Name = keyof typeof MACHINES;
const names = Object.keys(MACHINES) as Name[];
const podIp = (name: Name, last: number) => `10.42.${names.indexOf(name)}.${last}`;
const SERVICE = "10.43.0.5";
const ROUND_MS = 200;
const ROUNDS = 30;

interface Found {
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
}

interface Way {
  readonly what: string;
  readonly beside: string | undefined;
  readonly least?: number;
  measure(): Promise<Found>;
}

export const podNetwork: Measurement = {
  name: "network",
  summary: "throughput and round trips between Pods and through a Service",
  unable: () => (canMakeNamespaces ? undefined : "it takes root, ip and nft"),
  async run(context) {
    const spaces = createNamespaces();
    try {
      const ways = await build(spaces, context);
      const found = new Map<string, Found[]>(ways.map(({ what }) => [what, []]));
      for (let round = 0; round <= (context.quick ? 5 : ROUNDS); round++)
        for (const at of ways.keys()) {
          context.signal.throwIfAborted();
          const { what, measure } = ways[(at + round) % ways.length] as Way;
          const one = await measure();
          if (round > 0) found.get(what)?.push(one); // the first one warms up
        }
      const all = (what: string) => found.get(what) ?? [];
      const mid = (what: string, of: keyof Found) => median(all(what).map((one) => one[of]));
      const rows = ways.map(({ what, beside, least }): Row => {
        const reference = beside === undefined ? undefined : { name: beside, value: mid(beside, "bytes") / 1e6 };
        const ratio = beside === undefined ? undefined : ratioOfRounds(all(what), all(beside), "bytes");
        const trips = beside === undefined ? "" : `, ratio ${ratioOfRounds(all(what), all(beside), "p50").toFixed(2)}`;
        return {
          what,
          value: mid(what, "bytes") / 1e6,
          unit: "MB/s",
          reference,
          ratio,
          aim: least === undefined ? undefined : atLeast(least),
          note: `round trip p50 ${(mid(what, "p50") * 1000).toFixed(0)} µs${trips}, p99 ${(mid(what, "p99") * 1000).toFixed(0)} µs`,
        };
      });
      return [{ title: "Pod network: one connection", rows }];
    } finally {
      await spaces.dispose();
    }
  },
};

const ratioOfRounds = (these: readonly Found[], those: readonly Found[], of: keyof Found): number =>
  median(these.map((one, round) => one[of] / (those[round]?.[of] ?? Number.NaN)));

async function build(
  spaces: ReturnType<typeof createNamespaces>,
  context: MeasurementContext,
): Promise<readonly Way[]> {
  const router = spaces.make("router");
  router.sh(`echo 1 > /proc/sys/net/ipv4/ip_forward; ip link add lan type bridge; ip link set lan up
    ip addr add 192.0.2.1/24 dev lan`);
  const machines = new Map<Name, Namespace>();
  const pods = new Map<string, Namespace>();
  for (const name of names) {
    const machine = spaces.make(name);
    machines.set(name, machine);
    spaces.link(machine, "eth0", router, `to-${name}`);
    if (name === "c") router.run("ip", "addr", "add", "198.51.100.1/24", "dev", "to-c");
    else router.run("ip", "link", "set", `to-${name}`, "master", "lan");
    machine.sh(`ip addr add ${MACHINES[name]}/24 dev eth0
      ip route add default via ${name === "c" ? "198.51.100.1" : "192.0.2.1"}`);
  }
  await Promise.all(names.map((name) => agent(machines.get(name) as Namespace, name, context.directory)));
  for (const [name, last] of [
    ["a", 8],
    ["a", 9],
    ["b", 9],
    ["c", 9],
  ] as const) {
    const pod = spaces.make(`pod-${name}${last}`);
    const machine = machines.get(name) as Namespace;
    pods.set(`${name}${last}`, pod);
    const mtu = /mtu (\d+)/.exec(machine.run("ip", "link", "show", "k8ts0"))?.[1];
    spaces.link(pod, "eth0", machine, `pod${last}`, Number(mtu));
    machine.run("ip", "link", "set", `pod${last}`, "master", "k8ts0");
    pod.sh(`ip addr add ${podIp(name, last)}/24 dev eth0; ip route add default via 10.42.${names.indexOf(name)}.1`);
    if (last === 9) await serve(pod);
  }
  const bare = spaces.make("bare");
  const from = pods.get("a8") as Namespace;
  spaces.link(from, "bare0", bare, "eth0", 1450);
  from.run("ip", "addr", "add", "203.0.113.1/24", "dev", "bare0");
  bare.run("ip", "addr", "add", "203.0.113.2/24", "dev", "eth0");
  await serve(bare);
  const ask = sender(from);
  const to = (host: string) => () => ask(`${host} 8080 ${ROUND_MS}`);
  const through = await service(machines.get("a") as Namespace, podIp("a", 9));
  const [direct, served] = ["Pod to Pod, one node", "Pod to Pod, one node, through a Service"];
  return [
    { what: "bare veth", beside: undefined, measure: to("203.0.113.2") },
    { what: direct, beside: "bare veth", measure: to(podIp("a", 9)) },
    { what: served, beside: direct, least: 0.95, measure: to(through) },
    { what: "Pod to Pod, two nodes on a link", beside: "bare veth", measure: to(podIp("b", 9)) },
    { what: "Pod to Pod, two nodes, VXLAN", beside: "bare veth", measure: to(podIp("c", 9)) },
  ];
}

/** One process measures all ways, so that it is as warm for each. */
function sender(pod: Namespace): (line: string) => Promise<Found> {
  const child = pod.start(process.execPath, ...NODE, join(import.meta.dirname, "stream.ts"), "send");
  const answers = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return async (line) => {
    child.stdin?.write(`${line}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error("the measuring client ended");
    return JSON.parse(value) as Found;
  };
}

async function serve(pod: Namespace): Promise<void> {
  const child = pod.start(process.execPath, ...NODE, join(import.meta.dirname, "stream.ts"), "serve", "8080");
  await new Promise((resolve) => child.stdout?.once("data", resolve));
}

async function agent(machine: Namespace, name: Name, home: string): Promise<void> {
  const child = machine.start(process.execPath, ...NODE, harness("network-node.ts"), name, join(home, name), "1");
  const nodes = names.map((one, index) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: one, uid: one, resourceVersion: "1", creationTimestamp: "" },
    spec: { podCIDRs: [`10.42.${index}.0/24`] },
    status: { addresses: [{ type: "InternalIP", address: MACHINES[one] }] },
  }));
  const done = logged(child, "routes to other nodes written");
  child.stdin?.write(`${JSON.stringify({ nodes })}\n`);
  await done;
}

async function service(machine: Namespace, endpoint: string): Promise<string> {
  const child = machine.start(process.execPath, ...NODE, harness("proxy-node.ts"), "a", "10.42.0.0/16");
  const meta = { name: "s", namespace: "bench", uid: "s", resourceVersion: "1", creationTimestamp: "" };
  const spec = { clusterIP: SERVICE, clusterIPs: [SERVICE], ipFamilies: ["IPv4"], ports: [{ port: 8080 }] };
  const slice = {
    metadata: { ...meta, labels: { "kubernetes.io/service-name": "s" } },
    addressType: "IPv4",
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: [endpoint], conditions: { ready: true }, nodeName: "a" }],
  };
  const done = logged(child, "service rules stand");
  const told = { services: [{ metadata: meta, spec }], endpointslices: [slice], pods: [], nodes: [] };
  child.stdin?.write(`${JSON.stringify(told)}\n`);
  await done;
  return SERVICE;
}

function logged(child: ChildProcess, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if ((JSON.parse(line) as { event: string }).event === event) resolve();
    });
    child.once("exit", (code) => reject(new Error(`a part of the measured network ended with ${code}`)));
  });
}
