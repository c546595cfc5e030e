/**
 * Local-path provisioner: makes a volume on a node's own disk for each claim of its classes.
 *
 * Called by the annotation that the binder puts on a claim. The volume lies under the directory that
 * the node names, is made there by the kubelet when it is first used, and is reached from that node
 * alone. Its name follows from the claim's uid, so that it is never made twice. Nothing limits its
 * size: the capacity is what was asked for. Its end: local-path-removal.ts. A node that was chosen and cannot
 * have it is given back, so that whoever waits learns of it and chooses anew.
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { isTrue } from "../machinery/objects/conditions.ts";
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from "../machinery/objects/kinds.ts";
import { DIRECTORY, LOCAL_FINALIZER, LOCAL_PROVISIONER, ON_NODE } from "../machinery/objects/local-volumes.ts";
import { isAlreadyExists } from "../machinery/objects/status.ts";
import {
  annotations,
  classOf,
  provisionedName,
  referenceTo,
  waitsForConsumer,
} from "../machinery/objects/volume-claims.ts";
import { allowsNode } from "../machinery/objects/volume-match.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { createOnceEvents, type OnceEvents } from "./once-events.ts";

type Context = {
  readonly persistentvolumes: Lister<PersistentVolume>;
  readonly storageclasses: Lister<StorageClass>;
  readonly nodes: Lister<Node>;
  readonly told: OnceEvents;
} & Services;

const HOSTNAME = "kubernetes.io/hostname";
const ACCESS_MODES: readonly string[] = ["ReadWriteOnce", "ReadWriteOncePod"];

export function localPathProvisioner(): Controller {
  const told = createOnceEvents();
  const refusals = new Map<ObjectKey, Refusal>();
  return defineController({
    name: LOCAL_PROVISIONER,
    watches: {
      persistentvolumeclaims: ({ type, key, object }) =>
        awaits(object) || (type === "deleted" && isOurs(object)) ? [key] : [],
      storageclasses: ({ object }, listers) => waiting(listers, (claim) => classOf(claim) === object.metadata.name),
      nodes: claimsOfNode,
      persistentvolumes: () => [],
    },

    async reconcile(key, given): Promise<Outcome> {
      const context: Context = { ...given, told };
      const claim = given.persistentvolumeclaims.get(key);
      if (!claim) told.forget(key);
      if (!claim || !awaits(claim)) {
        refusals.delete(key);
        return done;
      }
      const storageClass = given.storageclasses.get(classOf(claim));
      const why = unsupported(claim, storageClass) ?? (storageClass && (await provision(claim, storageClass, context)));
      if (why === undefined) return done;
      refuse(claim, why, context);
      if (claim.metadata.annotations?.[annotations.selectedNode] === undefined) return done;
      return giveBackInTime(key, claim, context, refusals);
    },
  });
}

/** Why there is no volume. */
async function provision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  context: Context,
): Promise<string | undefined> {
  const selected = claim.metadata.annotations?.[annotations.selectedNode];
  if (selected === undefined && waitsForConsumer(storageClass)) return undefined;
  const node = selected === undefined ? anyNode(storageClass, context) : await findNode(selected, context);
  if (!node) {
    if (selected === undefined) return "no node that is ready keeps volumes";
    refuse(claim, `node "${selected}" not found`, context);
    await giveBack(claim, context);
    return undefined;
  }
  const problem = unfit(node, storageClass);
  if (problem === undefined) await make(claim, storageClass, node, context);
  return problem;
}

async function make(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node, context: Context) {
  const { client, events, told } = context;
  const name = provisionedName(claim);
  if (context.persistentvolumes.get(name)) return;
  const { namespace, name: claimName } = claim.metadata;
  const started = `External provisioner is provisioning volume for claim "${namespace}/${claimName}"`;
  told.normal(events, claim, "Provisioning", started);
  try {
    await client.create("persistentvolumes", volumeFor(claim, storageClass, node));
    events.normal(claim, "ProvisioningSucceeded", `Successfully provisioned volume ${name}`);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error; // an earlier attempt made it, its answer was lost
  }
}

/** A choice that came to nothing: since when, on which node, and how often one was given back before. */
interface Refusal {
  readonly node: string;
  readonly since: number;
  readonly times: number;
}

/** What hinders may pass: so long is waited the first time, and twice as long each time, since nothing else changes. */
const FIRST_MS = 5_000;
const LONGEST_MS = 600_000;

async function giveBackInTime(
  key: ObjectKey,
  claim: PersistentVolumeClaim,
  context: Context,
  refusals: Map<ObjectKey, Refusal>,
): Promise<Outcome> {
  const now = context.clock.monotonic();
  const node = claim.metadata.annotations?.[annotations.selectedNode] ?? "";
  const before = refusals.get(key);
  const { times = 0 } = before ?? {};
  const since = before?.node === node ? before.since : now;
  const left = since + Math.min(FIRST_MS * 2 ** times, LONGEST_MS) - now;
  refusals.set(key, { node: left > 0 ? node : "", since, times: left > 0 ? times : times + 1 });
  if (left > 0) return again(left);
  await giveBack(claim, context);
  return done;
}

/** The scheduler chooses anew. */
async function giveBack(claim: PersistentVolumeClaim, context: Context): Promise<void> {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  const change = { uid, resourceVersion, annotations: { [annotations.selectedNode]: null } };
  await context.client.patch("persistentvolumeclaims", { namespace, name }, { metadata: change }, { type: "merge" });
}

function refuse(claim: PersistentVolumeClaim, why: string, { told, events }: Context): void {
  const message = `failed to provision volume with StorageClass "${classOf(claim)}": ${why}`;
  told.warning(events, claim, "ProvisioningFailed", message);
}

/** The cache may not show a node that has just come. */
const findNode = async (name: string, { nodes, client }: Context): Promise<Node | undefined> =>
  nodes.get(name) ?? client.find("nodes", { name });

/** For claims that do not wait for a consumer: the node with the fewest volumes. */
function anyNode(storageClass: StorageClass, { nodes, persistentvolumes }: Context): Node | undefined {
  const counts = new Map<string, number>();
  for (const { metadata } of persistentvolumes.list()) {
    const node = metadata.annotations?.[ON_NODE];
    if (node) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  const count = ({ metadata }: Node) => counts.get(metadata.name) ?? 0;
  const usable = nodes
    .list()
    .filter(
      (node) => !node.spec?.unschedulable && isTrue(node.status?.conditions, "Ready") && !unfit(node, storageClass),
    );
  return usable.reduce<Node | undefined>((best, node) => (best && count(best) <= count(node) ? best : node), undefined);
}

/** Why the claim can have no volume on any node. */
export function unsupported(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): string | undefined {
  const { accessModes = [], volumeMode, selector, dataSource, dataSourceRef } = claim.spec ?? {};
  if (!storageClass) return `storageclass.storage.k8s.io "${classOf(claim)}" not found`;
  const [parameter] = Object.keys(storageClass.parameters ?? {});
  if (parameter !== undefined) return `unknown parameter "${parameter}" in the class`;
  if (storageClass.mountOptions?.length) return "mount options are not supported";
  if (selector) return "claim.Spec.Selector is not supported";
  if (dataSource || dataSourceRef) return "volumes with a data source are not supported";
  if (volumeMode === "Block") return "block volumes are not supported";
  const mode = accessModes.find((one) => !ACCESS_MODES.includes(one));
  return mode && `access mode ${mode} is not supported, only ReadWriteOnce and ReadWriteOncePod are`;
}

function unfit(node: Node, { allowedTopologies }: StorageClass): string | undefined {
  const { name } = node.metadata;
  if (!node.metadata.annotations?.[DIRECTORY]) return `node "${name}" keeps no volumes`;
  return allowsNode(allowedTopologies, node) ? undefined : `node "${name}" is not among the class's allowed topologies`;
}

export function volumeFor(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
): Draft<PersistentVolume> {
  const name = provisionedName(claim);
  const storage = claim.spec?.resources?.requests?.["storage"] ?? "0";
  const host = node.metadata.labels?.[HOSTNAME] ?? node.metadata.name;
  return {
    metadata: {
      name,
      annotations: { [annotations.provisionedBy]: LOCAL_PROVISIONER, [ON_NODE]: node.metadata.name },
      finalizers: [LOCAL_FINALIZER],
    },
    spec: {
      capacity: { storage },
      accessModes: [...(claim.spec?.accessModes ?? [])],
      claimRef: referenceTo(claim),
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: storageClass.metadata.name,
      volumeMode: "Filesystem",
      local: { path: `${node.metadata.annotations?.[DIRECTORY]}/${name}` },
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: HOSTNAME, operator: "In", values: [host] }] }] },
      },
    },
  };
}

const isOurs = ({ metadata }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[annotations.provisioner] === LOCAL_PROVISIONER;

const awaits = (claim: PersistentVolumeClaim): boolean =>
  isOurs(claim) && !claim.spec?.volumeName && !claim.metadata.deletionTimestamp;

/** What a node keeps changed, or the node is gone: claims that waited for it, and those that may lie anywhere. */
function claimsOfNode({ type, object, old }: Change<Node>, listers: Known): readonly ObjectKey[] {
  const keeps = (node: Node | undefined) => node?.metadata.annotations?.[DIRECTORY];
  const ready = (node: Node | undefined) => isTrue(node?.status?.conditions, "Ready");
  if (type === "updated" && keeps(object) === keeps(old) && ready(object) === ready(old)) return [];
  return waiting(listers, ({ metadata }) => {
    const selected = metadata.annotations?.[annotations.selectedNode];
    return selected === undefined || selected === object.metadata.name;
  });
}

type Known = Readonly<Record<string, Lister<unknown>>>;

function waiting(listers: Known, wanted: (claim: PersistentVolumeClaim) => boolean): readonly ObjectKey[] {
  const claims = listers["persistentvolumeclaims"] as Lister<PersistentVolumeClaim>;
  return claims
    .list()
    .filter((claim) => awaits(claim) && wanted(claim))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}
