/**
 * Local-path removal: gives up released local volumes, once the node has removed their data.
 *
 * The object goes last: a finalizer holds it until the node has answered, or is gone itself. Data is
 * removed only where the volume's reclaim policy says Delete and no claim has it any more. The node
 * is asked by an annotation on its own object: machinery/objects/local-volumes.ts.
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import type { Node, PersistentVolume } from "../machinery/objects/kinds.ts";
import {
  DIRECTORY,
  LOCAL_FINALIZER,
  LOCAL_PROVISIONER,
  ON_NODE,
  type Removal,
  removalKey,
  removals,
} from "../machinery/objects/local-volumes.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { annotations, finalizers } from "../machinery/objects/volume-claims.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { dropFinalizer } from "./volume-protection.ts";

type Context = { readonly nodes: Lister<Node> } & Services;

export const localPathRemoval = defineController({
  name: "local-path-removal",
  watches: {
    persistentvolumes: ({ type, key, object }) =>
      isOurs(object) && (type === "deleted" || isOver(object)) ? [key] : [],
    nodes: volumesOfNode,
  },

  async reconcile(key, context): Promise<Outcome> {
    const volume = context.persistentvolumes.get(key);
    if (!volume) await tidy(key, context);
    else if (!volume.metadata.deletionTimestamp) await giveUp(volume, context);
    else if (isLoose(volume)) await removeData(volume, context);
    return done;
  },
});

const isOver = ({ metadata, status }: PersistentVolume): boolean =>
  metadata.deletionTimestamp !== undefined || status?.phase === "Released" || status?.phase === "Failed";

/** The binder has read from the server that the claim is gone before it called the volume released. */
async function giveUp({ metadata, spec, status }: PersistentVolume, { client }: Context): Promise<void> {
  if (!isOver({ metadata, status } as PersistentVolume) || spec?.persistentVolumeReclaimPolicy !== "Delete") return;
  const { name, uid, resourceVersion } = metadata;
  try {
    await client.delete("persistentvolumes", { name }, { preconditions: { uid, resourceVersion } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function removeData(volume: PersistentVolume, context: Context): Promise<void> {
  const keeps = volume.spec?.persistentVolumeReclaimPolicy !== "Delete";
  const node = keeps ? undefined : await nodeOf(volume, context);
  const answer = node && removals(node).get(volume.metadata.name);
  if (node && answer === undefined) return annotate(node, volume.metadata.name, "wanted", context);
  if (node && answer === "wanted") return;
  if (node && answer !== "done") return tellFailure(volume, answer?.slice("failed: ".length) ?? "", context);

  await dropFinalizer("persistentvolumes", volume.metadata, LOCAL_FINALIZER, context);
  if (node) await annotate(node, volume.metadata.name, null, context);
}

/** The node that has the data; undefined where no such node keeps volumes any more. */
async function nodeOf({ metadata }: PersistentVolume, { nodes, client }: Context): Promise<Node | undefined> {
  const name = metadata.annotations?.[ON_NODE] ?? "";
  const node = nodes.get(name) ?? (name ? await client.find("nodes", { name }) : undefined);
  return node?.metadata.annotations?.[DIRECTORY] ? node : undefined;
}

/** A removal that failed stays in sight while the node goes on trying. */
async function tellFailure(volume: PersistentVolume, message: string, { client, clock, events }: Context) {
  if (volume.status?.phase === "Failed" && volume.status.message === message) return;
  const status = { phase: "Failed", message, lastPhaseTransitionTime: wireTime(clock.now()) };
  await client.updateStatus("persistentvolumes", { ...volume, status: { ...volume.status, ...status } });
  events.warning(volume, "VolumeFailedDelete", message);
}

/** The volume is gone: so is what nodes were asked about it. */
async function tidy(volume: string, context: Context): Promise<void> {
  for (const node of context.nodes.list()) if (removals(node).has(volume)) await annotate(node, volume, null, context);
}

async function annotate({ metadata }: Node, volume: string, value: Removal | null, { client }: Context): Promise<void> {
  const { name, uid } = metadata;
  const patch = { metadata: { uid, annotations: { [removalKey(volume)]: value } } };
  try {
    await client.patch("nodes", { name }, patch, { type: "merge" });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

const isOurs = ({ metadata }: PersistentVolume): boolean =>
  metadata.annotations?.[annotations.provisionedBy] === LOCAL_PROVISIONER;

/** Nothing else holds the volume: no claim, and nobody's finalizer. */
const isLoose = ({ metadata }: PersistentVolume): boolean =>
  isOurs({ metadata } as PersistentVolume) &&
  (metadata.finalizers?.includes(LOCAL_FINALIZER) ?? false) &&
  !metadata.finalizers?.includes(finalizers.volume);

/** Volumes that the node has answered about; when it is gone, all that were on it. */
function volumesOfNode({ type, object }: Change<Node>, listers: Known): readonly ObjectKey[] {
  if (type !== "deleted") return [...removals(object).keys()];
  const volumes = listers["persistentvolumes"] as Lister<PersistentVolume>;
  return volumes
    .list()
    .filter(({ metadata }) => metadata.annotations?.[ON_NODE] === object.metadata.name)
    .map(({ metadata }) => metadata.name);
}

type Known = Readonly<Record<string, Lister<unknown>>>;
