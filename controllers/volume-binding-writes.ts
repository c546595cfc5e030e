/**
 * Volume binding writes: the steps by which a claim and a volume become each other's, and part again.
 *
 * The volume is written first, then the claim, each with the version that was read: a binder that is
 * killed in between finds a volume that names its claim, and goes on from there. Nothing is written
 * that is so already. Who belongs to whom is decided in persistent-volume-binder.ts.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Written } from "../machinery/loop/written.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../machinery/objects/kinds.ts";
import { annotated, annotations, claimedBy, hasAnnotation } from "../machinery/objects/volume-claims.ts";
import { type Clock, wireTime } from "../machinery/process/clock.ts";
import { sameJson } from "./canonical-json.ts";

export interface BindingWrites {
  bind(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void>;
  /** Takes back what `bind` wrote on the volume; who reserved it by name keeps it. */
  unbind(volume: PersistentVolume): Promise<void>;
  volumePhase(volume: PersistentVolume, phase: VolumePhase, message?: string): Promise<PersistentVolume>;
  /** With the volume that the claim has from now on. */
  claimPhase(
    claim: PersistentVolumeClaim,
    phase: "Pending" | "Bound" | "Lost",
    volume?: PersistentVolume,
  ): Promise<PersistentVolumeClaim>;
  updateClaim(claim: PersistentVolumeClaim): Promise<PersistentVolumeClaim>;
}

export type VolumePhase = "Available" | "Bound" | "Released" | "Failed";

export interface BindingContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly volumes: Written<PersistentVolume>;
  readonly claims: Written<PersistentVolumeClaim>;
}

export function bindingWrites({ client, clock, volumes, claims }: BindingContext): BindingWrites {
  const writes: BindingWrites = {
    async bind(volume, claim) {
      const claimed = await updateVolume(volume, claimedBy(volume, claim));
      const bound = await writes.volumePhase(claimed, "Bound");
      const bindable = boundTo(claim, bound);
      const settled = sameJson(bindable, claim) ? claim : await writes.updateClaim(bindable);
      await writes.claimPhase(settled, "Bound", bound);
    },

    async unbind(volume) {
      const free = await updateVolume(volume, unclaimed(volume));
      await writes.volumePhase(free, "Available");
    },

    async volumePhase(volume, phase, message) {
      if (volume.status?.phase === phase) return volume;
      const { message: _message, reason: _reason, ...status } = volume.status ?? {};
      const next = { ...status, phase, lastPhaseTransitionTime: wireTime(clock.now()), ...(message && { message }) };
      const written = await client.updateStatus("persistentvolumes", { ...volume, status: next });
      volumes.wrote(written);
      return written;
    },

    async claimPhase(claim, phase, volume) {
      const status = claimStatus(claim, phase, volume);
      if (sameJson(status, claim.status ?? {})) return claim;
      const written = await client.updateStatus("persistentvolumeclaims", { ...claim, status });
      claims.wrote(written);
      return written;
    },

    async updateClaim(claim) {
      const written = await client.update("persistentvolumeclaims", claim);
      claims.wrote(written);
      return written;
    },
  };

  async function updateVolume(before: PersistentVolume, after: PersistentVolume): Promise<PersistentVolume> {
    if (sameJson(before, after)) return before;
    const written = await client.update("persistentvolumes", after);
    volumes.wrote(written);
    return written;
  }

  return writes;
}

function unclaimed(volume: PersistentVolume): PersistentVolume {
  const { claimRef, ...spec } = volume.spec ?? {};
  if (!hasAnnotation(volume, annotations.boundByController)) {
    const { uid: _uid, resourceVersion: _version, ...kept } = claimRef ?? {};
    return { ...volume, spec: { ...spec, claimRef: kept } };
  }
  const { [annotations.boundByController]: _chosen, ...rest } = volume.metadata.annotations ?? {};
  return { ...volume, metadata: { ...volume.metadata, annotations: rest }, spec };
}

function boundTo(claim: PersistentVolumeClaim, volume: PersistentVolume): PersistentVolumeClaim {
  const chosen = claim.spec?.volumeName === volume.metadata.name ? {} : { [annotations.boundByController]: "yes" };
  return {
    ...claim,
    metadata: annotated(claim.metadata, { ...chosen, [annotations.bindCompleted]: "yes" }),
    spec: { ...claim.spec, volumeName: volume.metadata.name },
  };
}

/** A claim has its volume's size from the moment it is bound; later sizes are the expander's to tell. */
function claimStatus(
  claim: PersistentVolumeClaim,
  phase: string,
  volume: PersistentVolume | undefined,
): NonNullable<PersistentVolumeClaim["status"]> {
  const { accessModes: _modes, capacity, ...status } = claim.status ?? {};
  if (!volume) return { ...status, phase };
  const { accessModes, capacity: size, volumeAttributesClassName } = volume.spec ?? {};
  const becomes = claim.status?.phase !== phase;
  const sized = becomes ? size : capacity;
  return {
    ...status,
    phase,
    ...(accessModes && { accessModes }),
    ...(sized && { capacity: sized }),
    ...(becomes && volumeAttributesClassName && { currentVolumeAttributesClassName: volumeAttributesClassName }),
  };
}
