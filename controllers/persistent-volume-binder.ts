/**
 * PersistentVolume binder: brings claims and volumes together, and says what becomes of a volume afterwards.
 *
 * A volume serves one claim, a claim has one volume: decisions are made one at a time, from the newest
 * version that is known of each side, and written with that version (volume-binding-writes.ts). A volume
 * is never given up on the word of a cache: its claim is read from the server first. Claims of a class
 * that waits for its first consumer are bound by the scheduler; who makes volumes is another
 * (local-path-provisioner.ts), which this one calls by an annotation on the claim.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { type Controller, defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import { createWritten, type Written } from "../machinery/loop/written.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from "../machinery/objects/kinds.ts";
import {
  annotated,
  annotations,
  classOf,
  hasAnnotation,
  isKeptFor,
  waitsForConsumer,
} from "../machinery/objects/volume-claims.ts";
import { bestVolume, modeOf, unsuitable } from "../machinery/objects/volume-match.ts";
import { type ClaimUsers, createClaimUsers } from "./claim-users.ts";
import { createOnceEvents, type OnceEvents } from "./once-events.ts";
import { type BindingWrites, bindingWrites } from "./volume-binding-writes.ts";
import { createVolumeIndex, type VolumeIndex } from "./volume-index.ts";

type Listers = {
  readonly persistentvolumes: Lister<PersistentVolume>;
  readonly persistentvolumeclaims: Lister<PersistentVolumeClaim>;
  readonly storageclasses: Lister<StorageClass>;
  readonly pods: Lister<Pod>;
};

interface Memory {
  readonly volumes: Written<PersistentVolume>;
  readonly claims: Written<PersistentVolumeClaim>;
  readonly users: ClaimUsers;
  readonly index: VolumeIndex;
  readonly told: OnceEvents;
}

interface Context extends Services, Listers, Memory {
  readonly writes: BindingWrites;
}

export function persistentVolumeBinder(): Controller {
  const memory: Memory = {
    volumes: createWritten(),
    claims: createWritten(),
    users: createClaimUsers(),
    index: createVolumeIndex(),
    told: createOnceEvents(),
  };
  return defineController({
    name: "persistentvolume-controller",
    watches: {
      persistentvolumeclaims: (change) => keysOfClaim(change, memory.index),
      persistentvolumes: (change, listers) => {
        memory.index.note(change);
        return keysOfVolume(change, listers);
      },
      storageclasses: keysOfClass,
      pods: (change) => (change.type === "updated" && !isNewlyBound(change) ? [] : memory.users.note(change)),
    },

    async reconcile(key, given): Promise<Outcome> {
      const context: Context = { ...given, ...memory, writes: bindingWrites({ ...given, ...memory }) };
      if (key.includes("/")) await syncClaim(key, context);
      else await syncVolume(key, context);
      return done;
    },
  });
}

async function syncClaim(key: ObjectKey, context: Context): Promise<void> {
  const claim = context.claims.get(context.persistentvolumeclaims, key);
  if (!claim) return context.told.forget(key);
  if (hasAnnotation(claim, annotations.bindCompleted)) return keepBound(claim, context);
  if (claim.metadata.deletionTimestamp) return;
  if (claim.spec?.volumeName) return bindToNamed(claim, claim.spec.volumeName, context);
  return findVolume(key, claim, context);
}

async function findVolume(key: ObjectKey, claim: PersistentVolumeClaim, context: Context): Promise<void> {
  const { writes, storageclasses, volumes, persistentvolumes, told, events } = context;
  const storageClass = storageclasses.get(classOf(claim));
  const waits = waitsForConsumer(storageClass);
  const candidates = [...context.index.for(key)].flatMap((name) => volumes.get(persistentvolumes, name) ?? []);
  const volume = bestVolume(claim, candidates, { waits });
  if (volume) return writes.bind(volume, claim);
  if (await giveDefaultClass(claim, context)) return;

  if (waits && !hasAnnotation(claim, annotations.selectedNode)) {
    const node = isProvisioned(storageClass) ? nodeOfUser(key, context) : undefined;
    if (node !== undefined) {
      const metadata = annotated(claim.metadata, { [annotations.selectedNode]: node });
      return askForVolume(await writes.updateClaim({ ...claim, metadata }), storageClass, context);
    }
    const { reason, message } = waitingFor(key, context);
    told.normal(events, claim, reason, message);
  } else if (classOf(claim) !== "") {
    return askForVolume(claim, storageClass, context);
  } else {
    const message = "no persistent volumes available for this claim and no storage class is set";
    told.normal(events, claim, "FailedBinding", message);
  }
  await writes.claimPhase(claim, "Pending");
}

/** A claim from before there was a default class gets it when there is one. */
async function giveDefaultClass(claim: PersistentVolumeClaim, { storageclasses, writes }: Context): Promise<boolean> {
  if (claim.spec?.storageClassName !== undefined || hasAnnotation(claim, annotations.olderClass)) return false;
  const name = newestDefault(storageclasses.list());
  if (name === undefined) return false;
  await writes.updateClaim({ ...claim, spec: { ...claim.spec, storageClassName: name } });
  return true;
}

/** Calls the class's provisioner by an annotation; whether one comes is its own matter. */
async function askForVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  { told, events, writes }: Context,
): Promise<void> {
  if (!storageClass) {
    const message = `storageclass.storage.k8s.io "${classOf(claim)}" not found`;
    return told.warning(events, claim, "ProvisioningFailed", message);
  }
  const { provisioner } = storageClass;
  if (provisioner.startsWith("kubernetes.io/"))
    return told.warning(events, claim, "ProvisioningFailed", `no volume plugin matched name: ${provisioner}`);
  const called =
    claim.metadata.annotations?.[annotations.provisioner] === provisioner
      ? claim
      : await writes.updateClaim(withProvisioner(claim, provisioner));
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  told.normal(events, called, "ExternalProvisioning", message);
}

async function bindToNamed(claim: PersistentVolumeClaim, name: string, context: Context): Promise<void> {
  const { writes, told, events } = context;
  const volume = context.volumes.get(context.persistentvolumes, name);
  if (!volume) return void (await writes.claimPhase(claim, "Pending"));
  if (volume.spec?.claimRef) {
    if (isKeptFor(volume, claim)) return writes.bind(volume, claim);
    told.warning(events, claim, "FailedBinding", `volume "${name}" already bound to a different claim.`);
    return void (await writes.claimPhase(claim, "Pending"));
  }
  const problem = unsuitable(volume, claim);
  if (problem === undefined) return writes.bind(volume, claim);
  told.warning(events, claim, "VolumeMismatch", `Cannot bind to requested volume "${name}": ${problem}`);
  await writes.claimPhase(claim, "Pending");
}

/** A claim that was bound once is bound to that volume for ever, or lost. */
async function keepBound(claim: PersistentVolumeClaim, context: Context): Promise<void> {
  const { persistentvolumes, volumes, writes } = context;
  const name = claim.spec?.volumeName;
  if (!name)
    return lose(
      claim,
      context,
      "ClaimLost",
      "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
    );
  const volume = volumes.get(persistentvolumes, name) ?? (await context.client.find("persistentvolumes", { name }));
  if (!volume)
    return lose(claim, context, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
  const served = volume.spec?.claimRef;
  if (served && served.uid !== claim.metadata.uid && !(isKeptFor(volume, claim) && !served.uid))
    return lose(
      claim,
      context,
      "ClaimMisbound",
      "Two claims are bound to the same volume, this one is bound incorrectly",
    );
  await writes.bind(volume, claim);
}

async function lose(claim: PersistentVolumeClaim, { writes, events }: Context, reason: string, why: string) {
  if (claim.status?.phase === "Lost") return;
  const lost = await writes.claimPhase(claim, "Lost");
  events.warning(lost, reason, why);
}

async function syncVolume(key: ObjectKey, context: Context): Promise<void> {
  const { writes, claims, persistentvolumeclaims, told, events } = context;
  const volume = context.volumes.get(context.persistentvolumes, key);
  if (!volume) return told.forget(key);
  const served = volume.spec?.claimRef;
  if (!served?.uid) return void (await writes.volumePhase(volume, "Available"));

  const claimKey = `${served.namespace}/${served.name}`;
  const cached = claims.get(persistentvolumeclaims, claimKey);
  const claim = cached?.metadata.uid === served.uid ? cached : await readClaim(served, context);
  if (!claim) return reclaim(volume, context);
  if (claim.spec?.volumeName === key) return void (await writes.volumePhase(volume, "Bound"));
  if (claim.spec?.volumeName) return part(volume, context);
  if (modeOf(volume) === modeOf(claim)) return syncClaim(claimKey, context);

  const which = `requested PersistentVolumeClaim "${claim.metadata.name}" due to incompatible volumeMode.`;
  told.warning(events, volume, "VolumeMismatch", `Cannot bind PersistentVolume to ${which}`);
  told.warning(events, claim, "VolumeMismatch", `Cannot bind PersistentVolume "${key}" to ${which}`);
}

type Served = NonNullable<NonNullable<PersistentVolume["spec"]>["claimRef"]>;

/** From the server: a claim that the cache lacks may only be new to it. */
async function readClaim({ namespace, name = "", uid }: Served, { client }: Context) {
  const found = await client.find("persistentvolumeclaims", { namespace, name });
  return found?.metadata.uid === uid ? found : undefined;
}

/** The claim has another volume. */
async function part(volume: PersistentVolume, context: Context): Promise<void> {
  const made = hasAnnotation(volume, annotations.provisionedBy);
  if (made && volume.spec?.persistentVolumeReclaimPolicy === "Delete") return reclaim(volume, context);
  await context.writes.unbind(volume);
}

/** The claim is gone. A failure stays in sight while others go on trying. */
async function reclaim(volume: PersistentVolume, { writes, events }: Context): Promise<void> {
  const { phase } = volume.status ?? {};
  const released = phase === "Released" || phase === "Failed" ? volume : await writes.volumePhase(volume, "Released");
  const failure = reclaimFailure(released);
  if (!failure || phase === "Failed") return;
  const failed = await writes.volumePhase(released, "Failed", failure.message);
  events.warning(failed, failure.reason, failure.message);
}

/** Why nobody here can do what the reclaim policy asks for; deleting is the provisioner's business. */
export function reclaimFailure({ metadata, spec }: PersistentVolume): { reason: string; message: string } | undefined {
  const maker = metadata.annotations?.[annotations.provisionedBy];
  switch (spec?.persistentVolumeReclaimPolicy) {
    case "Retain":
      return undefined;
    case "Recycle":
      return { reason: "VolumeFailedRecycle", message: "No recycler plugin found for the volume!" };
    case "Delete": {
      if (maker && !maker.startsWith("kubernetes.io/")) return undefined;
      const message = `error getting deleter volume plugin for volume "${metadata.name}": no deletable volume plugin matched`;
      return { reason: "VolumeFailedDelete", message };
    }
    default:
      return {
        reason: "VolumeUnknownReclaimPolicy",
        message: "Volume has unrecognized PersistentVolumeReclaimPolicy",
      };
  }
}

/**
 * Where a Pod has the claim already: one that names its node itself, or that was bound when the scheduler still saw an
 * older claim of that name. Nobody else will choose a node for it any more.
 */
function nodeOfUser(key: ObjectKey, { users, pods }: Context): string | undefined {
  for (const user of users.of(key)) {
    const pod = pods.get(user);
    if (pod?.spec?.nodeName && !pod.metadata.deletionTimestamp && !isEnded(pod)) return pod.spec.nodeName;
  }
  return undefined;
}

const isProvisioned = (storageClass: StorageClass | undefined): boolean =>
  storageClass !== undefined && !storageClass.provisioner.startsWith("kubernetes.io/");

const isNewlyBound = ({ object, old }: Change<Pod>): boolean => Boolean(object.spec?.nodeName && !old?.spec?.nodeName);

/** What a claim that is not to be bound yet waits for. */
function waitingFor(key: ObjectKey, { users, pods }: Context): { reason: string; message: string } {
  const waiting = [...users.of(key)]
    .map((pod) => pods.get(pod))
    .filter((pod) => pod && !pod.spec?.nodeName && !pod.metadata.deletionTimestamp && !isEnded(pod))
    .map((pod) => pod?.metadata.name ?? "")
    .sort();
  if (waiting.length === 0)
    return {
      reason: "WaitForFirstConsumer",
      message: "waiting for first consumer to be created before binding",
    };
  const which = waiting.length === 1 ? `pod ${waiting[0]}` : `pods ${waiting.join(",")}`;
  return { reason: "WaitForPodScheduled", message: `waiting for ${which} to be scheduled` };
}

const isEnded = ({ status }: Pod): boolean => status?.phase === "Succeeded" || status?.phase === "Failed";

function withProvisioner(claim: PersistentVolumeClaim, name: string): PersistentVolumeClaim {
  const named = { [annotations.provisioner]: name, [annotations.olderProvisioner]: name };
  return { ...claim, metadata: { ...claim.metadata, annotations: { ...claim.metadata.annotations, ...named } } };
}

const DEFAULT_CLASS = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];

const isDefault = ({ metadata }: StorageClass): boolean =>
  DEFAULT_CLASS.some((name) => metadata.annotations?.[name] === "true");

/** Of several that are marked, the newest. */
function newestDefault(classes: readonly StorageClass[]): string | undefined {
  const order = ({ metadata: { creationTimestamp, name } }: StorageClass) => [creationTimestamp, name] as const;
  const marked = classes.filter(isDefault).sort((a, b) => {
    const [[timeA, nameA], [timeB, nameB]] = [order(a), order(b)];
    return timeA === timeB ? (nameA < nameB ? -1 : 1) : timeA < timeB ? 1 : -1;
  });
  return marked[0]?.metadata.name;
}

type Known = Readonly<Record<string, Lister<unknown>>>;
const known = (listers: Known): Listers => listers as unknown as Listers;

/** A claim, the volume that it names and, when it goes, those that name it. */
function keysOfClaim({ type, key, object }: Change<PersistentVolumeClaim>, index: VolumeIndex): readonly ObjectKey[] {
  const named = object.spec?.volumeName;
  const keys = named ? [key, named] : [key];
  return type === "deleted" ? [...new Set([...keys, ...index.keptFor(key)])] : keys;
}

/** A volume, its claim, and the claims that it may serve. */
function keysOfVolume({ type, key, object, old }: Change<PersistentVolume>, listers: Known): readonly ObjectKey[] {
  const served = [object.spec?.claimRef, old?.spec?.claimRef].flatMap((ref) =>
    ref ? [`${ref.namespace}/${ref.name}`] : [],
  );
  if (object.spec?.claimRef || type === "deleted") return [key, ...new Set(served)];
  return [key, ...new Set([...served, ...unbound(listers, (claim) => mayTake(claim, object))])];
}

const mayTake = (claim: PersistentVolumeClaim, volume: PersistentVolume): boolean =>
  claim.spec?.volumeName ? claim.spec.volumeName === volume.metadata.name : classOf(claim) === classOf(volume);

/** Claims that the class, or the lack of one, keeps waiting. */
function keysOfClass({ object }: Change<StorageClass>, listers: Known): readonly ObjectKey[] {
  const serves = (claim: PersistentVolumeClaim) =>
    classOf(claim) === object.metadata.name || (isDefault(object) && claim.spec?.storageClassName === undefined);
  return unbound(listers, serves);
}

function unbound(listers: Known, wanted: (claim: PersistentVolumeClaim) => boolean): readonly ObjectKey[] {
  return known(listers)
    .persistentvolumeclaims.list()
    .filter((claim) => !hasAnnotation(claim, annotations.bindCompleted) && wanted(claim))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}
