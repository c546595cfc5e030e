/**
 * Front proxy: tells other API servers by which certificate and headers they know this one.
 *
 * They read it from a ConfigMap, to which the role beside it gives access. Several servers on one store may have
 * authorities of their own: each adds its own to those that are there, and takes out what has expired.
 */
import { X509Certificate } from "node:crypto";
import type { Client } from "../../machinery/client/client.ts";
import type { ConfigMap, Kinds, Role, RoleBinding } from "../../machinery/objects/kinds.ts";
import { isAlreadyExists, isConflict } from "../../machinery/objects/status.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { FRONT_PROXY_CLIENT, type FrontProxy } from "./contract.ts";

export interface TrustOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly frontProxy: FrontProxy | undefined;
  /** PEM of the authority of this server's clients. */
  readonly clientAuthority: string | undefined;
}

const NAME = "extension-apiserver-authentication";
const NAMESPACE = "kube-system";
const READER = "extension-apiserver-authentication-reader";
const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const READERS = ["system:kube-controller-manager", "system:kube-scheduler"];

export async function trustFrontProxy(options: TrustOptions): Promise<void> {
  const { client } = options;
  await Promise.all([keepConfigMap(options), make(client, "roles", role), make(client, "rolebindings", binding)]);
}

/** Left as it is where it is right already. */
async function keepConfigMap({ client, clock, frontProxy, clientAuthority }: TrustOptions): Promise<void> {
  if (!frontProxy && clientAuthority === undefined) return;
  const found = await client.find("configmaps", { namespace: NAMESPACE, name: NAME });
  const merged = (key: string, own: string | undefined) =>
    own === undefined ? {} : { [key]: bundle([found?.data?.[key] ?? "", own], clock.now()) };
  const data = {
    ...found?.data,
    ...merged("client-ca-file", clientAuthority),
    ...(frontProxy ? { ...HEADERS, ...merged("requestheader-client-ca-file", frontProxy.authority) } : {}),
  };
  if (Object.entries(data).every(([key, value]) => found?.data?.[key] === value)) return;
  const metadata = { namespace: NAMESPACE, name: NAME };
  try {
    if (found) await client.update("configmaps", { ...found, data });
    else await client.create("configmaps", { metadata, data } satisfies Draft<ConfigMap>);
  } catch (error) {
    if (!isAlreadyExists(error) && !isConflict(error)) throw error;
    // another server was quicker: its authority and ours belong in
    await keepConfigMap({ client, clock, frontProxy, clientAuthority });
  }
}

const HEADERS = {
  "requestheader-allowed-names": JSON.stringify([FRONT_PROXY_CLIENT]),
  "requestheader-username-headers": JSON.stringify(["X-Remote-User"]),
  "requestheader-uid-headers": JSON.stringify(["X-Remote-Uid"]),
  "requestheader-group-headers": JSON.stringify(["X-Remote-Group"]),
  "requestheader-extra-headers-prefix": JSON.stringify(["X-Remote-Extra-"]),
};

/** Each certificate once, in order; those that have expired are left out. */
function bundle(texts: readonly string[], now: number): string {
  const all = texts.join("\n").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const good = all.filter((text) => new X509Certificate(text).validToDate.getTime() > now);
  return [...new Set(good)].map((text) => `${text}\n`).join("");
}

const role: Draft<Role> = {
  metadata: { namespace: NAMESPACE, name: READER, labels: LABELS },
  rules: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: [NAME], verbs: ["get", "list", "watch"] }],
};

const binding: Draft<RoleBinding> = {
  metadata: { namespace: NAMESPACE, name: `system::${READER}`, labels: LABELS },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: READER },
  subjects: READERS.map((name) => ({ apiGroup: "rbac.authorization.k8s.io", kind: "User", name })),
};

async function make<K extends "roles" | "rolebindings">(
  client: Client,
  resource: K,
  object: Draft<Kinds[K]>,
): Promise<void> {
  const { namespace, name = "" } = object.metadata;
  if (await client.find(resource, { namespace, name })) return;
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
