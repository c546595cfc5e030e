/**
 * Bootstrap for joining: what machines read that want to become nodes. Part of bootstrap.ts.
 *
 * cluster-info may be read by anybody, so nothing secret stands in it; whom to believe is in the tokens. It names the
 * server that started last: any other serves as well. See machinery/join.
 */
import type { Client } from "../machinery/client/client.ts";
import {
  AUTHORITY_KEY,
  CLUSTER_INFO,
  CLUSTER_INFO_KEY,
  type ClusterFacts,
  factsData,
  JOINERS,
  NODE_FACTS,
  SERVER_JOINERS,
  SERVER_KEYS,
} from "../machinery/join/cluster-facts.ts";
import type { ConfigMap, Kinds, ResourceName, RoleBinding } from "../machinery/objects/kinds.ts";
import { isAlreadyExists } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { anonymous, NODES } from "./auth/contract.ts";

export interface JoinBootstrap {
  readonly client: Client;
  /** PEM of the authority that signs the servers' certificates. */
  readonly authority: string;
  /** "https://10.0.0.1:6443" */
  readonly server: string;
  readonly facts: ClusterFacts;
}

export async function bootstrapJoin({ client, authority, server, facts }: JoinBootstrap): Promise<void> {
  const info = { [CLUSTER_INFO_KEY]: clusterInfo(server, authority) };
  await Promise.all([
    keepData(client, CLUSTER_INFO, info),
    keepData(client, NODE_FACTS, { ...factsData(facts), [AUTHORITY_KEY]: authority }),
    ...allowReading(CLUSTER_INFO, "k8ts:cluster-info", [{ kind: "User", name: anonymous.name }], client),
    ...allowReading(SERVER_KEYS, "k8ts:server-keys", [{ kind: "Group", name: SERVER_JOINERS }], client, "secrets"),
    ...allowReading(
      NODE_FACTS,
      "k8ts:nodes",
      [
        { kind: "Group", name: NODES },
        { kind: "Group", name: JOINERS },
      ],
      client,
    ),
  ]);
}

const clusterInfo = (server: string, authority: string) => `apiVersion: v1
kind: Config
clusters:
- name: ""
  cluster:
    certificate-authority-data: ${Buffer.from(authority).toString("base64")}
    server: ${server}
contexts: []
current-context: ""
preferences: {}
users: []
`;

interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** Other keys, as signatures, stay. */
async function keepData(client: Client, place: Place, data: Readonly<Record<string, string>>): Promise<void> {
  const found = (await client.find("configmaps", place)) as ConfigMap | undefined;
  if (!found) return make(client, "configmaps", { metadata: { ...place }, data });
  if (Object.entries(data).every(([key, value]) => found.data?.[key] === value)) return;
  await client.patch("configmaps", place, { data }, { type: "merge" });
}

function allowReading(
  { namespace, name }: Place,
  role: string,
  subjects: readonly { kind: string; name: string }[],
  client: Client,
  resource: "configmaps" | "secrets" = "configmaps",
): Promise<void>[] {
  const metadata = { namespace, name: role };
  const apiGroup = "rbac.authorization.k8s.io";
  const rules = [{ verbs: ["get"], apiGroups: [""], resources: [resource], resourceNames: [name] }];
  const binding: Draft<RoleBinding> = {
    metadata,
    roleRef: { apiGroup, kind: "Role", name: role },
    subjects: subjects.map((subject) => ({ apiGroup, ...subject })),
  };
  return [keepAsIs(client, "roles", { metadata, rules }), keepAsIs(client, "rolebindings", binding)];
}

/** People may change it. */
async function keepAsIs<K extends ResourceName>(client: Client, resource: K, object: Draft<Kinds[K]>): Promise<void> {
  const { namespace, name = "" } = object.metadata;
  if (!(await client.find(resource, { namespace, name }))) await make(client, resource, object);
}

/** Another server may have been quicker. */
async function make<K extends ResourceName>(client: Client, resource: K, object: Draft<Kinds[K]>): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
