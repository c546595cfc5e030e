import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canMakeNamespaces, createNamespaces, type Namespace } from "../../e2e/harness/namespaces.ts";
import { systemClock } from "../../machinery/process/clock.ts";

/** Three machines: a and b share a link, c is behind a router. Each has one Pod. */
describe.runIf(canMakeNamespaces)("the Pod network between machines", () => {
  const spaces = createNamespaces();
  const home = mkdtempSync(join(tmpdir(), "k8ts-net-"));
  const machines = new Map<string, Namespace>();
  const pods = new Map<string, Namespace>();
  const said: string[] = [];
  const agents = new Map<string, ChildProcess>();
  const addresses: Readonly<Record<string, string>> = { a: "192.0.2.11", b: "192.0.2.12", c: "198.51.100.13" };
  const names = Object.keys(addresses);
  const podIp = (name: string, family = 4) =>
    family === 4 ? `10.42.${names.indexOf(name)}.9` : `fd00:42:0:${names.indexOf(name)}::9`;

  const nodes = names.map((name, index) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "" },
    spec: { podCIDRs: [`10.42.${index}.0/24`, `fd00:42:0:${index}::/64`] },
    status: {
      addresses: [{ type: "InternalIP", address: addresses[name] }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  }));

  const of = (map: Map<string, Namespace>, name: string) => map.get(name) as Namespace;
  const startAgent = (name: string, speed = 1) => {
    const args = [
      "--disable-warning=ExperimentalWarning",
      join(import.meta.dirname, "../../e2e/harness/network-node.ts"),
    ];
    const agent = of(machines, name).start(process.execPath, ...args, name, join(home, name), String(speed));
    agent.stdin?.write(`${JSON.stringify({ nodes })}\n`);
    agents.set(name, agent);
    agent.stdout?.on("data", (text: Buffer) => said.push(String(text)));
    return agent;
  };
  const untilLogged = (agent: ChildProcess, event: string) =>
    new Promise<void>((resolve, reject) => {
      let seen = "";
      agent.stdout?.on("data", (text: Buffer) => {
        seen += text;
        if (seen.includes(`"event":"${event}"`)) resolve();
      });
      agent.once("exit", () => reject(new Error(`the agent ended:\n${seen}`)));
    });

  /** Bytes that arrive from one Pod at another over TCP. */
  const send = (from: string, to: string, bytes: number) => {
    const server = `const s=require("net").createServer(c=>{let n=0;c.on("data",d=>n+=d.length);c.on("end",()=>c.end(String(n)))});s.listen(7000,"::",()=>console.log("up"))`;
    const client = `const c=require("net").connect(7000,process.argv[1]);let t="";c.on("data",d=>t+=d);c.on("end",()=>console.log(t));c.end(Buffer.alloc(${bytes}));setTimeout(()=>{console.log("late");process.exit()},8000).unref()`;
    return { server, client, from: of(pods, from), to: of(pods, to) };
  };
  const servers = new Set<string>();
  async function received(from: string, to: string, bytes: number, family = 4): Promise<string> {
    const { server, client, from: source, to: target } = send(from, to, bytes);
    if (!servers.has(to)) {
      const child = target.start(process.execPath, "-e", server);
      await new Promise((resolve) => child.stdout?.once("data", resolve));
      servers.add(to);
    }
    return source.run(process.execPath, "-e", client, podIp(to, family)).trim();
  }
  const routes = (name: string) => of(machines, name).run("ip", "-4", "route", "show", "proto", "77");
  const eventually = async (look: () => boolean, what: string) => {
    for (let tries = 0; tries < 600; tries++) {
      if (look()) return;
      await systemClock.sleep(100);
    }
    throw new Error(`not so after a minute: ${what}\n${said.slice(-20).join("")}`);
  };

  beforeAll(async () => {
    const router = spaces.make("router");
    router.sh(
      "ip link add lan type bridge; ip link set lan up; ip addr add 192.0.2.1/24 dev lan; echo 1 > /proc/sys/net/ipv4/ip_forward",
    );
    for (const name of names) {
      const machine = spaces.make(name);
      machines.set(name, machine);
      spaces.link(machine, "eth0", router, `to-${name}`);
      const gateway = name === "c" ? "198.51.100.1" : "192.0.2.1";
      if (name === "c") router.run("ip", "addr", "add", "198.51.100.1/24", "dev", "to-c");
      else router.run("ip", "link", "set", `to-${name}`, "master", "lan");
      machine.sh(`ip addr add ${addresses[name]}/24 dev eth0; ip route add default via ${gateway}`);
    }
    await Promise.all(names.map((name) => untilLogged(startAgent(name), "routes to other nodes written")));
    for (const [index, name] of names.entries()) {
      const pod = spaces.make(`pod-${name}`);
      pods.set(name, pod);
      const conf = JSON.parse(readFileSync(join(home, name, "cni/net.d/10-k8ts.conflist"), "utf8"));
      // a's Pod is older than the VXLAN and takes what the link takes
      const mtu = name === "a" ? 1500 : conf.plugins[0].mtu;
      spaces.link(pod, "eth0", of(machines, name), "veth0", mtu);
      of(machines, name).run("ip", "link", "set", "veth0", "master", "k8ts0");
      pod.sh(`ip addr add ${podIp(name)}/24 dev eth0; ip route add default via 10.42.${index}.1
        ip addr add ${podIp(name, 6)}/64 dev eth0 nodad; ip route add default via fd00:42:0:${index}::1`);
    }
  });

  afterAll(async () => {
    await spaces.dispose();
    rmSync(home, { recursive: true, force: true });
  });

  test("routes lead to a node on the link, the VXLAN to the others, and packets fit", async () => {
    expect(routes("a")).toContain("10.42.1.0/24 via 192.0.2.12 dev eth0 src 10.42.0.1");
    expect(routes("a")).toContain("10.42.2.0/24 via 10.42.2.1 dev k8ts-vxlan src 10.42.0.1 onlink");
    expect(of(pods, "c").run("cat", "/proc/net/dev")).toContain("eth0");
    expect(of(pods, "c").run("ip", "link", "show", "eth0")).toContain("mtu 1450");
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
      ["a", "c"],
      ["c", "b"],
      ["c", "a"],
    ] as const)
      expect(await received(from, to, 3_000_000), `${from} to ${to}`).toBe("3000000");
  });

  test("so it is with the second family, though the machines have the first alone", async () => {
    for (const [from, to] of [
      ["a", "b"],
      ["c", "a"],
    ] as const)
      expect(await received(from, to, 3_000_000, 6), `${from} to ${to}`).toBe("3000000");
  });

  test("a connection outlives the agent, and the next agent changes nothing", async () => {
    const { client } = send("a", "c", 0);
    const slow = client.replace(
      /c\.end\(Buffer.*/,
      "let n=0;const go=()=>++n<30?c.write('x',()=>setTimeout(go,50)):c.end('x');go()",
    );
    const running = of(pods, "a").start(process.execPath, "-e", slow, podIp("c"));
    const answer = new Promise<string>((resolve) =>
      running.stdout?.once("data", (text) => resolve(String(text).trim())),
    );
    const before = of(machines, "a").run("ip", "-details", "link", "show", "k8ts-vxlan") + routes("a");
    agents.get("a")?.kill("SIGKILL");
    await untilLogged(startAgent("a"), "node network ready");
    expect(await answer).toBe("30");
    expect(of(machines, "a").run("ip", "-details", "link", "show", "k8ts-vxlan") + routes("a")).toBe(before);
  });

  test("routes that a cut took away come back", async () => {
    of(machines, "b").sh("ip link set eth0 down; ip link set eth0 up; ip route replace default via 192.0.2.1");
    await eventually(() => routes("b").includes("10.42.0.0/24"), "the route of b to a");
    expect(await received("b", "a", 1000)).toBe("1000");
  });

  test("a link that drops what is not of its own is passed by the VXLAN; a table that was taken away comes back", async () => {
    of(
      machines,
      "a",
    ).sh(`nft add table ip cloud; nft 'add chain ip cloud in { type filter hook prerouting priority raw ; }'
      nft 'add rule ip cloud in iifname eth0 ip saddr 10.42.0.0/16 drop'`);
    // an agent that begins asks its peers soon; these have a clock that runs
    for (const name of ["a", "b"]) {
      agents.get(name)?.kill("SIGKILL");
      startAgent(name, 3);
    }
    // a's packets pass, so a has a reason to take the VXLAN only as long as b's answers come by the link
    await eventually(() => !routes("b").includes("dev eth0"), "the route of b through the VXLAN");
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      let arrived = "";
      for (let tries = 0; arrived !== "1000000" && tries < 5; tries++) arrived = await received(from, to, 1_000_000);
      expect(arrived, `${from} to ${to}`).toBe("1000000");
    }
    of(machines, "a").run("nft", "delete", "table", "ip", "k8ts");
    const tables = () => of(machines, "a").run("nft", "list", "tables").split("\n");
    await eventually(() => tables().includes("table ip k8ts"), "the table that masquerades is back");
  }, 150_000);

  test("a node that is gone leaves nothing", async () => {
    agents.get("a")?.stdin?.write(`${JSON.stringify({ nodes: nodes.slice(0, 1) })}\n`);
    await eventually(() => routes("a").trim() === "", "no route is left");
    expect(of(machines, "a").run("ip", "neigh", "show", "dev", "k8ts-vxlan", "nud", "permanent")).toBe("");
  });
});
