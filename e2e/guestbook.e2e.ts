/** The guestbook's life on every form of the cluster, driven by real kubectl and by ours. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, canRunContainers, eventually, startCluster } from "./harness/cluster.ts";
import * as guestbook from "./harness/guestbook.ts";
import { type ImageName, imageArchive } from "./harness/images.ts";
import { type Kubectl, ours, realKubectls } from "./harness/kubectls.ts";
import { machineState } from "./harness/leftovers.ts";

const real = realKubectls().at(-1) ?? ours;

interface Form {
  readonly name: string;
  readonly kubectl: Kubectl;
  readonly containers: boolean;
  readonly flags: (etcd: string) => readonly string[];
  /** Processes that are killed while a rollout runs. */
  readonly processes: readonly string[];
  readonly etcd?: true;
}

const forms: readonly Form[] = [
  {
    name: "one process, embedded store",
    kubectl: real,
    containers: true,
    flags: () => [],
    processes: ["server", "agent"],
  },
  {
    name: "separate processes on etcd",
    kubectl: ours,
    containers: true,
    etcd: true,
    flags: (etcd) => ["--separate", "--etcd-servers", etcd],
    processes: ["apiserver", "controllers", "scheduler", "kubelet"],
  },
  {
    name: "simulated nodes, separate processes",
    kubectl: ours,
    containers: false,
    flags: () => ["--simulated", "--separate"],
    processes: ["apiserver", "controllers", "scheduler", "kubelet"],
  },
];

for (const form of forms) {
  const runs = !form.containers || canRunContainers;
  describe.skipIf(!runs || (form.etcd && !existsSync("/usr/bin/etcd")))(`guestbook: ${form.name}`, () => {
    let cluster: Cluster;
    let scene: guestbook.Scene;
    let before: readonly string[] = [];
    let stopEtcd = () => {};

    beforeAll(async () => {
      const etcd = form.etcd ? await startEtcd() : undefined;
      if (etcd) stopEtcd = etcd.stop;
      before = form.containers ? machineState("/nowhere") : [];
      cluster = await startCluster(...form.flags(etcd?.url ?? ""));
      scene = { cluster, kubectl: form.kubectl };
      if (form.containers)
        for (const image of ["busybox", "redis", "python"] satisfies ImageName[])
          await cluster.k8ts("images", "import", await imageArchive(image));
    });
    afterAll(async () => {
      await cluster?.down();
      stopEtcd();
    });

    test("apply, and all Pods are Ready", () => guestbook.apply(scene));
    if (form.containers)
      test("reached by ClusterIP, node port and name", () => guestbook.onContainers.reachedEveryWay(scene));
    test("scale to five", () => guestbook.scale(scene));
    if (form.containers) {
      test.each([1, 2, 3])("a rolling update loses no request (run %i)", (round) =>
        guestbook.onContainers.rollWithoutLosingARequest(scene, round),
      );
    }
    test("a new image, and back", async () => {
      await guestbook.updateImage(scene);
      await guestbook.undo(scene);
    });
    if (form.containers)
      test("a killed container is restarted", () => guestbook.onContainers.restartKilledContainer(scene));
    test("a deleted Pod is replaced", () => guestbook.replaceDeletedPod(scene));
    test("every process killed while a rollout runs", () => guestbook.killDuringRollout(scene, form.processes));
    test("deleted Deployments take everything along", () => guestbook.deleteEverything(scene));
    test("down leaves nothing on the machine", async () => {
      await cluster.k8ts("down");
      if (!form.containers) return;
      const left = () => machineState(cluster.paths.root).filter((one) => !before.includes(one));
      await eventually("nothing new on the machine", async () => expect(left()).toEqual([]), 5_000);
    });
  });
}

/** A real etcd on free ports, with its data in a temporary directory. */
async function startEtcd(): Promise<{ url: string; stop: () => void }> {
  const [client, peer] = [32379, 32380].map((port) => `http://127.0.0.1:${port + (process.pid % 1000)}`);
  const data = mkdtempSync(join(tmpdir(), "etcd-"));
  const args = [
    "--data-dir",
    data,
    "--listen-client-urls",
    client,
    "--advertise-client-urls",
    client,
    "--listen-peer-urls",
    peer,
    "--initial-advertise-peer-urls",
    peer,
    "--initial-cluster",
    `default=${peer}`,
  ];
  const child = spawn("etcd", args as string[], { stdio: "ignore" });
  await eventually("etcd to answer", async () => expect((await fetch(`${client}/health`)).ok).toBe(true), 20_000);
  return { url: client as string, stop: () => child.kill() };
}
