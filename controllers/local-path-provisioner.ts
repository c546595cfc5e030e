/**
 * Local-path provisioner: makes a volume on a node's own disk for each claim of its classes.
 *
 * Called by the annotation that the binder puts on a claim. The volume lies under the directory that
 * the node names, is made there by the kubelet when it is first used, and is reached from that node
 * alone. Its name follows from the claim's uid, so that it is never made twice. Nothing limits its
 * size: the capacity is what was asked for. Its end: local-path-removal.ts.
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { type Controller, defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
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
      if (!claim || !awaits(claim)) return done;
      const storageClass = given.storageclasses.get(classOf(claim));
      const problem = unsupported(claim, storageClass);
      if (!storageClass || problem) refuse(claim, problem ?? "", context);
      else await provision(claim, storageClass, context);
      return done;
    },
  });
}

async function provision(claim: PersistentVolumeClaim, storageClass: StorageClass, context: Context): Promise<void> {
  const selected = claim.metadata.annotations?.[annotations.selectedNode];
  if (selected === undefined && waitsForConsumer(storageClass)) return;
  const node = selected === undefined ? anyNode(storageClass, context) : await findNode(selected, context);
  if (!node) {
    if (selected === undefined) refuse(claim, "no node that is ready keeps volumes", context);
    else await giveBack(claim, selected, context);
    return;
  }
  const problem = unfit(node, storageClass);
  if (problem) refuse(claim, problem, context);
  else await make(claim, storageClass, node, context);
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

/** The node is gone: the scheduler chooses another one. */
async function giveBack(claim: PersistentVolumeClaim, node: string, context: Context): Promise<void> {
  refuse(claim, `node "${node}" not found`, context);
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
