import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Child, startChild } from "../../e2e/bench/child.ts";
import { eventually } from "../../e2e/harness/cluster.ts";
import type { Place } from "../../e2e/harness/endpoint.ts";
import type { PodWish } from "../../e2e/harness/policy-node.ts";
import { network } from "./policy.fixture.ts";

/**
 * One node in a network namespace, with a bridge; three Pods on it and someone outside, each a process in a
 * namespace of its own. The Service 10.43.0.5:80 leads to the server's port 8080.
 */
const ADDRESSES = { client: "10.42.0.2", server: "10.42.0.3", stranger: "10.42.0.4", outside: "192.0.2.2" } as const;
type Name = keyof typeof ADDRESSES;
const SIX = { client: "fd00:42::2", server: "fd00:42::3" } as const;

const harness = (name: string) => join(import.meta.dirname, "..", "..", "e2e", "harness", name);
const apart = (file: string) => startChild(harness(file), ["unshare", "--net"]);
const inside = ({ pid }: Child, script: string) =>
  execFileSync("nsenter", ["-t", String(pid), "-n", "sh", "-ec", script], { encoding: "utf8", stdio: "pipe" });

const started: Child[] = [];
let node: Child;
let ends: Record<Name, Child>;

const within = (child: Child) => {
  started.push(child);
  return child;
};

beforeAll(async () => {
  if (!network.whole) return;
  node = within(apart("policy-node.ts"));
  ends = {
    client: within(apart("endpoint.ts")),
    server: within(apart("endpoint.ts")),
    stranger: within(apart("endpoint.ts")),
    outside: within(apart("endpoint.ts")),
  };
  // Whoever answers has been born into its namespace.
  await Promise.all([node.call("begin"), ...Object.values(ends).map((end) => listening(end))]);
  inside(
    node,
    `ip link set lo up; ip link add k8ts0 type bridge; ip addr add 10.42.0.1/24 dev k8ts0; ip -6 addr add fd00:42::1/64 dev k8ts0 nodad; ip link set k8ts0 up
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables || :
    nft 'table ip nat {
      chain to { type nat hook prerouting priority dstnat ; ip daddr 10.43.0.5 tcp dport 80 dnat to 10.42.0.3:8080 ; }
      chain back { type nat hook postrouting priority srcnat ; ct status dnat ip saddr 10.42.0.3 ip daddr 10.42.0.3 masquerade ; }
    }'`,
  );
  for (const name of ["client", "server", "stranger"] as const) plug(ends[name], name);
  inside(
    node,
    `ip link add up0 type veth peer name eth0 netns ${ends.outside.pid}; ip addr add 192.0.2.1/24 dev up0; ip link set up0 up`,
  );
  inside(
    ends.outside,
    "ip link set lo up; ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up; ip route add default via 192.0.2.1",
  );
  await node.call("namespace", { name: "lab", labels: {} });
  await pod({ name: "client", labels: { app: "client" }, addresses: [ADDRESSES.client, SIX.client] });
  const ports = [{ name: "http", containerPort: 8080 }];
  await pod({ name: "server", labels: { app: "server" }, addresses: [ADDRESSES.server, SIX.server], ports });
  await pod({ name: "stranger", namespace: "lab", labels: { app: "client" }, addresses: [ADDRESSES.stranger] });
}, 60_000);

afterAll(() => Promise.all(started.map((child) => child.stop())));

const pod = (wish: PodWish) => node.call("pod", wish);
const policy = (name: string, spec: object) => node.call("policy", { name, spec });

async function listening(end: Child): Promise<void> {
  await end.call("listen", 8080);
  await end.call("listen", 9090);
}

function plug(end: Child, name: keyof typeof ADDRESSES): void {
  const number = ADDRESSES[name].split(".").at(-1);
  inside(
    node,
    `ip link add port${number} type veth peer name eth0 netns ${end.pid}; ip link set port${number} master k8ts0; ip link set port${number} type bridge_slave hairpin on; ip link set port${number} up`,
  );
  inside(
    end,
    `ip link set lo up; ip addr add ${ADDRESSES[name]}/24 dev eth0; ip -6 addr add fd00:42::${number}/64 dev eth0 nodad; ip link set eth0 up; ip route add default via 10.42.0.1`,
  );
}

const SERVICE: Place = { address: "10.43.0.5", port: 80 };
const server = (port: number, protocol: "tcp" | "udp" = "tcp"): Place => ({
  address: ADDRESSES.server,
  port,
  protocol,
});

/** Waits until each of the places is reached, or not, as it is said. */
async function reached(...wanted: readonly (readonly [from: Name, to: Place, reached: boolean])[]): Promise<void> {
  await eventually(
    "traffic to be as policies ask",
    async () => {
      const found = await Promise.all(wanted.map(([from, to]) => ends[from].call<boolean>("reach", to)));
      expect(wanted.map(([from, to], index) => [from, to, found[index]])).toEqual(wanted);
    },
    15_000,
  );
}

const toServer = { podSelector: { matchLabels: { app: "server" } } };
const clients = { podSelector: { matchLabels: { app: "client" } } };

describe.runIf(network.whole)("network policies on a node", () => {
  test("without policies everybody is reached, and there is no table", async () => {
    await reached(
      ["client", server(8080), true],
      ["client", { address: SIX.server, port: 8080 }, true],
      ["stranger", server(8080, "udp"), true],
      ["outside", server(8080), true],
      ["client", SERVICE, true],
      ["server", SERVICE, true],
    );
    expect(inside(node, "nft list tables")).not.toContain("k8ts-policy");
  });

  test("a Pod that is closed is reached by its node and by itself alone, and speaks freely", async () => {
    await ends.client.call("open", server(9090));
    await policy("server", { ...toServer, policyTypes: ["Ingress"] });
    await reached(
      ["client", server(8080), false],
      ["client", { address: SIX.server, port: 8080 }, false],
      ["stranger", server(8080, "udp"), false],
      ["outside", server(8080), false],
      ["client", SERVICE, false],
      ["server", SERVICE, true],
      ["server", { address: ADDRESSES.client, port: 8080 }, true],
      ["server", { address: SIX.client, port: 8080 }, true],
      ["server", { address: ADDRESSES.outside, port: 9090, protocol: "udp" }, true],
      ["client", { address: ADDRESSES.stranger, port: 8080 }, true],
    );
    inside(node, "bash -c 'exec 3<>/dev/tcp/10.42.0.3/8080'");
    expect(await ends.client.call("speak", server(9090))).toBe(true); // was let in before
  });

  test("Pods of its namespace with a label come in by the port's name", async () => {
    await policy("server", { ...toServer, ingress: [{ from: [clients], ports: [{ port: "http" }] }] });
    await reached(
      ["client", server(8080), true],
      ["client", { address: SIX.server, port: 8080 }, true],
      ["client", SERVICE, true],
      ["client", server(9090), false],
      ["client", server(8080, "udp"), false],
      ["stranger", server(8080), false],
      ["outside", server(8080), false],
    );
  });

  test("labels of Pods and namespaces are followed", async () => {
    const team = { namespaceSelector: { matchLabels: { team: "lab" } }, ...clients };
    await policy("server", { ...toServer, ingress: [{ from: [clients, team] }] });
    await reached(["client", server(9090), true], ["stranger", server(8080), false]);
    await node.call("namespace", { name: "lab", labels: { team: "lab" } });
    await node.call("label", { name: "client", labels: { app: "other" } });
    await reached(["client", server(9090), false], ["stranger", server(8080), true], ["stranger", SERVICE, true]);
    await node.call("label", { name: "client", labels: { app: "client" } });
    await node.call("namespace", { name: "lab", labels: { team: "none" } });
    await reached(["client", server(9090), true], ["stranger", server(8080), false]);
  });

  test("ranges but parts of them, and ports from one to another", async () => {
    const block = (cidr: string, ...except: string[]) => ({ from: [{ ipBlock: { cidr, except } }] });
    await policy("server", { ...toServer, ingress: [block("192.0.2.0/24", "192.0.2.2/32"), block("10.42.0.4/30")] });
    await reached(["outside", server(8080), false], ["client", server(8080), false], ["stranger", server(8080), true]);
    const ports = [{ port: 9000, endPort: 9100 }];
    await policy("server", { ...toServer, ingress: [{ ...block("192.0.2.0/24", "192.0.2.128/25"), ports }] });
    await reached(["outside", server(8080), false], ["outside", server(9090), true], ["stranger", server(9090), false]);
  });

  test("what leaves is bound as well, but not towards the own node", async () => {
    await node.call("forget", "server");
    await policy("client", {
      podSelector: { matchLabels: { app: "client" } },
      policyTypes: ["Egress"],
      egress: [{ to: [toServer], ports: [{ port: 8080, protocol: "UDP" }, { port: "http" }] }],
    });
    await reached(
      ["client", server(8080), true],
      ["client", SERVICE, true],
      ["client", server(8080, "udp"), true],
      ["client", server(9090), false],
      ["client", { address: ADDRESSES.outside, port: 8080 }, false],
      ["client", { address: ADDRESSES.stranger, port: 8080 }, false],
      ["stranger", { address: ADDRESSES.client, port: 8080 }, true],
      ["stranger", { address: ADDRESSES.outside, port: 8080 }, true],
    );
  });

  test("a Pod is bound before the cluster knows its address", async () => {
    await policy("all", { podSelector: { matchLabels: { app: "late" } }, policyTypes: ["Ingress"] });
    const late = within(apart("endpoint.ts"));
    await listening(late);
    inside(
      node,
      `ip link add port9 type veth peer name eth0 netns ${late.pid}; ip link set port9 master k8ts0; ip link set port9 up`,
    );
    await node.call("arrive", { name: "late", labels: { app: "late" }, addresses: ["10.42.0.9"] });
    inside(late, "ip addr add 10.42.0.9/24 dev eth0; ip link set eth0 up; ip route add default via 10.42.0.1");
    expect(await ends.stranger.call("reach", { address: "10.42.0.9", port: 8080 })).toBe(false);
    expect(await late.call("reach", { address: ADDRESSES.stranger, port: 8080 })).toBe(true);
  });

  test("tables that somebody took away are written again with the next change", async () => {
    inside(node, "nft flush ruleset");
    await policy("server", { ...toServer, policyTypes: ["Ingress"] });
    await reached(["stranger", server(8080), false], ["client", server(8080), false], ["server", SERVICE, false]);
  });

  test("an agent that is restarted leaves everything bound, and takes up what changed meanwhile", async () => {
    await node.call("end");
    await reached(["stranger", server(8080), false]);
    for (const name of ["server", "client", "all"]) await node.call("forget", name);
    expect(await ends.stranger.call("reach", server(8080))).toBe(false);
    await node.call("begin");
    await reached(["stranger", server(8080), true], ["client", server(9090), true]);
    await eventually("the table to go", async () =>
      expect(inside(node, "nft list tables")).not.toContain("k8ts-policy"),
    );
  });
});
