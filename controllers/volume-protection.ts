/**
 * Volume protection: a claim goes only when no Pod uses it, a volume only when it serves no claim.
 *
 * Finalizers hold them (admission puts them there at once: storage-object-in-use-protection). A claim
 * counts as used by every Pod that has a node, ended or not, for a node may hold its volume still. The
 * cache alone lets nothing go: the Pods are read from the server before the last step.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
 */
import { type Controller, defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import { older } from "../machinery/loop/own-writes.ts";
import type { PersistentVolumeClaim, Pod } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { claimNames, finalizers, notMadeFor } from "../machinery/objects/volume-claims.ts";
import type { StoredMeta } from "../machinery/objects/wire.ts";
import { createClaimUsers } from "./claim-users.ts";

export function claimProtectionController(): Controller {
  const users = createClaimUsers();
  const live = createLivePods();
  return defineController({
    name: "pvc-protection-controller",
    watches: {
      persistentvolumeclaims: ({ type, key, object }) =>
        type !== "deleted" && isUnsettled(object.metadata, finalizers.claim) ? [key] : [],
      pods: (change) => {
        const { type, object, old } = change;
        if (type === "updated" && !isShutDown(object) === !(old && isShutDown(old))) return [];
        const claims = users.note(change);
        return type === "added" ? [] : claims;
      },
    },

    async reconcile(key, context): Promise<Outcome> {
      const claim = context.persistentvolumeclaims.get(key);
      if (!claim || !isUnsettled(claim.metadata, finalizers.claim)) return done;
      if (!claim.metadata.deletionTimestamp) {
        await setFinalizer("persistentvolumeclaims", claim.metadata, finalizers.claim, context);
        return done;
      }
      for (const pod of users.of(key)) if (uses(context.pods.get(pod), claim)) return done;
      if (await live.use(claim, context)) return done;
      await dropFinalizer("persistentvolumeclaims", claim.metadata, finalizers.claim, context);
      return done;
    },
  });
}

export const volumeProtectionController = defineController({
  name: "pv-protection-controller",
  watches: {
    persistentvolumes: ({ type, key, object }) =>
      type !== "deleted" && isUnsettled(object.metadata, finalizers.volume) ? [key] : [],
  },

  async reconcile(key, context): Promise<Outcome> {
    const volume = context.persistentvolumes.get(key);
    if (!volume || !isUnsettled(volume.metadata, finalizers.volume)) return done;
    if (!volume.metadata.deletionTimestamp)
      await setFinalizer("persistentvolumes", volume.metadata, finalizers.volume, context);
    else if (volume.status?.phase !== "Bound")
      await dropFinalizer("persistentvolumes", volume.metadata, finalizers.volume, context);
    return done;
  },
});

/** On its way out with the finalizer, or not and without it. */
const isUnsettled = ({ deletionTimestamp, finalizers: held }: StoredMeta, finalizer: string): boolean =>
  (deletionTimestamp !== undefined) === (held?.includes(finalizer) ?? false);

/**
 * Whether a Pod uses the claim by the server's word, for the cache may not show one that was bound a moment ago.
 * One answer lets all claims go that were already marked as deleted in what it shows; it holds none, since a Pod
 * in it may have gone since.
 */
function createLivePods() {
  let last: { readonly namespace: string; readonly revision: string; readonly pods: readonly Pod[] } | undefined;
  return {
    async use(claim: PersistentVolumeClaim, { client }: Pick<Services, "client">): Promise<boolean> {
      const { namespace = "", resourceVersion } = claim.metadata;
      const unused = (pods: readonly Pod[]) => !pods.some((pod) => uses(pod, claim));
      if (last?.namespace === namespace && !older(last.revision, resourceVersion) && unused(last.pods)) return false;
      const { items, metadata: list } = await client.list("pods", { namespace });
      const pods = items.filter((pod) => pod.spec?.nodeName && claimNames(pod).length > 0);
      last = list.resourceVersion ? { namespace, revision: list.resourceVersion, pods } : undefined;
      return !unused(pods);
    },
  };
}

/**
 * Only a Pod with a node: a node starts none whose claim is being deleted. And where the claim belongs to the Pod,
 * only until the node is done with it: what is left of a Pod may wait for the claim that is to go with it.
 */
export function uses(pod: Pod | undefined, claim: PersistentVolumeClaim): boolean {
  if (!pod?.spec?.nodeName || (isShutDown(pod) && isOwnedBy(claim, pod))) return false;
  return claimNames(pod).some(
    ({ name, ephemeral }) =>
      name === claim.metadata.name && (!ephemeral || (!isShutDown(pod) && notMadeFor(pod, claim) === undefined)),
  );
}

const isOwnedBy = ({ metadata }: PersistentVolumeClaim, pod: Pod): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === pod.metadata.uid) ?? false;

/** The node is done with it; only its object is left. */
const isShutDown = ({ metadata }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;

type Protected = "persistentvolumes" | "persistentvolumeclaims";

const setFinalizer = (resource: Protected, metadata: StoredMeta, finalizer: string, services: Services) =>
  writeFinalizers(resource, metadata, [...(metadata.finalizers ?? []), finalizer], services);

export const dropFinalizer = (resource: Protected, metadata: StoredMeta, finalizer: string, services: Services) =>
  writeFinalizers(resource, metadata, metadata.finalizers?.filter((one) => one !== finalizer) ?? [], services);

async function writeFinalizers(
  resource: Protected,
  { namespace, name, uid, resourceVersion }: StoredMeta,
  list: readonly string[],
  { client }: Services,
): Promise<void> {
  const patch = { metadata: { uid, resourceVersion, finalizers: list } };
  try {
    await client.patch(resource, { namespace, name }, patch, { type: "merge" });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
