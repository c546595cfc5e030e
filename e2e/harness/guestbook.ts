/**
 * Guestbook: the story of an application's life, told through any kubectl.
 *
 * Steps are functions, so that the same story runs on every form of the cluster; those that need
 * real containers say so by their place in `onContainers`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { type Cluster, eventually } from "./cluster.ts";
import { asker } from "./https.ts";
import type { Kubectl } from "./kubectls.ts";
import { loadPod, loadResult, STOP_LOAD } from "./load.ts";

const sample = readFileSync(join(import.meta.dirname, "..", "..", "manifests", "samples", "guestbook.yaml"), "utf8");
const NEW_IMAGE = "python:3.11-slim-bookworm";
const SELECTOR = "app=guestbook,tier=frontend";

export interface Scene {
  readonly cluster: Cluster;
  readonly kubectl: Kubectl;
  /** Where the client runs; anywhere by default. */
  readonly clientOn?: string;
}

const run = ({ cluster, kubectl }: Scene, ...args: string[]) => cluster.kubectl(kubectl, args);

export async function frontends(scene: Scene): Promise<readonly Pod[]> {
  const text = await run(scene, "get", "pods", "-l", SELECTOR, "-o", "json");
  return (JSON.parse(text) as { items: Pod[] }).items;
}

const rolledOut = (scene: Scene, name = "frontend") =>
  run(scene, "rollout", "status", `deployment/${name}`, "--timeout=180s");

export async function apply(scene: Scene): Promise<void> {
  const said = await scene.cluster.kubectl(scene.kubectl, ["apply", "-f", "-"], sample);
  expect(said).toContain("deployment.apps/frontend created");
  expect(said).toContain("service/frontend created");
  for (const name of ["redis-leader", "redis-follower", "frontend"])
    expect(await rolledOut(scene, name)).toContain("successfully rolled out");
  const ready = (await frontends(scene)).filter((pod) =>
    pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
  );
  expect(ready).toHaveLength(3);
}

export async function scale(scene: Scene): Promise<void> {
  expect(await run(scene, "scale", "deployment/frontend", "--replicas=5")).toContain("deployment.apps/frontend scaled");
  await rolledOut(scene);
  expect(await frontends(scene)).toHaveLength(5);
}

export async function updateImage(scene: Scene): Promise<void> {
  await run(scene, "set", "image", "deployment/frontend", `frontend=${NEW_IMAGE}`);
  await rolledOut(scene);
  await eventually("only Pods of the new image", async () => {
    const images = (await frontends(scene)).map((pod) => pod.spec?.containers[0]?.image);
    expect(images).toEqual(Array(5).fill(NEW_IMAGE));
  });
}

export async function undo(scene: Scene): Promise<void> {
  expect(await run(scene, "rollout", "undo", "deployment/frontend")).toContain("rolled back");
  await rolledOut(scene);
  await eventually("only Pods of the old image", async () => {
    const images = (await frontends(scene)).map((pod) => pod.spec?.containers[0]?.image);
    expect(images).toEqual(Array(5).fill("python:3.11-slim"));
  });
}

export async function replaceDeletedPod(scene: Scene): Promise<void> {
  const [victim] = await frontends(scene);
  const name = victim?.metadata.name ?? "";
  expect(await run(scene, "delete", "pod", name, "--grace-period=1")).toContain(`pod "${name}" deleted`);
  await eventually("five Pods without the deleted one", async () => {
    const names = (await frontends(scene)).map((pod) => pod.metadata.name);
    expect(names).toHaveLength(5);
    expect(names).not.toContain(name);
  });
  await rolledOut(scene);
}

/** Kills each process in turn while a rollout runs; never more Pods than maxSurge allows. */
export async function killDuringRollout(scene: Scene, processes: readonly string[]): Promise<void> {
  const template = { metadata: { annotations: { roll: processes.join("-") } } };
  await run(scene, "patch", "deployment/frontend", "-p", JSON.stringify({ spec: { template } }));
  let most = 0;
  const ask = await asker(scene.cluster.paths.adminKubeconfig);
  const path = `/api/v1/namespaces/default/pods?labelSelector=${encodeURIComponent(SELECTOR)}`;
  const count = async () => {
    const answer = await ask({ path }).catch(() => undefined); // the API server may be the one that is down
    if (answer?.status !== 200) return;
    const { items } = JSON.parse(answer.text) as { items: Pod[] };
    most = Math.max(most, items.filter(({ metadata }) => !metadata.deletionTimestamp).length);
  };
  for (const process of processes) {
    scene.cluster.kill(process);
    for (let look = 0; look < 5; look++) {
      await count();
      await systemClock.sleep(200);
    }
  }
  const watching = new AbortController();
  const counting = (async () => {
    while (!watching.signal.aborted) await Promise.all([count(), systemClock.sleep(200)]);
  })();
  await eventually("the rollout to complete", () => rolledOut(scene), 180_000);
  watching.abort();
  await counting;
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(6);
  await eventually("five Pods", async () => expect(await frontends(scene)).toHaveLength(5));
}

export async function deleteEverything(scene: Scene): Promise<void> {
  await run(scene, "delete", "deployment", "frontend", "redis-leader", "redis-follower");
  await eventually("no Pods and ReplicaSets left", async () => {
    const left = await run(scene, "get", "pods,replicasets", "-l", "app in (guestbook,redis)", "-o", "name");
    expect(left.trim()).toBe("");
  });
}

/** What only real containers can show. */
export const onContainers = {
  async reachedEveryWay(scene: Scene): Promise<void> {
    await scene.cluster.kubectl(scene.kubectl, ["apply", "-f", "-"], clientPod(scene));
    await run(scene, "wait", "--for=condition=Ready", "pod/client", "--timeout=60s");
    const service = JSON.parse(await run(scene, "get", "service", "frontend", "-o", "json")) as {
      spec: { clusterIP: string };
    };
    const [client] = (JSON.parse(await run(scene, "get", "pod", "client", "-o", "json")) as Pod).status?.hostIPs ?? [];
    const write = await run(
      scene,
      "exec",
      "client",
      "--",
      "wget",
      "-q",
      "-O-",
      "--post-data",
      "hello from the story",
      "http://frontend/",
    );
    expect(write.trim()).toBe("1");
    for (const host of [
      service.spec.clusterIP,
      `${client?.ip}:30080`,
      "frontend",
      "frontend.default.svc.cluster.local",
    ]) {
      await eventually(
        `the message through ${host}`,
        async () => {
          expect(await run(scene, "exec", "client", "--", "wget", "-q", "-O-", `http://${host}/`)).toContain(
            "hello from the story",
          );
        },
        20_000,
      );
    }
  },

  /** Every kind of rolling update, one after the other, while 50 requests a second are answered: none may fail. */
  async updateWithoutLosingARequest(scene: Scene): Promise<void> {
    const load = loadPod({ name: "load", host: "frontend", port: 80, perSecond: 50 });
    await scene.cluster.kubectl(scene.kubectl, ["apply", "-f", "-"], load);
    await run(scene, "wait", "--for=condition=Ready", "pod/load", "--timeout=60s");
    await run(scene, "rollout", "restart", "deployment/frontend");
    await rolledOut(scene);
    await updateImage(scene);
    await undo(scene);
    await run(scene, "exec", "load", "--", ...STOP_LOAD);
    await run(scene, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/load", "--timeout=120s");
    const { seconds, sent, failed, failures } = loadResult(await run(scene, "logs", "load"));
    expect(failures).toEqual([]);
    expect(failed).toBe(0);
    expect(sent).toBeGreaterThanOrEqual(25 * seconds); // a client that is kept waiting sends less
  },

  async restartKilledContainer(scene: Scene): Promise<void> {
    const [victim] = await frontends(scene);
    const name = victim?.metadata.name ?? "";
    const before = victim?.status?.containerStatuses?.[0]?.containerID;
    killProcess(victim?.metadata.uid ?? "", "frontend.py");
    await eventually("the container to be restarted", async () => {
      const pod = JSON.parse(await run(scene, "get", "pod", name, "-o", "json")) as Pod;
      const [status] = pod.status?.containerStatuses ?? [];
      expect(status?.restartCount).toBe(1);
      expect(status?.containerID).not.toBe(before);
      expect(status?.ready).toBe(true);
    });
  },
};

const clientPod = ({ clientOn }: Scene): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "client" },
    spec: {
      ...(clientOn !== undefined && { nodeName: clientOn }),
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "client", image: "busybox:1.36", command: ["sleep", "86400"] }],
    },
  });

/** kill -9 of a Pod's process, found by its cgroup, from outside. */
function killProcess(uid: string, command: string): void {
  const of = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return ""; // it ended meanwhile
    }
  };
  const names = [`pod${uid}`, `pod${uid.replaceAll("-", "_")}`];
  const found = readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && names.some((name) => of(pid, "cgroup").includes(name)))
    .filter((pid) => of(pid, "cmdline").includes(command));
  expect(found).not.toEqual([]);
  for (const pid of found) process.kill(Number(pid), "SIGKILL");
}
