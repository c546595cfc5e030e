/**
 * Identities: who the components of a node are to the API server.
 */
import type { Subject } from "./certificates.ts";

/** What runs on every node besides its kubelet ► its user. The same on all nodes: what it may do is the same too. */
export const NODE_COMPONENTS = { proxy: "system:kube-proxy", dns: "system:k8ts:dns" } as const;

export const nodeIdentity = (nodeName: string): Subject => ({
  commonName: `system:node:${nodeName}`,
  organizations: ["system:nodes"],
});
