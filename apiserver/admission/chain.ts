/**
 * Chain: the plugins in the order in which they see a write.
 *
 * Mutating order matters: the account first (it adds volumes), then what looks at the finished Pod.
 */
import type { Authorizer } from "../auth/contract.ts";
import type { Rbac } from "../auth/rbac.ts";
import type { Admission, AdmissionPlugin, AdmissionServices } from "./contract.ts";
import { defaultTolerationSeconds } from "./default-toleration-seconds.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { nodeRestriction } from "./node-restriction.ts";
import { priority } from "./priority.ts";
import { roleEscalation } from "./role-escalation.ts";
import { serviceAccount } from "./service-account.ts";

export function builtinPlugins(rbac: Rbac, authorize: Authorizer): readonly AdmissionPlugin[] {
  return [
    namespaceLifecycle,
    serviceAccount,
    nodeRestriction,
    priority,
    defaultTolerationSeconds,
    roleEscalation(rbac, authorize),
  ];
}

export function createAdmission(plugins: readonly AdmissionPlugin[], services: AdmissionServices): Admission {
  const mutating = plugins.filter(({ mutate }) => mutate);
  const validating = plugins.filter(({ validate }) => validate);
  return {
    async mutate(request) {
      for (const plugin of mutating) {
        const done = plugin.mutate?.(request, services);
        if (done) await done; // most have nothing to wait for
      }
    },
    async validate(request) {
      for (const plugin of validating) {
        const done = plugin.validate?.(request, services);
        if (done) await done;
      }
    },
  };
}
