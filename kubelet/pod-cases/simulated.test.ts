/** The Pod cases over the simulated runtime. Over containerd: ../real-pod-cases.test.ts. */
import { startNode } from "../../e2e/harness/node.ts";
import { startPipeline } from "../../e2e/harness/pipeline.ts";
import { podCases } from "./pod.cases.ts";

podCases("simulated", async () => {
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  const node = await startNode(pipeline);
  return {
    node,
    client: pipeline.client(),
    async close() {
      await node.close();
      await pipeline.close();
    },
  };
});
