/** Three machines, one cluster: joining, an application across them, a cable that is cut, a plug that is pulled; and `up --nodes`. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { type Cluster, canRunContainers, clusterOf, eventually, startClusterOn } from "./harness/cluster.ts";
import * as guestbook from "./harness/guestbook.ts";
import { imageArchive } from "./harness/images.ts";
import { ours, realKubectls } from "./harness/kubectls.ts";
import { createMachines, type Machine, type Machines } from "./harness/machines.ts";
import { BUSYBOX, IDLE, isReady } from "./harness/pods.ts";

const kubectl = realKubectls().at(-1) ?? ours;
const [program = ""] = ours.command;

/** How long a node may be silent here, and a Pod on it stays after that. */
const GRACE_SECONDS = 12;
const TOLERATION_SECONDS = 2;

const impatient = ["not-ready", "unreachable"].map((key) => ({
  key: `node.kubernetes.io/${key}`,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds: TOLERATION_SECONDS,
}));

/** Pods spread over the nodes. Those without tolerations of their own wait five minutes for a lost node. */
const spreadOver = (tolerations: readonly object[]) =>
  JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "spread" },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "spread" } },
      template: {
        metadata: { labels: { app: "spread" } },
        spec: {
          terminationGracePeriodSeconds: 1,
          tolerations,
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: "kubernetes.io/hostname",
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: { app: "spread" } },
            },
          ],
          containers: [{ name: "main", image: BUSYBOX, command: IDLE }],
        },
      },
    },
  });

describe.skipIf(!canRunContainers)("nodes", () => {
  describe("three machines", () => {
    let machines: Machines;
    let one: Machine;
    let two: Machine;
    let three: Machine;
    let cluster: Cluster;
    const run = (...args: string[]) => cluster.kubectl(kubectl, args);
    const list = async <T>(what: string, ...args: string[]) =>
      (JSON.parse(await run("get", what, ...args, "-o", "json")) as { items: T[] }).items;
    const readyCondition = ({ status }: Node) => status?.conditions?.find(({ type }) => type === "Ready")?.status;
    const nodeIs = (name: string, status: string, ms = 60_000) =>
      eventually(
        `node ${name} to be ${status}`,
        async () => {
          const node = JSON.parse(await run("get", "node", name, "-o", "json")) as Node;
          expect(readyCondition(node)).toBe(status);
        },
        ms,
      );
    const startServer = () => one.start(program, "server", "--node-monitor-grace-period", String(GRACE_SECONDS));
    const startAgent = (machine: Machine, ...token: string[]) =>
      machine.start(program, "agent", "--server", `https://${one.address}:6443`, ...token);
    const spread = async () =>
      (await list<Pod>("pods", "-l", "app=spread")).filter(({ metadata }) => !metadata.deletionTimestamp);
    const clientReads = (ms?: number) =>
      eventually(
        "the application to answer",
        async () =>
          expect(await run("exec", "client", "--", "timeout", "5", "wget", "-qO-", "http://frontend/")).toContain(
            "hello",
          ),
        ms,
      );

    beforeAll(async () => {
      const images = await Promise.all((["busybox", "redis", "python"] as const).map(imageArchive));
      machines = await createMachines();
      [one, two, three] = await Promise.all([
        machines.machine("one"),
        machines.machine("two"),
        machines.machine("three"),
      ]);
      cluster = clusterOf(one);
      startServer();
      await eventually("the server to be there", () => run("get", "--raw", "/readyz"));
      await nodeIs("one", "True");
      const token = (await one.k8ts("token", "create", "--print", "token")).trim();
      for (const machine of [two, three]) startAgent(machine, "--token", token);
      for (const machine of [two, three]) await nodeIs(machine.name, "True");
      await Promise.all([one, two, three].map((machine) => machine.k8ts("images", "import", ...images)));
    });
    afterAll(() => machines?.close());

    test("each has an address, a range of its own and its machine's identity", async () => {
      const nodes = await list<Node>("nodes");
      expect(nodes.map(({ metadata }) => metadata.name)).toEqual(["one", "three", "two"]);
      for (const get of [
        (node: Node) => node.spec?.podCIDR,
        (node: Node) => node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address,
        (node: Node) => node.status?.nodeInfo?.machineID,
        (node: Node) => node.status?.nodeInfo?.bootID,
      ])
        expect(new Set(nodes.map(get)).size).toBe(3);
    });

    test("the guestbook runs across them and is reached every way, from every machine", async () => {
      // the other two machines are cut off and lose their power later
      const scene = { cluster, kubectl, clientOn: "one" };
      await guestbook.apply(scene);
      await guestbook.onContainers.reachedEveryWay(scene);
      const pods = await guestbook.frontends(scene);
      expect(new Set(pods.map(({ spec }) => spec?.nodeName)).size).toBeGreaterThan(1);
      for (const { status } of pods)
        expect(
          await run("exec", "client", "--", "timeout", "5", "wget", "-qO-", `http://${status?.podIP}:8080/`),
        ).toContain("hello");
      for (const from of [one, two, three])
        for (const to of [one, two, three])
          expect(await from.run("curl", "-sS", "--max-time", "5", `http://${to.address}:30080/`)).toContain("hello");
    });

    test("a network policy closes the application to all but those whom it names, on every machine", async () => {
      const frontends = await guestbook.frontends({ cluster, kubectl });
      const guard = (ingress: readonly object[]) =>
        JSON.stringify({
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          metadata: { name: "guard" },
          spec: {
            podSelector: { matchLabels: { app: "guestbook", tier: "frontend" } },
            policyTypes: ["Ingress"],
            ingress,
          },
        });
      const reached = (count: number) =>
        eventually(`${count} Pods to be reached`, async () => {
          const answers = await Promise.all(
            frontends.map(({ status }) => {
              const read = ["timeout", "2", "wget", "-qO-", `http://${status?.podIP}:8080/`];
              return cluster.tryKubectl(kubectl, ["exec", "client", "--", ...read]);
            }),
          );
          expect(answers.filter(({ code }) => code === 0)).toHaveLength(count);
        });
      await cluster.kubectl(kubectl, ["apply", "-f", "-"], guard([]));
      await reached(0);
      await run("label", "pod", "client", "role=reader");
      const from = [{ podSelector: { matchLabels: { role: "reader" } } }];
      await cluster.kubectl(kubectl, ["apply", "-f", "-"], guard([{ from, ports: [{ port: 8080 }] }]));
      await reached(frontends.length);
      await run("delete", "networkpolicy", "guard");
    });

    test("logs, exec and figures come from every node", async () => {
      await cluster.kubectl(kubectl, ["apply", "-f", "-"], spreadOver(impatient));
      await run("rollout", "status", "deployment/spread", "--timeout=60s");
      const pods = await spread();
      expect(new Set(pods.map(({ spec }) => spec?.nodeName)).size).toBe(3);
      for (const { metadata, spec } of pods) {
        const said = await run("exec", metadata.name, "--", "sh", "-c", "echo on $(hostname) > /proc/1/fd/1; hostname");
        expect(said.trim()).toBe(metadata.name);
        await eventually("the line in the log", async () =>
          expect(await run("logs", metadata.name)).toBe(`on ${metadata.name}\n`),
        );
        const stats = await run("get", "--raw", `/api/v1/nodes/${spec?.nodeName}/proxy/stats/summary`);
        expect((JSON.parse(stats) as { node: { nodeName: string } }).node.nodeName).toBe(spec?.nodeName);
      }
    });

    test("`check` on a node tells how it reaches the Pods of the others", async () => {
      const { stdout } = await two.attempt(program, "check", "--server", `https://${one.address}:6443`);
      for (const other of ["one", "three"])
        expect(stdout).toMatch(new RegExp(`✓ Pods of ${other} +reached with packets of up to 1\\d{3} bytes`));
      expect(stdout).toMatch(/✓ clock +as the server's/);
      const { port } = three;
      machines.onRouter("ip", "link", "set", port, "mtu", "1300");
      expect((await two.attempt(program, "check")).stdout).toMatch(
        /✗ Pods of three +reached, but packets of \d+ bytes are lost/,
      );
      machines.onRouter("ip", "link", "set", port, "mtu", "1500");
    });

    let lost: Pod | undefined;

    test("a machine that is cut off is told as unknown, and its Pods are replaced elsewhere", async () => {
      lost = (await spread()).find(({ spec }) => spec?.nodeName === "three");
      expect(lost).toBeDefined();
      three.cut();
      await nodeIs("three", "Unknown");
      await eventually("three Pods on the other machines", async () => {
        const pods = await spread();
        expect(pods.map(({ spec }) => spec?.nodeName)).not.toContain("three");
        expect(pods.filter(isReady)).toHaveLength(3);
      });
      const old = JSON.parse(await run("get", "pod", lost?.metadata.name ?? "", "-o", "json")) as Pod;
      expect(old.metadata.deletionTimestamp).toBeDefined();
      expect(isReady(old)).toBe(false);
      expect(await run("get", "pod", lost?.metadata.name ?? "")).toMatch(/1\/1\s+Terminating/);
      await clientReads();
    });

    test("when it comes back its node is Ready, and what was replaced is gone from it", async () => {
      three.mend();
      await nodeIs("three", "True");
      const { name = "", uid = "" } = lost?.metadata ?? {};
      await eventually("the old Pod to be gone", async () =>
        expect(await run("get", "pod", name, "--ignore-not-found", "-o", "name")).toBe(""),
      );
      await eventually("its containers to be gone", async () =>
        expect(await three.run("find", "/sys/fs/cgroup", "-maxdepth", "7", "-name", `*pod${uid}*`)).toBe(""),
      );
      expect((await spread()).filter(isReady)).toHaveLength(3);
    });

    test("a machine that lost its power is the same node after its boot, and its Pods run again", async () => {
      // Those that are impatient may have gone elsewhere meanwhile: a slow boot takes longer than their patience.
      const names = async () =>
        (await list<Pod>("pods", "-l", "app!=spread")).map(({ metadata }) => metadata.name).toSorted();
      const before = {
        node: (await list<Node>("nodes")).find(({ metadata }) => metadata.name === "two"),
        names: await names(),
      };
      await two.powerOff();
      await two.powerOn();
      startAgent(two);
      await eventually("the node to be back from its boot", async () => {
        const node = JSON.parse(await run("get", "node", "two", "-o", "json")) as Node;
        expect(node.metadata.uid).toBe(before.node?.metadata.uid);
        expect(node.status?.nodeInfo?.bootID).not.toBe(before.node?.status?.nodeInfo?.bootID);
        expect(readyCondition(node)).toBe("True");
      });
      await eventually("every Pod to run as before", async () => {
        const pods = await list<Pod>("pods");
        expect(await names()).toEqual(before.names);
        expect(pods.filter(isReady)).toHaveLength(pods.length);
      });
      await clientReads();
    });

    test("after `agent leave` a node and what it ran are gone, and so is all that it had made", async () => {
      await three.k8ts("agent", "leave");
      expect(await run("get", "node", "three", "--ignore-not-found", "-o", "name")).toBe("");
      await eventually("no Pod of it", async () =>
        expect((await list<Pod>("pods")).map(({ spec }) => spec?.nodeName)).not.toContain("three"),
      );
      const links = await three.run("ip", "-o", "link");
      expect(links).not.toMatch(/k8ts0|veth(?!.*eth0)/);
      expect(await three.run("sh", "-c", "ps -eo args | grep -c '[m]ain.ts' || :")).toBe("0\n");
    });
  });

  describe("`up --nodes 2`", () => {
    let machines: Machines;
    let cluster: Cluster;
    const run = (...args: string[]) => cluster.kubectl(kubectl, args);

    beforeAll(async () => {
      machines = await createMachines();
      cluster = await startClusterOn(await machines.machine("computer"), "--nodes", "2");
      await cluster.k8ts("images", "import", await imageArchive("busybox"));
    });
    afterAll(() => machines?.close());

    test("runs Pods on both, and a node that is killed comes back with them", async () => {
      await cluster.kubectl(kubectl, ["apply", "-f", "-"], spreadOver([]));
      await run("rollout", "status", "deployment/spread", "--timeout=60s");
      const nodes = await run("get", "pods", "-l", "app=spread", "-o", "jsonpath={.items[*].spec.nodeName}");
      expect(new Set(nodes.split(" "))).toEqual(new Set(["node-1", "node-2"]));
      cluster.kill("node-2");
      await eventually("the Pods to have been started again on it", async () => {
        const { items } = JSON.parse(await run("get", "pods", "-l", "app=spread", "-o", "json")) as { items: Pod[] };
        const there = items.filter(({ spec }) => spec?.nodeName === "node-2");
        expect(there.length).toBeGreaterThan(0);
        for (const pod of there) {
          expect(pod.status?.containerStatuses?.[0]?.restartCount).toBeGreaterThan(0);
          expect(isReady(pod)).toBe(true);
        }
      });
    });

    test("`up` again changes nothing, and `down` leaves nothing", async () => {
      const pids = ["supervisor", "server", "node-1", "node-2"].map(cluster.pidOf);
      await cluster.k8ts("up", "--port", String(cluster.port), "--no-sample", "--nodes", "2");
      expect(["supervisor", "server", "node-1", "node-2"].map(cluster.pidOf)).toEqual(pids);
      const [computer = ""] = cluster.enter.slice(-1);
      expect(computer).toBe("--");
      await cluster.down();
    });
  });
});
