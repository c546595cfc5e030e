/** DynamicResources: devices cannot be claimed here, so a Pod that claims one runs nowhere. */
import type { FilterPlugin } from "../framework.ts";

export const dynamicResources: FilterPlugin = {
  name: "DynamicResources",
  helpedBy: [],
  preFilter({ pod, key }) {
    const [first] = pod.spec?.resourceClaims ?? [];
    if (!first) return undefined;
    return {
      nowhere: first.resourceClaimName
        ? `resourceclaim.resource.k8s.io "${first.resourceClaimName}" not found`
        : `pod "${key}": ResourceClaim not created yet`,
    };
  },
};
