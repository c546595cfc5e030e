/** DefaultBinder: binds a Pod by telling the API server, which refuses a second binding. */
import type { Handle, Plugin, PluginArgs } from "../framework.ts";

export const defaultBinder = (_: PluginArgs, { client }: Handle): Plugin => ({
  name: "DefaultBinder",
  async bind({ pod }, node, cause) {
    const { name, namespace, uid } = pod.metadata;
    const because = client.because({ revision: cause, controller: pod.spec?.schedulerName ?? "default-scheduler" });
    await because.createSub("pods", { name, namespace }, "binding", {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: node },
    });
  },
});
