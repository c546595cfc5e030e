/**
 * API priorities: the order of groups and versions in discovery, which decides what a short name means.
 *
 * Numbers are those with which Kubernetes registers its own groups. Other servers' stand in their APIServices.
 */

export interface ApiPriority {
  readonly group: number;
  readonly version: number;
}

const GROUPS: Readonly<Record<string, number>> = {
  "": 18_000,
  "apiregistration.k8s.io": 17_900,
  apps: 17_800,
  "events.k8s.io": 17_750,
  "authentication.k8s.io": 17_700,
  "authorization.k8s.io": 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  "certificates.k8s.io": 17_300,
  "networking.k8s.io": 17_200,
  policy: 17_100,
  "rbac.authorization.k8s.io": 17_000,
  "storage.k8s.io": 16_800,
  "apiextensions.k8s.io": 16_700,
  "admissionregistration.k8s.io": 16_700,
  "scheduling.k8s.io": 16_600,
  "coordination.k8s.io": 16_500,
  "node.k8s.io": 16_300,
  "discovery.k8s.io": 16_200,
  "flowcontrol.apiserver.k8s.io": 16_100,
  "resource.k8s.io": 15_900,
  "metrics.k8s.io": 100,
};

const VERSIONS: Readonly<Record<string, number>> = {
  v1: 1,
  "v2.autoscaling": 30,
  "v1.flowcontrol.apiserver.k8s.io": 21,
  "v1beta1.metrics.k8s.io": 100,
};

const CUSTOM: ApiPriority = { group: 1_000, version: 100 };
const VERSION = 15;

export function localPriority(group: string, version: string, custom: boolean): ApiPriority {
  if (custom) return CUSTOM;
  return {
    group: GROUPS[group] ?? CUSTOM.group,
    version: VERSIONS[group === "" ? version : `${version}.${group}`] ?? VERSION,
  };
}
