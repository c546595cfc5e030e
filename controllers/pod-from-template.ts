/**
 * Pods from templates: what a controller sends to make a Pod of its own. Pure.
 */
import type { KindInfo, Pod, PodTemplateSpec } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import type { Draft, StoredMeta } from "../machinery/objects/wire.ts";

interface Owner {
  readonly metadata: Pick<StoredMeta, "name" | "uid" | "namespace">;
}

export function podFromTemplate(template: PodTemplateSpec, owner: Owner, kind: KindInfo): Draft<Pod> {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    metadata: {
      generateName: `${owner.metadata.name}-`,
      ...(owner.metadata.namespace ? { namespace: owner.metadata.namespace } : {}),
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers?.length ? { finalizers } : {}),
      ownerReferences: [ownerReferenceTo(owner, kind)],
    },
    ...(template.spec ? { spec: template.spec } : {}),
  };
}
