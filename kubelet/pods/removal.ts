/**
 * Removal: what of a Pod goes when. Its volumes and cgroup once nothing runs, its object in the API
 * after that, its containers, logs and files when the API has forgotten it.
 *
 * Dead containers of a living Pod are kept for their logs: the last run and the one before it.
 */
import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { PodIdentity } from "./paths.ts";
import type { ContainerRecord, RuntimePod } from "./runtime-state.ts";
import type { PodServices } from "./services.ts";

/** A container nobody knows gets little time. */
const ORPHAN_GRACE_SECONDS = 1;

/** Nothing runs any more: volumes and cgroup. */
export async function releasePod(uid: string, services: PodServices): Promise<void> {
  const { volumes, cgroups, images, allocations } = services;
  allocations.release(uid);
  await volumes.release(uid);
  await cgroups.remove(uid);
  images.forget(uid);
}

/** The last step of a deletion, once the final status is written. False: to be tried again. */
export async function deletePod(pod: Pod, { client, statuses, log }: PodServices): Promise<boolean> {
  const { uid, name, namespace, resourceVersion } = pod.metadata;
  await statuses.written(uid);
  try {
    await client
      .because({ revision: resourceVersion, controller: "kubelet" })
      .delete("pods", { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
    return true;
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return true;
    log.warn("a Pod that has ended could not be deleted", { object: `pods/${namespace}/${name}`, error });
    return false;
  }
}

/** The API knows it no longer: every trace of it on this node goes. */
export async function purgePod(pod: PodIdentity, runtime: RuntimePod, services: PodServices): Promise<void> {
  const { cri, observer, volumes, cgroups, paths } = services;
  await Promise.all(runtime.containers.map(({ id }) => cri.removeContainer({ containerId: id })));
  await Promise.all(runtime.sandboxes.map(({ id }) => cri.removePodSandbox({ podSandboxId: id })));
  await volumes.remove(pod.uid);
  await cgroups.remove(pod.uid);
  await rm(paths.logDirectory(pod), { recursive: true, force: true });
  observer.forget(pod.uid);
  services.userNamespaces.forget(pod.uid);
}

/** A Pod of which only the runtime knows. */
export async function removeOrphan(pod: PodIdentity, services: PodServices): Promise<void> {
  const { cri, observer, log } = services;
  log.info("a Pod that the API does not know is removed", {
    object: `pods/${pod.namespace}/${pod.name}`,
    uid: pod.uid,
  });
  const runtime = await observer.observe(pod);
  const alive = runtime.containers.filter(({ state }) => state === "running" || state === "unknown");
  await Promise.all(alive.map(({ id }) => cri.stopContainer({ containerId: id, timeout: ORPHAN_GRACE_SECONDS })));
  await Promise.all(runtime.sandboxes.map(({ id }) => cri.stopPodSandbox({ podSandboxId: id })));
  await purgePod(pod, runtime, services);
}

/** Directories of Pods that neither the API nor the runtime knows: left by a kubelet that was killed. */
export async function sweepDirectories(
  known: ReadonlySet<string>,
  { paths, volumes, cgroups }: PodServices,
): Promise<void> {
  const uids = await readdir(paths.pods).catch(() => []);
  for (const uid of uids) {
    if (known.has(uid)) continue;
    await volumes.remove(uid);
    await cgroups.remove(uid);
  }
  const logs = await readdir(paths.logs).catch(() => []);
  for (const name of logs) {
    const uid = name.split("_").at(-1) ?? "";
    if (!known.has(uid)) await rm(join(paths.logs, name), { recursive: true, force: true });
  }
}

/** Runs and sandboxes of a living Pod that nobody needs any more. */
export async function pruneRuntime(
  pod: Pod,
  runtime: RuntimePod,
  busy: ReadonlySet<string>,
  { cri, log }: PodServices,
): Promise<void> {
  const [sandbox] = runtime.sandboxes;
  const old = runtime.containers.filter((record) => record.state === "exited" && isOld(record, runtime));
  const needed = new Set(
    runtime.containers.filter((record) => !old.includes(record)).map(({ sandboxId }) => sandboxId),
  );
  try {
    for (const record of old) {
      if (busy.has(record.name)) continue;
      await cri.removeContainer({ containerId: record.id });
      await removeLogs(record.logPath);
    }
    for (const { id, ready } of runtime.sandboxes) {
      if (!ready && id !== sandbox?.id && !needed.has(id)) await cri.removePodSandbox({ podSandboxId: id });
    }
  } catch (error) {
    log.info("old containers could not be removed yet", {
      object: `pods/${pod.metadata.namespace}/${pod.metadata.name}`,
      error,
    });
  }
}

/** Neither the newest run nor the one before it. */
function isOld(record: ContainerRecord, runtime: RuntimePod): boolean {
  const runs = runtime.containers.filter(({ name }) => name === record.name);
  return runs.indexOf(record) >= 2;
}

async function removeLogs(path: string): Promise<void> {
  if (!path) return;
  const name = basename(path);
  const files = await readdir(dirname(path)).catch(() => []);
  const own = files.filter((file) => file === name || file.startsWith(`${name}.`));
  for (const file of own) await rm(join(dirname(path), file), { force: true });
}
