/** The processes of `up --nodes`: a server here, and a machine for each node that joins it like all others. */
import { expect, test } from "vitest";
import { homePaths } from "../process/home.ts";
import { type ClusterOptions, processTable } from "./process-table.ts";
import { USUAL_STOP_MS } from "./supervised-process.ts";
import { supervisorComponent } from "./supervisor.ts";

const options: ClusterOptions = {
  port: 6443,
  nodeName: "here",
  runtime: "containerd",
  separate: false,
  etcdServers: [],
};
const table = (change: Partial<ClusterOptions>) =>
  processTable({ ...options, ...change }, homePaths("/home/k8ts"), { node: "/bin/node", main: "/opt/main.ts" });

test("without --nodes this computer is the node", () => {
  expect(table({}).map(({ name }) => name)).toEqual(["server", "containerd", "agent", "dns"]);
});

test("the supervisor does not end before all that it keeps may have stopped, one after the other", () => {
  const times = table({ separate: true }).map(({ stopMs = USUAL_STOP_MS }) => stopMs);
  const all = times.reduce((sum, ms) => sum + ms, 0);
  expect(supervisorComponent.stopsLater?.({ main: undefined, tell: false })).toBeGreaterThanOrEqual(all);
});

test("with --nodes the server is reached by the machines, and each joins in a home of its own", () => {
  const [server, ...nodes] = table({ nodes: 2 });
  expect(server?.args).toEqual(expect.arrayContaining(["--no-agent", "--advertise-address", "10.44.0.1"]));
  expect(nodes.map(({ name }) => name)).toEqual(["node-1", "node-2"]);
  for (const [index, { name, args, prepare, ends }] of nodes.entries()) {
    expect(args).toEqual(
      expect.arrayContaining([
        `ADDRESS=10.44.0.${11 + index}/24`,
        `K8TS_HOME=/home/k8ts/nodes/${name}`,
        "https://10.44.0.1:6443",
        "/home/k8ts/nodes/token",
      ]),
    );
    expect(prepare?.args).toContain(`/home/k8ts/nodes/${name}/machine`);
    expect(ends?.(42)).toContain("42");
  }
});

test.each([false, true])("every process of a node knows the ranges of its cluster (separate: %s)", (separate) => {
  const facts = {
    clusterCidr: "10.1.0.0/16",
    serviceCidr: "10.2.0.0/16",
    clusterDns: "10.2.0.10",
    clusterDomain: "c.d",
  };
  const given = ["--cluster-cidr", "10.1.0.0/16", "--cluster-dns", "10.2.0.10", "--cluster-domain", "c.d"];
  for (const change of [{ joined: facts }, { agentFlags: given }]) {
    const processes = new Map(table({ separate, ...change }).map(({ name, args }) => [name, args.join(" ")]));
    expect(processes.get(separate ? "kubelet" : "agent")).toContain("--cluster-cidr 10.1.0.0/16");
    if (separate) expect(processes.get("proxy")).toContain("--cluster-cidr 10.1.0.0/16");
    expect(processes.get("dns")).toContain("--cluster-dns 10.2.0.10 --cluster-domain c.d");
  }
});
