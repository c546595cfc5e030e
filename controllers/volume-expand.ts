/**
 * Volume expansion: makes bound volumes as large as their claims ask, and tells when that is done.
 *
 * The volume says its new size first, then the claim; a size never shrinks. Local volumes have no limit,
 * so for them it is a matter of words alone. Whose volumes others made are left to those, who are called
 * by an Event. That a claim may grow at all is admission's say (claim-resize).
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { type Controller, defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../machinery/objects/kinds.ts";
import { LOCAL_PROVISIONER } from "../machinery/objects/local-volumes.ts";
import { compareQuantities, parseQuantity } from "../machinery/objects/quantity.ts";
import { annotations, isFullyBound } from "../machinery/objects/volume-claims.ts";
import { askedOf, capacityOf } from "../machinery/objects/volume-match.ts";
import { createOnceEvents, type OnceEvents } from "./once-events.ts";

type Context = {
  readonly persistentvolumeclaims: Lister<PersistentVolumeClaim>;
  readonly persistentvolumes: Lister<PersistentVolume>;
  readonly told: OnceEvents;
} & Services;

const RESIZING: readonly string[] = ["Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError"];

export function volumeExpandController(): Controller {
  const told = createOnceEvents();
  return defineController({
    name: "volume_expand",
    watches: {
      persistentvolumeclaims: ({ type, key, object }) => (type === "deleted" || wantsMore(object) ? [key] : []),
      persistentvolumes: claimOfVolume,
    },

    async reconcile(key, given): Promise<Outcome> {
      const claim = given.persistentvolumeclaims.get(key);
      if (!claim) told.forget(key);
      if (!claim || !wantsMore(claim) || claim.metadata.deletionTimestamp) return done;
      const volume = given.persistentvolumes.get(claim.spec?.volumeName ?? "");
      if (volume?.spec?.claimRef?.uid === claim.metadata.uid) await expand(claim, volume, { ...given, told });
      return done;
    },
  });
}

async function expand(claim: PersistentVolumeClaim, volume: PersistentVolume, context: Context): Promise<void> {
  const { client, events, told } = context;
  if (volume.metadata.annotations?.[annotations.provisionedBy] !== LOCAL_PROVISIONER) {
    const message = "waiting for an external controller to expand this PVC";
    return told.normal(events, claim, "ExternalExpanding", message);
  }
  const storage = claim.spec?.resources?.requests?.["storage"] ?? "0";
  told.normal(events, claim, "Resizing", `External resizer is resizing volume ${volume.metadata.name}`);
  if (compareQuantities(capacityOf(volume), askedOf(claim)) < 0)
    await client.update("persistentvolumes", {
      ...volume,
      spec: { ...volume.spec, capacity: { ...volume.spec?.capacity, storage } },
    });
  await client.updateStatus("persistentvolumeclaims", { ...claim, status: expandedStatus(claim, storage) });
  events.normal(claim, "VolumeResizeSuccessful", "Resize volume succeeded");
}

export function expandedStatus({ status }: PersistentVolumeClaim, storage: string) {
  const { allocatedResourceStatuses: _statuses, conditions, ...rest } = status ?? {};
  const others = conditions?.filter(({ type }) => !RESIZING.includes(type)) ?? [];
  return {
    ...rest,
    capacity: { ...status?.capacity, storage },
    allocatedResources: { ...status?.allocatedResources, storage },
    ...(others.length > 0 && { conditions: others }),
  };
}

/** Bound, and asking for more than it has. */
export function wantsMore(claim: PersistentVolumeClaim): boolean {
  const has = claim.status?.capacity?.["storage"];
  if (!isFullyBound(claim) || claim.status?.phase !== "Bound" || has === undefined) return false;
  return compareQuantities(askedOf(claim), parseQuantity(has)) > 0;
}

/** A volume that the cache did not show when its claim asked for more. */
function claimOfVolume({ type, object }: Change<PersistentVolume>, listers: Known): readonly ObjectKey[] {
  const served = object.spec?.claimRef;
  if (type === "deleted" || !served) return [];
  const key = `${served.namespace}/${served.name}`;
  const claim = (listers["persistentvolumeclaims"] as Lister<PersistentVolumeClaim>).get(key);
  return claim && wantsMore(claim) ? [key] : [];
}

type Known = Readonly<Record<string, Lister<unknown>>>;
