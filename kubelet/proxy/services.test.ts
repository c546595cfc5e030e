import { type ChildProcess, execFileSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canMakeNamespaces, createNamespaces, type Namespace } from "../../e2e/harness/namespaces.ts";

const NODE = "192.0.2.10";
const NODE_V6 = "fd00:99::10";
const CLUSTER = "10.42.0.0/16,fd00:42::/48";

type Spec = Record<string, unknown>;
interface Endpoint {
  readonly pod: string;
  readonly nodeName?: string;
  readonly conditions?: object;
}

/** A node with Pods a and b, one of another node, and a client outside of the cluster. Each is a network namespace. */
describe.runIf(canMakeNamespaces)("Services in the kernel", () => {
  const spaces = createNamespaces();
  const space = new Map<string, Namespace>();
  const ips: Readonly<Record<string, readonly [string, string]>> = {
    a: ["10.42.0.2", "fd00:42::2"],
    b: ["10.42.0.3", "fd00:42::3"],
    far: ["10.42.1.2", "fd00:42:0:1::2"],
    client: ["192.0.2.99", "fd00:99::99"],
  };
  const in_ = (name: string) => space.get(name) as Namespace;
  let proxy: ChildProcess;
  let revision = 0;
  let seen: { readonly event: string; readonly level: string }[] = [];
  let onLine: (() => void) | undefined;

  const startProxy = (speed = 1) => {
    seen = [];
    const script = join(import.meta.dirname, "../../e2e/harness/proxy-node.ts");
    proxy = in_("node").start(
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      script,
      "here",
      CLUSTER,
      String(speed),
    );
    createInterface({ input: proxy.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      seen.push(JSON.parse(line));
      onLine?.();
    });
  };
  const logged = async (event: string, from = 0) => {
    while (!seen.slice(from).some((line) => line.event === event)) {
      const failed = seen.slice(from).find((line) => line.level === "error");
      if (failed) throw new Error(JSON.stringify(failed));
      await new Promise<void>((resolve) => {
        onLine = resolve;
      });
    }
  };
  const meta = (name: string, more: object = {}) => ({
    name,
    namespace: "default",
    uid: name,
    resourceVersion: String(++revision),
    creationTimestamp: "2026-01-01T00:00:00Z",
    ...more,
  });
  const objects = (spec: Spec, endpoints: readonly Endpoint[], status: object = {}, protocol = "TCP") => {
    const families = ["IPv4", "IPv6"];
    return {
      services: [
        {
          apiVersion: "v1",
          kind: "Service",
          metadata: meta("web"),
          spec: {
            clusterIP: "10.43.0.5",
            clusterIPs: ["10.43.0.5", "fd00:43::5"],
            ipFamilies: families,
            ports: [{ name: "p", port: 80, protocol, nodePort: 30080 }],
            ...spec,
          },
          status,
        },
      ],
      endpointslices: families.map((addressType, index) => ({
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: meta(`web-${index}`, { labels: { "kubernetes.io/service-name": "web" } }),
        addressType,
        ports: [{ name: "p", port: 8080, protocol }],
        endpoints: endpoints.map(({ pod, nodeName = "here", conditions = { ready: true } }) => ({
          addresses: [ips[pod]?.[index]],
          conditions,
          nodeName,
        })),
      })),
      pods: [],
      nodes: [],
    };
  };
  /** Tells the proxy, and waits until it has written. */
  const tell = async (told: object) => {
    const from = seen.length;
    proxy.stdin?.write(`${JSON.stringify(told)}\n`);
    await logged("written", from);
  };

  /** What answers say: "a from 10.42.0.3", one for each of `times` connections. */
  const ask = (from: string, host: string, port: number, times = 1): string[] => {
    const script = `const net=require("net");const [h,p,n]=process.argv.slice(1);
      const one=()=>new Promise(r=>{const c=net.connect(+p,h);let t="";c.setTimeout(1500,()=>{r("silence");c.destroy()});
        c.on("data",d=>t+=d);c.on("end",()=>r(t));c.on("error",e=>r(e.code))});
      (async()=>{for(let i=0;i<+n;i++)console.log(await one())})()`;
    const said = in_(from).run(process.execPath, "-e", script, host, String(port), String(times));
    return said.trim().split("\n");
  };
  const who = (answers: readonly string[]) => new Set(answers.map((text) => text.split(" ")[0]));

  beforeAll(async () => {
    const node = spaces.make("node");
    space.set("node", node);
    node.sh(`ip link add k8ts0 type bridge; ip link set k8ts0 up; echo 1 > /proc/sys/net/ipv4/ip_forward
      echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
      ip addr add 10.42.0.1/24 dev k8ts0; ip addr add fd00:42::1/64 dev k8ts0 nodad
      ip route add 10.43.0.0/16 dev k8ts0 src 10.42.0.1; ip route add fd00:43::/112 dev k8ts0 src fd00:42::1`);
    const server = `const s=(n)=>require("net").createServer(c=>c.end(n+" from "+c.remoteAddress.replace("::ffff:","")));
      const n=process.argv[1];s(n).listen(8080,"::");const u=require("dgram").createSocket("udp6");
      u.on("message",(m,r)=>u.send(n,r.port,r.address));u.bind(8080,"::",()=>console.log("up"))`;
    for (const name of ["a", "b", "far", "client"]) {
      const one = spaces.make(name);
      space.set(name, one);
      spaces.link(one, "eth0", node, `to-${name}`);
      const [four, six] = ips[name] ?? [];
      if (name === "a" || name === "b") {
        node.sh(`ip link set to-${name} master k8ts0; bridge link set dev to-${name} hairpin on`);
        one.sh(`ip addr add ${four}/24 dev eth0; ip route add default via 10.42.0.1
          ip addr add ${six}/64 dev eth0 nodad; ip route add default via fd00:42::1`);
      } else {
        const [gate4, gate6] = name === "far" ? ["10.42.1.1", "fd00:42:0:1::1"] : [NODE, NODE_V6];
        node.sh(`ip addr add ${gate4}/24 dev to-${name}; ip addr add ${gate6}/64 dev to-${name} nodad`);
        one.sh(`ip addr add ${four}/24 dev eth0; ip addr add ${six}/64 dev eth0 nodad
          ip route add default via ${gate4}; ip route add default via ${gate6}`);
      }
      const child = one.start(process.execPath, "-e", server, name);
      await new Promise((resolve) => child.stdout?.once("data", resolve));
    }
    startProxy();
    proxy.stdin?.write(`${JSON.stringify(objects({}, [{ pod: "a" }, { pod: "b" }]))}\n`);
    await logged("service rules stand");
  });

  afterAll(() => spaces.dispose());

  test("a ClusterIP spreads over its endpoints, for Pods, for the node, for both families", async () => {
    await tell(objects({}, [{ pod: "a" }, { pod: "b" }, { pod: "far", nodeName: "there" }]));
    for (const [from, host] of [
      ["b", "10.43.0.5"],
      ["node", "10.43.0.5"],
      ["a", "fd00:43::5"],
    ] as const)
      expect(who(ask(from, host, 80, 40)), `${from} at ${host}`).toEqual(new Set(["a", "b", "far"]));
    expect(ask("b", "10.43.0.5", 80, 20).filter((text) => text.startsWith("a"))[0]).toBe("a from 10.42.0.3");
  });

  test("a Pod reaches itself", async () => {
    await tell(objects({}, [{ pod: "a" }]));
    expect(ask("a", "10.43.0.5", 80)).toEqual(["a from 10.42.0.1"]);
    expect(who(ask("a", "fd00:43::5", 80))).toEqual(new Set(["a"]));
  });

  test("other ports of a ClusterIP, and one without endpoints, are refused", async () => {
    expect(ask("b", "10.43.0.5", 81)).toEqual(["ECONNREFUSED"]);
    await tell(objects({}, []));
    expect(ask("b", "10.43.0.5", 80)).toEqual(["ECONNREFUSED"]);
    expect(ask("client", NODE, 30080)).toEqual(["ECONNREFUSED"]);
    expect(ask("b", "fd00:43::5", 80)).toEqual(["ECONNREFUSED"]);
  });

  test("endpoints that terminate serve while no other does", async () => {
    const going = { ready: false, serving: true, terminating: true };
    await tell(objects({}, [{ pod: "a", conditions: going }]));
    expect(who(ask("b", "10.43.0.5", 80))).toEqual(new Set(["a"]));
    await tell(objects({}, [{ pod: "a", conditions: going }, { pod: "b" }]));
    expect(who(ask("node", "10.43.0.5", 80, 10))).toEqual(new Set(["b"]));
  });

  test("a node port leads to every endpoint, or with the client's address to those of the node", async () => {
    const endpoints = [{ pod: "a" }, { pod: "far", nodeName: "there" }];
    await tell(objects({ type: "NodePort" }, endpoints));
    expect(new Set(ask("client", NODE, 30080, 30))).toEqual(new Set(["a from 10.42.0.1", "far from 10.42.1.1"]));
    expect(who(ask("client", NODE_V6, 30080, 30))).toEqual(new Set(["a", "far"]));
    await tell(objects({ type: "NodePort", externalTrafficPolicy: "Local" }, endpoints));
    expect(new Set(ask("client", NODE, 30080, 10))).toEqual(new Set(["a from 192.0.2.99"]));
    expect(who(ask("b", NODE, 30080, 30)), "Pods reach all of them").toEqual(new Set(["a", "far"]));
    expect(who(ask("node", NODE, 30080, 30)), "and so does the node").toEqual(new Set(["a", "far"]));
    await tell(objects({ type: "NodePort", externalTrafficPolicy: "Local" }, endpoints.slice(1)));
    expect(ask("client", NODE, 30080), "no endpoint here: somebody else answers").toEqual(["silence"]);
    expect(ask("b", NODE, 30080)[0]).toMatch(/^far/);
  });

  test("a load balancer's address serves those whom it lets in", async () => {
    const spec = { type: "LoadBalancer", loadBalancerSourceRanges: ["192.0.2.0/24"], externalIPs: ["203.0.113.8"] };
    const status = { loadBalancer: { ingress: [{ ip: "203.0.113.7" }] } };
    in_("client").sh("ip addr add 198.51.100.99/24 dev eth0");
    in_("node").sh("ip route replace 198.51.100.0/24 dev to-client");
    await tell(objects(spec, [{ pod: "a" }], status));
    expect(who(ask("client", "203.0.113.7", 80))).toEqual(new Set(["a"]));
    expect(who(ask("client", "203.0.113.8", 80))).toEqual(new Set(["a"]));
    await tell(objects({ ...spec, loadBalancerSourceRanges: ["198.51.100.0/24"] }, [{ pod: "a" }], status));
    expect(ask("client", "203.0.113.7", 80)).toEqual(["silence"]);
    expect(who(ask("client", "203.0.113.8", 80)), "only the load balancer's").toEqual(new Set(["a"]));
  });

  test("a client stays with its endpoint, whichever other one leaves", async () => {
    const spec = { sessionAffinity: "ClientIP", type: "NodePort" };
    const endpoints = [{ pod: "a" }, { pod: "b" }, { pod: "far", nodeName: "there" }];
    await tell(objects(spec, endpoints));
    const first = [...who(ask("client", NODE, 30080, 10))];
    expect(first).toHaveLength(1);
    const leaves = endpoints.find(({ pod }) => pod !== first[0])?.pod;
    await tell(
      objects(
        spec,
        endpoints.filter(({ pod }) => pod !== leaves),
      ),
    );
    expect([...who(ask("client", NODE, 30080, 10))]).toEqual(first);
    await tell(
      objects(
        spec,
        endpoints.filter(({ pod }) => pod !== first[0]),
      ),
    );
    expect([...who(ask("client", NODE, 30080, 10))], "its own has left").not.toEqual(first);
  });

  test("a UDP client that goes on sending is led to the new endpoint when the old one is gone", async () => {
    const has = (() => {
      try {
        execFileSync("conntrack", ["--version"], { stdio: "ignore" });
        return true;
      } catch {
        return false; // the package is missing: the proxy says so in its log
      }
    })();
    await tell(objects({}, [{ pod: "a" }], {}, "UDP"));
    const script = `const u=require("dgram").createSocket("udp4");let last;
      u.on("message",m=>{if(String(m)!==last)console.log(last=String(m))});setInterval(()=>u.send("?",80,"10.43.0.5"),20)`;
    const client = in_("b").start(process.execPath, "-e", script);
    const lines = createInterface({ input: client.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("a");
    await tell(objects({}, [{ pod: "far", nodeName: "there" }], {}, "UDP"));
    if (has) expect((await lines.next()).value).toBe("far");
    client.kill();
  });

  test("the health check's port tells how many endpoints there are here", async () => {
    const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 31999 };
    const get = () => {
      const script = `require("http").get("http://${NODE}:31999/healthz",r=>{let t="";r.on("data",d=>t+=d);r.on("end",()=>console.log(r.statusCode,t))})`;
      return in_("client").run(process.execPath, "-e", script).trim();
    };
    await tell(objects(spec, [{ pod: "a" }, { pod: "far", nodeName: "there" }]));
    expect(get()).toBe(
      '200 {"service":{"namespace":"default","name":"web"},"localEndpoints":1,"serviceProxyHealthy":true}',
    );
    await tell(objects(spec, [{ pod: "far", nodeName: "there" }]));
    expect(get()).toMatch(/^503 .*"localEndpoints":0/);
  });

  test("the next proxy writes nothing where nothing differs, and sets right what does", async () => {
    const told = objects({ type: "NodePort" }, [{ pod: "a" }, { pod: "b" }]);
    await tell(told);
    const list = () =>
      in_("node")
        .run("nft", "list", "ruleset")
        .replaceAll(/expires \S+/g, "");
    const before = list();
    proxy.kill("SIGKILL");
    expect(who(ask("client", NODE, 30080))).not.toContain("ECONNREFUSED");
    startProxy();
    proxy.stdin?.write(`${JSON.stringify(told)}\n`);
    await logged("service rules stand");
    expect(seen.filter(({ event }) => event === "written")).toEqual([]);
    expect(list()).toBe(before);

    proxy.kill("SIGKILL");
    in_("node").run("nft", "delete element ip k8ts-proxy node-ports { tcp . 30080 }");
    in_("node").run("nft", "add element ip k8ts-proxy hairpins { 10.42.0.77 . 10.42.0.77 }");
    startProxy();
    proxy.stdin?.write(`${JSON.stringify(told)}\n`);
    await logged("written");
    expect(list()).toBe(before);

    proxy.kill("SIGKILL");
    in_("node").run("nft", "flush chain ip k8ts-proxy translate-incoming");
    startProxy();
    proxy.stdin?.write(`${JSON.stringify(told)}\n`);
    await logged("written");
    expect(who(ask("client", NODE, 30080, 20))).toEqual(new Set(["a", "b"]));
  });

  test("a table that somebody else took away comes back by itself", async () => {
    const told = objects({}, [{ pod: "a" }]);
    await tell(told);
    proxy.kill("SIGKILL");
    startProxy(60); // it looks once a minute
    proxy.stdin?.write(`${JSON.stringify(told)}\n`);
    await logged("service rules stand");
    const from = seen.length;
    in_("node").run("nft", "flush", "ruleset");
    await logged("written", from);
    expect(who(ask("b", "10.43.0.5", 80))).toEqual(new Set(["a"]));
  });

  test("a host port leads to its Pod, after Services of the same port", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: meta("p"),
      spec: { containers: [{ name: "c", ports: [{ containerPort: 8080, hostPort: 8081 }] }] },
      status: { phase: "Running", podIP: "10.42.0.3", podIPs: [{ ip: "10.42.0.3" }, { ip: "fd00:42::3" }] },
    };
    await tell({ pods: [pod] });
    expect(ask("client", NODE, 8081)).toEqual(["b from 192.0.2.99"]);
    expect(who(ask("client", NODE_V6, 8081))).toEqual(new Set(["b"]));
    await tell({ pods: [] });
    expect(ask("client", NODE, 8081)).toEqual(["ECONNREFUSED"]);
  });
});
