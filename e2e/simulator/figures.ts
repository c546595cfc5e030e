/**
 * Figures: what a simulated machine tells of the processor time that its Pods have used, for metrics and autoscalers.
 */
import { milliValue } from "../../machinery/objects/quantity.ts";
import type { Ground, Running } from "./ground.ts";
import { loadOf, POD_TARGET } from "./workload/around.ts";

const MEMORY_BYTES = 50 * 2 ** 20;

/** The text of a node's /metrics/resource. */
export function createFigures(seed: number, ground: Ground, elapsed: () => number): (node: string) => string {
  const appOf = ({ pod }: Running) => pod.metadata.labels?.["app"] ?? "";
  const rateOf = (running: Running): number => {
    const app = appOf(running);
    const together = [...ground.all()].filter((one) => appOf(one) === app).length;
    const request = milliValue(running.pod.spec?.containers[0]?.resources?.requests?.["cpu"]) / 1_000;
    return (loadOf(seed, app, elapsed()) * POD_TARGET * request) / together;
  };
  return (node) => {
    const lines = [`node_cpu_usage_seconds_total ${elapsed() / 1000}`, `node_memory_working_set_bytes ${MEMORY_BYTES}`];
    for (const running of ground.on(node)) {
      const { pod, used } = running;
      used.seconds += (rateOf(running) * (elapsed() - used.until)) / 1000;
      used.until = elapsed();
      const labels = `{container="c",namespace="${pod.metadata.namespace}",pod="${pod.metadata.name}"}`;
      lines.push(
        `container_cpu_usage_seconds_total${labels} ${used.seconds}`,
        `container_memory_working_set_bytes${labels} ${MEMORY_BYTES}`,
      );
    }
    return lines.join("\n");
  };
}
