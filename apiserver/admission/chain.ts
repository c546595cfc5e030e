/**
 * Chain: the plugins in the order in which they see a write.
 *
 * Mutating order matters: what gives defaults before what looks at the finished object. The quota is charged last of
 * all, for whatever is refused after it would have been charged for nothing.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
 */
import type { Metrics } from "../../machinery/process/metrics.ts";
import type { FieldManagement } from "../apply/contract.ts";
import type { Rbac } from "../auth/rbac.ts";
import { certificates } from "./certificates.ts";
import { claimResize } from "./claim-resize.ts";
import type { Admission, AdmissionPlugin, AdmissionServices } from "./contract.ts";
import { defaultIngressClass } from "./default-ingress-class.ts";
import { defaultStorageClass } from "./default-storage-class.ts";
import { defaultTolerationSeconds } from "./default-toleration-seconds.ts";
import { limitRanger } from "./limit-ranger.ts";
import { mutatingAdmissionPolicy } from "./mutating-admission-policy.ts";
import { mutatingWebhooks } from "./mutating-webhooks.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { nodeRestriction } from "./node-restriction.ts";
import { podSecurity } from "./pod-security.ts";
import { priority } from "./priority.ts";
import { resourceQuota } from "./resource-quota.ts";
import { roleEscalation } from "./role-escalation.ts";
import { RoundsOfOne } from "./rounds.ts";
import { runtimeClass } from "./runtime-class.ts";
import { serviceAccount } from "./service-account.ts";
import { storageObjectInUseProtection } from "./storage-object-in-use-protection.ts";
import { taintNodesByCondition } from "./taint-nodes-by-condition.ts";
import { validatingAdmissionPolicy } from "./validating-admission-policy.ts";
import { validatingWebhooks } from "./validating-webhooks.ts";
import type { WebhookOptions } from "./webhook-call.ts";
import { createWebhookMetrics } from "./webhook-metrics.ts";

export interface PluginOptions extends Omit<WebhookOptions, "metrics"> {
  readonly rbac: Rbac;
  readonly metrics: Metrics;
  readonly merge: FieldManagement["merge"];
}

export function builtinPlugins({ rbac, metrics, ...options }: PluginOptions): readonly AdmissionPlugin[] {
  const { authorize } = options;
  const webhooks: WebhookOptions = { ...options, metrics: createWebhookMetrics(metrics) };
  return [
    namespaceLifecycle,
    limitRanger,
    serviceAccount,
    nodeRestriction,
    taintNodesByCondition,
    podSecurity(),
    priority(),
    defaultTolerationSeconds,
    defaultStorageClass(),
    claimResize,
    storageObjectInUseProtection,
    runtimeClass,
    certificates(authorize),
    defaultIngressClass(),
    roleEscalation(rbac, authorize),
    mutatingAdmissionPolicy(options),
    mutatingWebhooks(webhooks),
    validatingAdmissionPolicy(options),
    validatingWebhooks(webhooks),
    resourceQuota(),
  ];
}

export function createAdmission(plugins: readonly AdmissionPlugin[], services: AdmissionServices): Admission {
  const mutating = plugins.filter(({ mutate }) => mutate);
  const validating = plugins.filter(({ validate }) => validate);
  return {
    async mutate(request) {
      const rounds = new RoundsOfOne();
      for (;;) {
        for (let at = 0; at < mutating.length; at++) {
          const done = mutating[at]?.mutate?.(request, services, rounds);
          if (done) await done; // most have nothing to wait for
        }
        if (!rounds.next()) return;
      }
    },
    async validate(request) {
      for (let at = 0; at < validating.length; at++) {
        const done = validating[at]?.validate?.(request, services);
        if (done) await done;
      }
    },
  };
}
