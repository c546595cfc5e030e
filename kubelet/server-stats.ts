/**
 * Stats summary: what the node's Pods use, in the real kubelet's shape. The small part that tools read.
 */
import { freemem, totalmem } from "node:os";
import { type ContainerStats, nanosToMs } from "./cri/messages.ts";
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from "./pods/labels.ts";
import type { ServerContext } from "./server.ts";

export async function statsSummary({ cri, clock, nodeName }: ServerContext): Promise<unknown> {
  const { stats } = await cri.listContainerStats({});
  const pods = new Map<string, ContainerStats[]>();
  for (const one of stats) {
    const uid = one.attributes.labels[POD_UID] ?? "";
    pods.set(uid, [...(pods.get(uid) ?? []), one]);
  }
  const time = new Date(clock.now()).toISOString();
  return {
    node: {
      nodeName,
      memory: { time, availableBytes: freemem(), usageBytes: totalmem() - freemem() },
    },
    pods: [...pods.values()].map((containers) => podStats(containers)),
  };
}

function podStats(containers: readonly ContainerStats[]) {
  const labels = containers[0]?.attributes.labels ?? {};
  return {
    podRef: { name: labels[POD_NAME] ?? "", namespace: labels[POD_NAMESPACE] ?? "", uid: labels[POD_UID] ?? "" },
    containers: containers.map(({ attributes, cpu, memory }) => ({
      name: attributes.labels[CONTAINER_NAME] ?? attributes.metadata.name,
      cpu: {
        time: timeOf(cpu?.timestamp),
        usageNanoCores: cpu?.usageNanoCores?.value,
        usageCoreNanoSeconds: cpu?.usageCoreNanoSeconds?.value,
      },
      memory: { time: timeOf(memory?.timestamp), workingSetBytes: memory?.workingSetBytes?.value },
    })),
  };
}

function timeOf(nanos: string | undefined): string | undefined {
  const ms = nanos === undefined ? undefined : nanosToMs(nanos);
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
