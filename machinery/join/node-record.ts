/**
 * Node record: what a machine that joined remembers, and the identities of what runs on it.
 *
 * The key is the node: it is made once and outlives every certificate. The record is written last, so whoever finds it
 * finds everything; a server's own node has none, for the API server makes its identities (../pki/pki.ts).
 */
import { join } from "node:path";
import { createSigningKey, type KeyPair, type Subject } from "../pki/certificates.ts";
import { keepPrivate, readIfThere, writePrivate } from "../pki/files.ts";
import { NODE_COMPONENTS, nodeIdentity } from "../pki/identities.ts";
import { clientOf, kubeconfig } from "../pki/kubeconfig.ts";
import type { HomePaths } from "../process/home.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { authorityHash } from "./token.ts";

export interface NodeRecord {
  /** Where it joined: always one of the servers that are tried. */
  readonly server: string;
  readonly nodeName: string;
  /** PEM. */
  readonly authority: string;
  readonly facts: ClusterFacts;
  /** How long its certificates are asked to be good; absent: as long as the cluster gives. */
  readonly seconds?: number | undefined;
}

const recordPath = (paths: HomePaths): string => join(paths.root, "node.json");

export async function readNodeRecord(paths: HomePaths): Promise<NodeRecord | undefined> {
  const text = await readIfThere(recordPath(paths));
  return text === undefined ? undefined : (JSON.parse(text) as NodeRecord);
}

export async function writeNodeRecord(paths: HomePaths, record: NodeRecord): Promise<void> {
  await keepPrivate(recordPath(paths), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** The node's key, PEM; made when there is none. */
export async function nodeKey(paths: HomePaths): Promise<string> {
  const path = join(paths.pki, "node.key");
  const existing = await readIfThere(path);
  if (existing) return existing;
  const key = await createSigningKey();
  await writePrivate(path, key);
  return key;
}

export type NodeComponent = "kubelet" | keyof typeof NODE_COMPONENTS;

/** Whoever runs on a node ► its subject. */
export const nodeSubjects = (nodeName: string): Readonly<Record<NodeComponent, Subject>> => ({
  kubelet: nodeIdentity(nodeName),
  proxy: { commonName: NODE_COMPONENTS.proxy },
  dns: { commonName: NODE_COMPONENTS.dns },
});

export async function readIdentity(paths: HomePaths, component: NodeComponent): Promise<KeyPair | undefined> {
  return clientOf((await readIfThere(paths.kubeconfig(component))) ?? "");
}

export async function writeIdentity(
  paths: HomePaths,
  component: NodeComponent,
  { server, nodeName, authority }: Pick<NodeRecord, "server" | "nodeName" | "authority">,
  client: KeyPair,
): Promise<void> {
  const user = nodeSubjects(nodeName)[component].commonName;
  await keepPrivate(paths.kubeconfig(component), kubeconfig({ server, authority, user, client }));
}

export const isOfCluster = (record: Pick<NodeRecord, "authority">, hash: string): boolean =>
  authorityHash(record.authority) === hash;
