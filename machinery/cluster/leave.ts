/**
 * Leave: takes this machine out of the cluster that it joined. The command behind `k8ts agent leave`.
 *
 * First its Pods are evicted, as by a drain, while the agent still runs and they can go elsewhere; then everything here
 * stops; then its Node goes; last the keys by which it was that node. Killed at any step it is run again. Volumes of claims
 * stay on the disk unless --purge: they may be all that is left of somebody's data.
 */
import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import { LEAVES } from "../join/cluster-facts.ts";
import { JoinError } from "../join/join-error.ts";
import { type NodeRecord, readIdentity, readNodeRecord } from "../join/node-record.ts";
import type { Node, Pod } from "../objects/kinds.ts";
import { ApiError } from "../objects/status.ts";
import { type ComponentContext, defineComponent } from "../process/component.ts";
import { UsageError } from "../process/flags.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { downCommand } from "./down.ts";
import { livingRecord } from "./process-record.ts";
import { createProgress, type Progress } from "./progress.ts";
import { recordPath } from "./supervised-process.ts";

const REACH_MS = 20_000;
const GONE_MS = 30_000;
const LOOK_MS = 500;

export const leaveCommand = defineComponent({
  name: "agent leave",
  command: true,
  summary: "Takes this machine out of its cluster: its Pods go elsewhere, its node is deleted, its keys are removed.",
  flags: {
    timeout: { type: "number", default: 120, value: "SECONDS", help: "how long its Pods may take to go" },
    force: { type: "boolean", help: "leave though Pods do not go, or though no server is reached" },
    purge: { type: "boolean", help: "remove volumes of claims too" },
  },
  async run({ timeout, force, purge }, context) {
    const paths = homePaths(context.home);
    const progress = createProgress(context.clock, process.stderr);
    const record = await readNodeRecord(paths);
    if (!record) throw new UsageError(`this machine has not joined a cluster: there is no node in ${paths.root}`);
    const leaving = { record, paths, context, progress };
    const client = await reach(leaving, force);
    if (client) await drain(client, leaving, { seconds: timeout, force });
    await downCommand.run({ purge: false }, context);
    if (client) {
      await progress.step(`deleting node ${record.nodeName}`, () => remove(client, leaving));
      await client.transport.close();
    }
    forget(paths, purge);
    progress.say(
      client
        ? `k8ts: node ${record.nodeName} has left ${record.server}`
        : `k8ts: this machine is no node any more; say so on a server: kubectl delete node ${record.nodeName}`,
    );
  },
});

interface Leaving {
  readonly record: NodeRecord;
  readonly paths: HomePaths;
  readonly context: ComponentContext;
  readonly progress: Progress;
}

/** A client as this node, or undefined where it goes without a word. */
async function reach({ record, paths, context }: Leaving, force: boolean): Promise<Client | undefined> {
  const { clock, log, signal } = context;
  const identity = await readIdentity(paths, "kubelet");
  const client = identity && (await connect({ kubeconfig: paths.kubeconfig("kubelet"), clock, log, signal }));
  const until = clock.monotonic() + REACH_MS;
  for (;;) {
    try {
      await client?.find("nodes", { name: record.nodeName });
      if (client) return client;
    } catch (error) {
      const retry = error instanceof ApiError && error.retryable && clock.monotonic() < until && !force;
      if (!retry && !force)
        throw new JoinError(
          `the cluster cannot be told: ${(error as Error).message}`,
          `try again when a server is reached; or leave with --force, and on a server: kubectl delete node ${record.nodeName}`,
        );
      if (retry) {
        await clock.sleep(LOOK_MS, signal);
        continue;
      }
    }
    await client?.transport.close();
    return undefined;
  }
}

interface Patience {
  readonly seconds: number;
  readonly force: boolean;
}

/** Only a running agent can end its Pods; without one they go with the node. */
async function drain(client: Client, leaving: Leaving, { seconds, force }: Patience): Promise<void> {
  const { record, paths, context, progress } = leaving;
  const { clock, signal } = context;
  const node = await ownNode(client, record);
  if (!node || !livingRecord(recordPath(paths, "agent"))) return;
  await client.patch("nodes", { name: record.nodeName }, { spec: { unschedulable: true } });
  await progress.step("evicting Pods", async (note) => {
    const until = clock.monotonic() + seconds * 1000;
    for (;;) {
      const left = await toEvict(client, record.nodeName);
      if (left.length === 0) return;
      const names = left.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(", ");
      note(names);
      if (clock.monotonic() > until) {
        if (force) return `left behind: ${names}`;
        throw new JoinError(
          `after ${seconds} s these Pods are still here: ${names}`,
          `look at what keeps them (kubectl get poddisruptionbudgets -A), try again, or leave with --force; kubectl uncordon ${record.nodeName} takes Pods here again`,
        );
      }
      for (const pod of left) if (!pod.metadata.deletionTimestamp) await evict(client, pod);
      await clock.sleep(LOOK_MS, signal);
    }
  });
}

/** Its node, while it is still this machine. */
async function ownNode(client: Client, { nodeName }: NodeRecord): Promise<Node | undefined> {
  return client.find("nodes", { name: nodeName });
}

const MIRROR = "kubernetes.io/config.mirror";

/** Pods of DaemonSets would come back; mirror Pods are files here. */
async function toEvict(client: Client, node: string): Promise<readonly Pod[]> {
  const { items } = await client.list("pods", { fieldSelector: `spec.nodeName=${node}` });
  return items.filter(({ metadata, status }) => {
    const daemon = metadata.ownerReferences?.some(({ kind, controller }) => kind === "DaemonSet" && controller);
    const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
    return !daemon && !ended && metadata.annotations?.[MIRROR] === undefined;
  });
}

/** A disruption budget may say: later. */
async function evict(client: Client, { metadata }: Pod): Promise<void> {
  const { namespace, name } = metadata;
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { namespace, name } };
  try {
    await client.createSub("pods", { namespace, name }, "eviction", body);
  } catch (error) {
    if (!(error instanceof ApiError && (error.reason === "TooManyRequests" || error.reason === "NotFound")))
      throw error;
  }
}

async function remove(client: Client, { record, context }: Leaving): Promise<string> {
  const { clock, signal } = context;
  const name = record.nodeName;
  if (!(await ownNode(client, record))) return "it was deleted already";
  await client.patch("nodes", { name }, { metadata: { annotations: { [LEAVES]: "true" } } });
  const until = clock.monotonic() + GONE_MS;
  while (await ownNode(client, record)) {
    if (clock.monotonic() > until)
      throw new JoinError(
        `node ${name} is still there after ${GONE_MS / 1000} s`,
        `look whether the controllers run, and try again; or: kubectl delete node ${name}, then --force`,
      );
    await clock.sleep(LOOK_MS, signal);
  }
  return "gone";
}

function forget(paths: HomePaths, purge: boolean): void {
  for (const entry of readdirSync(paths.root)) {
    const path = join(paths.root, entry);
    if (purge || path !== paths.volumes) rmSync(path, { recursive: true, force: true });
  }
  if (purge) rmdirSync(paths.root);
}
