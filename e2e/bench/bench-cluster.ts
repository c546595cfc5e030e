/**
 * Bench cluster: a cluster of a measurement's own, with a client and an image.
 */

import type { Client } from "../../machinery/client/client.ts";
import { connect } from "../../machinery/client/connect.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type Cluster, startCluster } from "../harness/cluster.ts";
import { imageArchive } from "../harness/images.ts";

export interface BenchCluster extends Cluster {
  readonly client: Client;
}

export const IMAGE = "busybox:1.36";
export const COMMAND = ["sleep", "100000"];

/** `down` is the caller's to call. */
export async function startBenchCluster(simulated: boolean, signal: AbortSignal): Promise<BenchCluster> {
  const cluster = await startCluster(...(simulated ? ["--simulated"] : []));
  try {
    if (!simulated) await cluster.k8ts("images", "import", await imageArchive("busybox"));
    const client = await connect({ kubeconfig: cluster.paths.adminKubeconfig, clock, log: silent, signal });
    return {
      ...cluster,
      client,
      async down() {
        await client.transport.close();
        await cluster.down();
      },
    };
  } catch (error) {
    await cluster.down();
    throw error;
  }
}

/** Resolves when so many Pods of the namespace default run. */
export async function podsRunning(client: Client, count: number, signal: AbortSignal): Promise<void> {
  for (let waited = 0; ; waited++) {
    const { items } = await client.list("pods", { namespace: "default" });
    if (items.filter(isReady).length === count && items.length === count) return;
    if (waited > 600) {
      const late = items.find((pod) => !isReady(pod));
      const why = late ? `${late.metadata.name}: ${JSON.stringify(late.status)}` : "the others were never made";
      throw new Error(`${items.filter(isReady).length} of ${count} Pods run after two minutes; ${why}`);
    }
    await clock.sleep(200, signal);
  }
}

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
