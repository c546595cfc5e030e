/** DynamicResources: devices cannot be claimed here, so a Pod that claims one runs nowhere. */
import { type Plugin, refusedForGood } from "../framework.ts";

export const dynamicResources: Plugin = {
  name: "DynamicResources",
  preFilter({ pod, key }) {
    const [first] = pod.spec?.resourceClaims ?? [];
    if (!first) return undefined;
    return refusedForGood(
      first.resourceClaimName
        ? `resourceclaim.resource.k8s.io "${first.resourceClaimName}" not found`
        : `pod "${key}": ResourceClaim not created yet`,
    );
  },
  postFilter: () => ({ message: "no new claims to deallocate" }),
};
