/** Three servers on a three-member etcd, and a node that joined at one of them: any of them may go, nothing else notices. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Node } from "../machinery/objects/kinds.ts";
import { type Cluster, canRunContainers, clusterOf, eventually } from "./harness/cluster.ts";
import { hasEtcd } from "./harness/etcd.ts";
import { imageArchive } from "./harness/images.ts";
import { ours, realKubectls } from "./harness/kubectls.ts";
import { createMachines, type Machine, type Machines } from "./harness/machines.ts";
import { BUSYBOX } from "./harness/pods.ts";

const kubectl = realKubectls().at(-1) ?? ours;
const [program = ""] = ours.command;

/** A web server, and one who asks it through its Service without end and says how it went. */
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: ${BUSYBOX}
        command: [sh, -c, "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www"]
        readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: ${BUSYBOX}
    command: [sh, -c, "while :; do timeout 5 wget -qO- http://web/ || echo failed; sleep 0.2; done"]
`;

describe.skipIf(!canRunContainers || !hasEtcd)("three servers", () => {
  let machines: Machines;
  let servers: readonly Machine[];
  let worker: Machine;
  const urls = () => servers.map(({ address }) => `http://${address}:2379`);
  const at = (machine: Machine): Cluster => clusterOf(machine);
  const run = (machine: Machine, ...args: string[]) => at(machine).kubectl(kubectl, args);
  const isReady = (machine: Machine) =>
    eventually(`the server on ${machine.name} to be ready`, async () =>
      expect(await run(machine, "get", "--raw", "/readyz")).toBe("ok"),
    );

  const dataOf = ({ paths }: Machine) => join(paths.root, "etcd");
  const startEtcd = (machine: Machine, state: "new" | "existing") => {
    const peers = servers.map(({ name, address }) => `${name}=http://${address}:2380`).join(",");
    const settings = {
      name: machine.name,
      "data-dir": dataOf(machine),
      "listen-client-urls": `http://${machine.address}:2379`,
      "advertise-client-urls": `http://${machine.address}:2379`,
      "listen-peer-urls": `http://${machine.address}:2380`,
      "initial-advertise-peer-urls": `http://${machine.address}:2380`,
      "initial-cluster": peers,
      "initial-cluster-state": state,
    };
    machine.start("etcd", ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`));
  };
  const startServer = (machine: Machine, ...join: string[]) => {
    const etcd = urls().flatMap((url) => ["--etcd-servers", url]);
    machine.start(program, "server", "--no-agent", "--store", "etcd", ...etcd, ...join);
  };
  const node = async (machine: Machine): Promise<Node> =>
    JSON.parse(await run(machine, "get", "node", "worker", "-o", "json")) as Node;
  const readySince = async (machine: Machine) => {
    const condition = (await node(machine)).status?.conditions?.find(({ type }) => type === "Ready");
    expect(condition?.status).toBe("True");
    return condition?.lastTransitionTime;
  };
  /** What the reader said: how often it was answered, and how often not. */
  const answers = async (machine: Machine) => {
    const lines = (await run(machine, "logs", "reader")).trim().split("\n");
    const failed = lines.filter((line) => line !== "hello").length;
    return { answered: lines.length - failed, failed };
  };

  beforeAll(async () => {
    const image = await imageArchive("busybox");
    machines = await createMachines({ segments: 2, hidden: [1] });
    const [one, two, three, four] = await Promise.all([
      ...["one", "two", "three"].map((name) => machines.machine(name)),
      machines.machine("worker", { segment: 1 }),
    ]);
    servers = [one, two, three] as Machine[];
    worker = four as Machine;
    for (const machine of servers) startEtcd(machine, "new");
    const [first, ...further] = servers as [Machine, ...Machine[]];
    startServer(first);
    await isReady(first);
    const address = `https://${first.address}:6443`;
    const token = (await first.k8ts("token", "create", "--servers", "--print", "token")).trim();
    for (const machine of further) startServer(machine, "--server", address, "--token", token);
    const agent = (await first.k8ts("token", "create", "--print", "token")).trim();
    worker.start(program, "agent", "--server", address, "--token", agent);
    await Promise.all(further.map(isReady));
    await eventually("the node to be Ready", () => readySince(first));
    await worker.k8ts("images", "import", image);
    await at(first).kubectl(kubectl, ["apply", "-f", "-"], WEB);
    await run(first, "rollout", "status", "deployment/web", "--timeout=60s");
    await eventually("the reader to be answered", async () =>
      expect(await run(first, "logs", "reader", "--tail=5")).toContain("hello"),
    );
  });
  afterAll(() => machines?.close());

  test("each reaches the node itself, which is behind a NAT", async () => {
    for (const machine of servers) {
      expect(await run(machine, "exec", "reader", "--", "echo", "hello")).toBe("hello\n");
      expect(await worker.run("ss", "-Htn", "state", "established", "dst", machine.address)).not.toBe("");
    }
  });

  test("are restarted one after the other, and no request through a Service fails", async () => {
    const [first] = servers as [Machine];
    const since = await readySince(first);
    const before = await answers(first);
    for (const machine of servers) {
      await machine.run("pkill", "-TERM", "-f", "main.ts server");
      await eventually("the server to have stopped", async () =>
        expect(await machine.run("sh", "-c", "pgrep -f '[m]ain.ts server' || :")).toBe(""),
      );
      startServer(machine);
      await isReady(machine);
      await run(machine, "rollout", "restart", "deployment/web");
      await run(machine, "rollout", "status", "deployment/web", "--timeout=60s");
    }
    const after = await answers(first);
    expect(after.answered).toBeGreaterThan(before.answered + 10);
    expect(after.failed - before.failed).toBe(0);
    expect(await readySince(first)).toBe(since);
  });

  test("go on when a member of etcd is lost with its data and replaced", async () => {
    const [first, second, third] = servers as [Machine, Machine, Machine];
    await third.run("pkill", "-9", "-x", "etcd");
    rmSync(dataOf(third), { recursive: true, force: true });
    await run(second, "create", "configmap", "with-two");
    const etcdctl = (...args: string[]) =>
      first.run("env", "ETCDCTL_API=3", "etcdctl", "--endpoints", urls()[0] ?? "", ...args);
    const lost = /^(\w+),.*, three,/m.exec(await etcdctl("member", "list"))?.[1] ?? "";
    await etcdctl("member", "remove", lost);
    await etcdctl("member", "add", "three", `--peer-urls=http://${third.address}:2380`);
    startEtcd(third, "existing");
    const health = ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", urls()[2] ?? "", "endpoint", "health"];
    await eventually("the new member to have everything", () => third.run(...health));
    for (const machine of servers) {
      await isReady(machine);
      expect(await run(machine, "get", "configmap", "with-two", "-o", "name")).toBe("configmap/with-two\n");
    }
  });

  test("do not matter to a node when the one where it joined is cut off", async () => {
    const [first, second] = servers as [Machine, Machine];
    const since = await readySince(second);
    const before = await answers(second);
    first.cut();
    await eventually("the others to know", async () =>
      expect(
        await run(second, "get", "endpoints", "kubernetes", "-o", "jsonpath={.subsets[*].addresses[*].ip}"),
      ).not.toContain(first.address),
    );
    await run(second, "scale", "deployment/web", "--replicas=3");
    await run(second, "rollout", "status", "deployment/web", "--timeout=60s");
    expect(await run(second, "exec", "reader", "--", "echo", "hello")).toBe("hello\n");
    const after = await answers(second);
    expect(after.failed - before.failed).toBe(0);
    expect(await readySince(second)).toBe(since);
  });
});
