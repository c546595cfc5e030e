/**
 * Volume writes: brings about what a volume plan promises, and waits until the claims are bound.
 *
 * The scheduler writes one side only: a volume that names its claim, or a claim that names its node. The
 * binder and the provisioner do the rest, and take the scheduler's word back when they cannot. Nothing is
 * written that is so already, so that a second attempt goes on where the first one broke off.
 */

import { createBackoff } from "../../machinery/loop/backoff.ts";
import { older } from "../../machinery/loop/own-writes.ts";
import type { Node, PersistentVolumeClaim } from "../../machinery/objects/kinds.ts";
import { annotations, claimedBy, isFullyBound } from "../../machinery/objects/volume-claims.ts";
import { reaches } from "../../machinery/objects/volume-match.ts";
import type { Handle } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import { type Binding, claimKey, type VolumePlan } from "./volume-plan.ts";

export interface WritingOptions {
  readonly info: PodInfo;
  readonly node: Node;
  readonly handle: Pick<Handle, "client" | "clock" | "listers">;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

const LOOK_MS = { first: 5, last: 1_000 };
/** How often it is asked whether the Pod is still there. */
const POD_LOOK_MS = 5_000;

/** Resolves when all claims of the plan are bound; throws when that is not to be. */
export async function writePlan(plan: VolumePlan, options: WritingOptions): Promise<void> {
  const written = [
    ...(await Promise.all(plan.bind.map((binding) => writeBinding(binding, options)))),
    ...(await Promise.all(plan.make.map((claim) => writeSelectedNode(claim, options)))),
  ];
  try {
    await untilBound(written, options);
  } catch (error) {
    throw new Error(`running PreBind plugin "VolumeBinding": binding volumes: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** What has been written, as a question: is that claim bound by now? Throws when it never will be. */
type Check = () => boolean;

async function writeBinding({ claim, volume }: Binding, { info, handle, node }: WritingOptions): Promise<Check> {
  const { listers } = handle;
  const wanted = claimedBy(volume, claim);
  const written = wanted === volume ? volume : await caused(handle, info).update("persistentvolumes", wanted);
  const { name, resourceVersion } = written.metadata;
  return () => {
    const shown = listers.persistentvolumes.get(name);
    if (!shown) throw new Error(`failed to check binding: could not find v1.PersistentVolume "${name}"`);
    if (older(shown.metadata.resourceVersion, resourceVersion)) return false;
    if (!reaches(shown, node)) throw elsewhere(name, node);
    if (!shown.spec?.claimRef?.uid) throw new Error(`ClaimRef got reset for pv "${name}"`);
    const bound = shownClaim(claim, handle);
    if (bound.spec?.volumeName && bound.spec.volumeName !== name)
      throw new Error(
        `PVC "${bound.metadata.name}" got bound to pv "${bound.spec.volumeName}" instead of pv "${name}"`,
      );
    return isFullyBound(bound);
  };
}

async function writeSelectedNode(claim: PersistentVolumeClaim, { info, handle, node }: WritingOptions): Promise<Check> {
  const { listers } = handle;
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  const selected = node.metadata.name;
  const stands = claim.metadata.annotations?.[annotations.selectedNode] === selected;
  const change = { uid, resourceVersion, annotations: { [annotations.selectedNode]: selected } };
  const written = stands
    ? claim
    : await caused(handle, info).patch(
        "persistentvolumeclaims",
        { namespace, name },
        { metadata: change },
        { type: "merge" },
      );
  return () => {
    const shown = shownClaim(claim, handle);
    if (older(shown.metadata.resourceVersion, written.metadata.resourceVersion)) return false;
    if (shown.metadata.annotations?.[annotations.selectedNode] !== selected)
      throw new Error(`provisioning failed for PVC "${name}"`);
    const volume = listers.persistentvolumes.get(shown.spec?.volumeName ?? "");
    if (volume && !reaches(volume, node)) throw elsewhere(volume.metadata.name, node);
    return volume !== undefined && isFullyBound(shown);
  };
}

async function untilBound(written: readonly Check[], options: WritingOptions): Promise<void> {
  const { handle, info, signal, timeoutMs } = options;
  const { clock, client } = handle;
  const backoff = createBackoff(clock, LOOK_MS.first, LOOK_MS.last);
  const started = clock.monotonic();
  let asked = started;
  while (!written.every((check) => check())) {
    if (clock.monotonic() - started > timeoutMs) throw new Error("timed out waiting for the condition");
    await clock.sleep(backoff.next(), signal);
    if (clock.monotonic() - asked < POD_LOOK_MS) continue;
    asked = clock.monotonic();
    const { namespace, name, uid } = info.pod.metadata;
    const found = await client.find("pods", { namespace, name });
    if (found?.metadata.uid !== uid || found.metadata.deletionTimestamp)
      throw new Error(`pod does not exist any more: pods "${name}" not found`);
  }
}

function shownClaim(claim: PersistentVolumeClaim, { listers }: WritingOptions["handle"]): PersistentVolumeClaim {
  const shown = listers.persistentvolumeclaims.get(claimKey(claim));
  if (shown?.metadata.uid === claim.metadata.uid) return shown;
  throw new Error(`failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "${claimKey(claim)}"`);
}

const elsewhere = (volume: string, { metadata }: Node): Error =>
  new Error(`pv "${volume}" node affinity doesn't match node "${metadata.name}": no matching NodeSelectorTerms`);

const caused = ({ client }: WritingOptions["handle"], { pod }: PodInfo) =>
  client.because({
    revision: pod.metadata.resourceVersion,
    controller: pod.spec?.schedulerName ?? "default-scheduler",
  });
