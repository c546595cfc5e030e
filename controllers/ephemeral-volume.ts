/**
 * Ephemeral volumes: makes the claim that a Pod's ephemeral volume asks for.
 *
 * The claim is owned by its Pod and goes with it. A claim of that name that belongs to somebody else
 * is never taken; the Pod waits and an Event says why.
 * https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import { kinds, type PersistentVolumeClaim, type Pod, type Volume } from "../machinery/objects/kinds.ts";
import { controllerOf, ownerReferenceTo } from "../machinery/objects/owners.ts";
import { isAlreadyExists } from "../machinery/objects/status.ts";
import { ephemeralClaimName, notMadeFor } from "../machinery/objects/volume-claims.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

type Context = { readonly persistentvolumeclaims: Lister<PersistentVolumeClaim> } & Services;

export const ephemeralVolumeController = defineController({
  name: "ephemeral_volume",
  watches: {
    pods: ({ type, key, object }) => (type !== "deleted" && isConcerned(object) ? [key] : []),
    persistentvolumeclaims: podOfLostClaim,
  },

  async reconcile(key, context): Promise<Outcome> {
    const pod = context.pods.get(key);
    if (!pod || !isConcerned(pod)) return done;
    for (const volume of pod.spec?.volumes ?? []) {
      try {
        if (volume.ephemeral) await ensureClaim(pod, volume, context);
      } catch (error) {
        if (isTerminatingNamespace(error)) return done;
        context.events.warning(pod, "FailedBinding", `ephemeral volume ${volume.name}: ${(error as Error).message}`);
        throw error;
      }
    }
    return done;
  },
});

async function ensureClaim(pod: Pod, volume: Volume, context: Context): Promise<void> {
  const { namespace } = pod.metadata;
  const name = ephemeralClaimName(pod.metadata.name, volume.name);
  const found = context.persistentvolumeclaims.get(`${namespace}/${name}`) ?? (await create());
  const foreign = found && notMadeFor(pod, found);
  if (foreign) throw new Error(foreign);

  /** A claim that is there already, unseen by the cache, is judged like any other. */
  async function create(): Promise<PersistentVolumeClaim | undefined> {
    try {
      return await context.client.create("persistentvolumeclaims", claimFor(pod, volume));
    } catch (error) {
      if (isAlreadyExists(error)) return context.client.find("persistentvolumeclaims", { namespace, name });
      throw new Error(`create PVC ${name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

export function claimFor(pod: Pod, { name, ephemeral }: Volume): Draft<PersistentVolumeClaim> {
  const { metadata, spec } = ephemeral?.volumeClaimTemplate ?? {};
  const { labels, annotations } = metadata ?? {};
  return {
    metadata: {
      name: ephemeralClaimName(pod.metadata.name, name),
      namespace: pod.metadata.namespace ?? "",
      ownerReferences: [ownerReferenceTo(pod, kinds.pods)],
      ...(labels && { labels }),
      ...(annotations && { annotations }),
    },
    ...(spec && { spec }),
  };
}

const isConcerned = ({ metadata, spec }: Pod): boolean =>
  !metadata.deletionTimestamp && (spec?.volumes?.some(({ ephemeral }) => ephemeral !== undefined) ?? false);

/** A claim that goes while its Pod stays is made again. */
function podOfLostClaim({ type, object }: Change<PersistentVolumeClaim>): readonly ObjectKey[] {
  const owner = type === "deleted" ? controllerOf(object) : undefined;
  return owner?.kind === "Pod" ? [`${object.metadata.namespace}/${owner.name}`] : [];
}
