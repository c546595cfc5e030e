/**
 * Tell ready: says to the person in front of `k8ts server` or `k8ts agent` when their node is Ready. Once.
 */
import { connect } from "../client/connect.ts";
import type { ComponentContext } from "../process/component.ts";
import { homePaths } from "../process/home.ts";
import type { ClusterOptions } from "./process-table.ts";

const LOOK_MS = 500;

/** Never rejects. */
export async function tellReady({ nodeName }: ClusterOptions, context: ComponentContext): Promise<void> {
  const { clock, log, signal, home } = context;
  try {
    const client = await connect({ kubeconfig: homePaths(home).kubeconfig("kubelet"), clock, log, signal });
    const isReady = async () => {
      const node = await client.find("nodes", { name: nodeName }).catch(() => undefined); // asked again
      return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
    };
    while (!(await isReady())) await clock.sleep(LOOK_MS, signal);
    process.stderr.write(`k8ts: node ${nodeName} is Ready\n`);
    await client.transport.close();
  } catch (error) {
    if (!signal.aborted) log.warn("cannot see whether the node is ready", { error });
  }
}
