/** The guestbook's life on every form of the cluster, driven by real kubectl and by ours. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, canRunContainers, eventually, startCluster } from "./harness/cluster.ts";
import { createEtcd, type Etcd, hasEtcd } from "./harness/etcd.ts";
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
  describe.skipIf(!runs || (form.etcd && !hasEtcd))(`guestbook: ${form.name}`, () => {
    let cluster: Cluster;
    let scene: guestbook.Scene;
    let before: readonly string[] = [];
    let etcd: Etcd | undefined;

    beforeAll(async () => {
      etcd = form.etcd && (await createEtcd());
      await etcd?.start();
      before = form.containers ? machineState("/nowhere") : [];
      cluster = await startCluster(...form.flags(etcd?.url ?? ""));
      scene = { cluster, kubectl: form.kubectl };
      if (form.containers)
        for (const image of ["busybox", "redis", "python"] satisfies ImageName[])
          await cluster.k8ts("images", "import", await imageArchive(image));
    });
    afterAll(async () => {
      await cluster?.down();
      await etcd?.remove();
    });

    test("apply, and all Pods are Ready", () => guestbook.apply(scene));
    if (form.containers)
      test("reached by ClusterIP, node port and name", () => guestbook.onContainers.reachedEveryWay(scene));
    test("scale to five", () => guestbook.scale(scene));
    if (form.containers)
      test("three rolling updates in a row lose no request: a restart, a new image, and back", () =>
        guestbook.onContainers.updateWithoutLosingARequest(scene));
    else
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
      await eventually("nothing new on the machine", async () => expect(left()).toEqual([]), 30_000);
    });
  });
}
