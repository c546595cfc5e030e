/** What survives when processes are killed with -9, one by one and all at once; what `up` and `down` do around it. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import { type Cluster, canRunContainers, eventually, startCluster } from "./harness/cluster.ts";
import { killEverything, processesOf } from "./harness/everything.ts";
import { imageArchive } from "./harness/images.ts";
import { ours, realKubectls } from "./harness/kubectls.ts";
import { machineState } from "./harness/leftovers.ts";
import { BUSYBOX, manifests, pod, ready, sh } from "./harness/pods.ts";

const kubectl = realKubectls().at(-1) ?? ours;

interface Form {
  readonly name: string;
  readonly flags: readonly string[];
  /** Killed one after the other. */
  readonly processes: readonly string[];
}

const forms: readonly Form[] = [
  { name: "one process", flags: [], processes: ["agent", "containerd", "server", "dns"] },
  {
    name: "separate processes",
    flags: ["--separate"],
    processes: ["kubelet", "cri", "proxy", "containerd", "apiserver", "controllers", "scheduler"],
  },
];

const APPLICATION = manifests(
  JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: {
          terminationGracePeriodSeconds: 2,
          containers: [
            {
              name: "web",
              image: BUSYBOX,
              command: sh("mkdir /www; echo it works > /www/index.html; httpd -f -p 8080 -h /www & wait"),
              readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
              livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  }),
  JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
  }),
  pod("client", {}),
  pod("counter", {
    containers: [{ command: ["sh", "-c", "i=0; while true; do i=$((i+1)); echo $i; usleep 9000; done"] }],
  }),
);

describe.skipIf(!canRunContainers)("kills", () => {
  describe.each(forms)("$name", ({ flags, processes }) => {
    let cluster: Cluster;
    let before: readonly string[];
    let foreign: { alive(): boolean; end(): void };
    const run = (...args: string[]) => cluster.kubectl(kubectl, args);
    const up = () => cluster.k8ts("up", "--port", String(cluster.port), "--no-sample", ...flags);

    beforeAll(async () => {
      foreign = startForeigners();
      before = machineState("/nothing/of/ours");
      cluster = await startCluster(...flags);
      await cluster.k8ts("images", "import", await imageArchive("busybox"));
      await cluster.kubectl(kubectl, ["apply", "-f", "-"], APPLICATION);
      await run("rollout", "status", "deployment/web", "--timeout=60s");
      await ready(cluster, kubectl, "client", "counter");
    });
    afterAll(async () => {
      await cluster?.down();
      foreign?.end();
    });

    /** uid, container ids and restarts of every Pod. */
    async function lives(): Promise<Record<string, unknown>> {
      const { items } = JSON.parse(await run("get", "pods", "-o", "json")) as { items: Pod[] };
      return Object.fromEntries(
        items.map(({ metadata, status }) => [
          metadata.name,
          [metadata.uid, ...(status?.containerStatuses ?? []).map((one) => [one.containerID, one.restartCount])],
        ]),
      );
    }

    const serviceAnswers = (ms = 30_000) =>
      eventually(
        "the Service to answer by its name",
        async () =>
          expect(await run("exec", "client", "--", "timeout", "5", "wget", "-q", "-O-", "http://web/")).toBe(
            "it works\n",
          ),
        ms,
      );

    /** A Pod is taken from the API to a running container, and away again: every part works. */
    async function everythingWorks(): Promise<void> {
      await eventually("the API server to take a Pod", () =>
        cluster.kubectl(kubectl, ["apply", "-f", "-"], pod("fresh", {})),
      );
      await ready(cluster, kubectl, "fresh");
      await run("delete", "pod", "fresh", "--timeout=60s");
      await serviceAnswers();
    }

    async function noLineIsMissing(): Promise<void> {
      const numbers = (await run("logs", "counter")).trim().split("\n").map(Number);
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
      const missing = (numbers.at(-1) ?? 0) - numbers.length;
      if (missing > 0) throw new Error(`${missing} of ${numbers.at(-1)} lines are missing`);
      expect(numbers.length).toBeGreaterThan(20);
    }

    const cameBack = (name: string, old: number) =>
      eventually(`${name} to be started again`, async () => {
        const pid = cluster.pidOf(name);
        expect(pid).not.toBe(old);
        process.kill(pid, 0);
      });

    test.each(processes)("after kill -9 of %s containers run on and the Service answers", async (name) => {
      const living = await lives();
      const old = cluster.pidOf(name);
      cluster.kill(name);
      await cameBack(name, old);
      await everythingWorks();
      expect(await lives()).toEqual(living);
      await noLineIsMissing();
    });

    test("killed again and again, the node's processes lose no line of a log", async () => {
      const living = await lives();
      const nodeProcesses = processes.filter((name) => ["containerd", "agent", "kubelet", "cri"].includes(name));
      for (const name of [...nodeProcesses, ...nodeProcesses]) {
        const old = cluster.pidOf(name);
        cluster.kill(name);
        await cameBack(name, old);
      }
      await everythingWorks();
      await noLineIsMissing();
      expect(await lives()).toEqual(living);
    });

    test("without the supervisor everything runs on, and `up` adopts it", async () => {
      const living = await lives();
      const pids = processes.map(cluster.pidOf);
      const supervisor = cluster.pidOf("supervisor");
      cluster.kill("supervisor");
      await serviceAnswers();
      await up();
      await cameBack("supervisor", supervisor);
      expect(processes.map(cluster.pidOf)).toEqual(pids);
      expect(await lives()).toEqual(living);
    });

    test("`up` again while it runs changes nothing", async () => {
      const living = await lives();
      const pids = ["supervisor", ...processes].map(cluster.pidOf);
      await up();
      expect(["supervisor", ...processes].map(cluster.pidOf)).toEqual(pids);
      expect(await lives()).toEqual(living);
    });

    test("`up` recovers from kill -9 of everything", async () => {
      const names = Object.keys(await lives()).toSorted();
      await killEverything(cluster.paths);
      await up();
      await eventually("all Pods to run again", async () => {
        await run("wait", "--for=condition=Ready", "pod", "--all", "--timeout=1s");
        expect(Object.keys(await lives()).toSorted()).toEqual(names);
      });
      await everythingWorks();
    });

    test("`down` and `up` bring everything back", async () => {
      await cluster.k8ts("down");
      await up();
      await eventually("all Pods to run again", () =>
        run("wait", "--for=condition=Ready", "pod", "--all", "--timeout=1s"),
      );
      await everythingWorks();
    });

    test("two `up` at once start one cluster", async () => {
      await cluster.k8ts("down");
      const both = await Promise.allSettled([up(), up()]);
      expect(both.map(({ status }) => status)).toContain("fulfilled");
      for (const one of both) if (one.status === "rejected") expect(String(one.reason)).toMatch(/is being started/);
      expect(processesOf(cluster.paths, "main.ts supervisor")).toHaveLength(1);
      await everythingWorks();
    });

    test("`down` leaves nothing of ours, and everything of others", async () => {
      await cluster.k8ts("down");
      await eventually(
        "the machine as it was",
        async () => expect(machineState(cluster.paths.root)).toEqual(before),
        30_000,
      );
      expect(foreign.alive()).toBe(true);
      await cluster.k8ts("down"); // harmless once more
    });
  });
});

test("a port that is taken is named, with what to do", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "0.0.0.0", resolve));
  const { port } = taken.address() as { port: number };
  try {
    await expect(startCluster("--simulated", "--port", String(port))).rejects.toThrow(
      `port ${port} is taken by another program: stop it, or choose another with --port`,
    );
  } finally {
    taken.close();
  }
});

/** A containerd, a bridge and an nftables table that are none of the cluster's. */
function startForeigners(): { alive(): boolean; end(): void } {
  const directory = mkdtempSync(join(tmpdir(), "foreign-"));
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const command = (program: string, ...args: string[]) => execFileSync(program, args, { env, encoding: "utf8" });
  const config = join(directory, "config.toml");
  writeFileSync(
    config,
    [
      "version = 2",
      `root = "${directory}/root"`,
      `state = "${directory}/state"`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
      `[grpc]\naddress = "${directory}/foreign.sock"`,
    ].join("\n"),
  );
  const containerd = spawn("containerd", ["--config", config], { env, stdio: "ignore" });
  const removeInterfaces = () => {
    if (command("ip", "-o", "link").includes("foreign0")) command("ip", "link", "delete", "foreign0");
    if (command("nft", "list", "tables").includes("table ip foreign\n"))
      command("nft", "delete", "table", "ip", "foreign");
  };
  removeInterfaces(); // a run that was killed leaves them
  command("ip", "link", "add", "foreign0", "type", "bridge");
  command("nft", "add", "table", "ip", "foreign");
  return {
    alive: () =>
      containerd.exitCode === null &&
      command("ip", "-o", "link").includes("foreign0") &&
      command("nft", "list", "tables").includes("table ip foreign\n"),
    end() {
      containerd.kill();
      removeInterfaces();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
