/**
 * Services: how long the service proxy takes to program the kernel, and what a first packet costs, beside how many
 * Services there are.
 *
 * The proxy is a process in a network namespace of its own, told of its objects by its input, so that only its own work
 * is measured: from an object's change to the rule in the kernel. First packets are new connections to an endpoint in
 * another namespace, through a Service and straight.
 */
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { canMakeNamespaces, createNamespaces, type Namespace } from "../harness/namespaces.ts";
import type { Measurement, MeasurementContext } from "./bench.ts";
import { percentile } from "./measured.ts";
import { atMost, median, type Row } from "./report.ts";

const PROXY = join(import.meta.dirname, "../harness/proxy-node.ts");
const CLIENT = join(import.meta.dirname, "connects.ts");
const ENDPOINT = "10.42.1.2";
/** Endpoints of each Service; the first one of the measured Service is there. */
const ENDPOINTS = 3;
const APART_MS = 200;

export const serviceProgramming: Measurement = {
  name: "services",
  summary: "programming of Services, first packets through them",
  unable: () => (canMakeNamespaces ? undefined : "it takes root, ip and nft"),
  async run(context) {
    const counts = context.quick ? [10, 1_000] : [10, 1_000, 10_000];
    const rows: Row[] = [];
    const packets: { count: number; times: number[] }[] = [];
    let straight: number[] = [];
    for (const count of counts) {
      context.say(`${count} Services`);
      const found = await round(count, context);
      straight = [...straight, ...found.straight];
      packets.push({ count, times: found.through });
      const largest = count === 10_000;
      rows.push({
        what: `${count} Services: cold full sync`,
        value: found.coldMs / 1000,
        unit: "s",
        aim: largest ? atMost(10) : undefined,
        note: `again by a new process, nothing to write: ${(found.againMs / 1000).toFixed(2)} s`,
      });
      rows.push({
        what: `${count} Services: change of an endpoint ► rules in place, p50`,
        value: percentile(found.changes, 0.5),
        unit: "ms",
        aim: largest ? atMost(50) : undefined,
        note: `p99 ${percentile(found.changes, 0.99).toFixed(1)} ms of ${found.changes.length}; changes apart from one another`,
      });
    }
    const few = median(packets[0]?.times ?? []);
    const first = packets.map(({ count, times }): Row => {
      const note = `p99 ${percentile(times, 0.99).toFixed(3)} ms; straight ${median(straight).toFixed(3)} ms`;
      const reference = { name: "at 10 Services", value: few };
      return {
        what: `new connection through one of ${count} Services`,
        value: median(times),
        unit: "ms",
        reference,
        note,
      };
    });
    return [
      { title: "Services: programming", rows },
      { title: "Services: first packet (connect, p50)", rows: first },
    ];
  },
};

async function round(count: number, { quick, signal }: MeasurementContext) {
  const spaces = createNamespaces();
  try {
    const [node, pod] = network(spaces);
    const server = pod.start(
      process.execPath,
      "-e",
      `require("net").createServer(c=>c.end()).listen(8080,()=>console.log("up"))`,
    );
    await new Promise((resolve) => server.stdout?.once("data", resolve));
    const services = Array.from({ length: count }, (_, index) => service(index));
    const slices = Array.from({ length: count }, (_, index) => slice(index, 0));
    const all = `${JSON.stringify({ services, endpointslices: slices, pods: [], nodes: [] })}\n`;

    let proxy = startProxy(node);
    proxy.tell(all);
    const coldMs = await proxy.until("service rules stand");
    const changes: number[] = [];
    for (let change = 1; change <= (quick ? 10 : 50); change++) {
      await clock.sleep(APART_MS, signal); // what comes soon after another change waits for it
      proxy.tell(`${JSON.stringify({ changed: { endpointslices: [slice(1 + (change % (count - 1)), change)] } })}\n`);
      changes.push(await proxy.until("written"));
    }
    const times = (host: string, port: number) =>
      JSON.parse(
        node.run(process.execPath, "--disable-warning=ExperimentalWarning", CLIENT, host, String(port), "400"),
      ) as number[];
    const through = times(addressOf(0), 80);
    const straight = times(ENDPOINT, 8080);
    proxy.kill();
    proxy = startProxy(node);
    proxy.tell(all);
    const againMs = await proxy.until("service rules stand");
    return { coldMs, againMs, changes, through, straight };
  } finally {
    await spaces.dispose();
  }
}

function network(spaces: ReturnType<typeof createNamespaces>): readonly [Namespace, Namespace] {
  const [node, pod] = [spaces.make("bench-node"), spaces.make("bench-pod")];
  spaces.link(pod, "eth0", node, "to-pod");
  node.sh(`ip addr add 10.42.1.1/24 dev to-pod; ip route add 10.43.0.0/16 dev to-pod src 10.42.1.1`);
  pod.sh(`ip addr add ${ENDPOINT}/24 dev eth0; ip route add default via 10.42.1.1`);
  return [node, pod];
}

/** `until` resolves with the milliseconds since `tell`: reading the objects is part of it, as it is from the API. */
function startProxy(node: Namespace) {
  const child: ChildProcess = node.start(
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    PROXY,
    "here",
    "10.42.0.0/16",
  );
  const waiting = new Map<string, (ms: number) => void>();
  let told = 0;
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const { event, error } = JSON.parse(line) as { event: string; error?: unknown };
    if (error) process.stderr.write(`${line}\n`);
    waiting.get(event)?.(clock.monotonic() - told);
    waiting.delete(event);
  });
  return {
    tell(text: string) {
      told = clock.monotonic();
      child.stdin?.write(text);
    },
    until: (event: string) => new Promise<number>((resolve) => waiting.set(event, resolve)),
    kill: () => void child.kill("SIGKILL"),
  };
}

const addressOf = (index: number) => `10.43.${100 + Math.floor(index / 250)}.${1 + (index % 250)}`;

const meta = (name: string, revision: number, more: object = {}) => ({
  name,
  namespace: "bench",
  uid: name,
  resourceVersion: String(revision),
  creationTimestamp: "2026-01-01T00:00:00Z",
  ...more,
});

const service = (index: number) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(`s-${index}`, 1),
  spec: { clusterIP: addressOf(index), clusterIPs: [addressOf(index)], ipFamilies: ["IPv4"], ports: [{ port: 80 }] },
});

/** Each change replaces one endpoint. The first Service's are all the one that answers. */
const slice = (index: number, change: number) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: meta(`s-${index}`, change + 1, { labels: { "kubernetes.io/service-name": `s-${index}` } }),
  addressType: "IPv4",
  ports: [{ port: 8080 }],
  endpoints: Array.from({ length: index === 0 ? 1 : ENDPOINTS }, (_, at) => ({
    addresses: [index === 0 ? ENDPOINT : `10.42.${2 + at + (at === 0 ? change % 200 : 0)}.${1 + (index % 250)}`],
    conditions: { ready: true },
    nodeName: "there",
  })),
});
