/**
 * ServiceAccount: an identity for Pods. All rules are those of its name; its tokens are made by a subresource.
 */
import type { ServiceAccount } from "../../machinery/objects/kinds.ts";
import type { Strategy } from "./contract.ts";

const MOUNTABLE = "kubernetes.io/enforce-mountable-secrets";

export const serviceAccountStrategy: Strategy<ServiceAccount> = {
  warnings({ metadata }, old) {
    const set = metadata.annotations?.[MOUNTABLE] !== undefined;
    if (!set || old?.metadata.annotations?.[MOUNTABLE] !== undefined) return [];
    return [
      `metadata.annotations[${MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
    ];
  },
  allowUnconditionalUpdate: true,
};
