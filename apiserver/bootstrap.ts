/**
 * Bootstrap: what every cluster has from its first moment, made by the API server through its own pipeline.
 *
 * Runs at every start and writes only what is missing, so a restart writes nothing. People may add to
 * the roles; what they took away comes back, unless they set autoupdate to "false".
 */
import type { Client } from "../machinery/client/client.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  Kinds,
  ResourceName,
  Service,
  StorageClass,
} from "../machinery/objects/kinds.ts";
import { LOCAL_PROVISIONER } from "../machinery/objects/local-volumes.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { blocksOf } from "./admission/service-ranges.ts";
import {
  type BootstrapBinding,
  type BootstrapRole,
  bootstrapBindings,
  bootstrapRoles,
} from "./auth/bootstrap-roles.ts";
import { uncovered } from "./auth/rules.ts";

export interface BootstrapOptions {
  readonly client: Client;
  /** "10.43.0.0/16" */
  readonly serviceCidr: string;
  /** ClusterIP of default/kubernetes: the first of the service CIDR. */
  readonly serviceAddress: string;
  /** Where the API server itself listens. */
  readonly port: number;
}

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";
const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const RBAC = "rbac.authorization.k8s.io";

const PRIORITY_CLASSES = [
  {
    metadata: { name: "system-cluster-critical" },
    value: 2_000_000_000,
    description:
      "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
  },
  {
    metadata: { name: "system-node-critical" },
    value: 2_000_001_000,
    description: "Used for system critical pods that must not be moved from their current node.",
  },
];

/** Volumes on the nodes' own disks, for claims that name no class. Who makes them: controllers/local-path-provisioner.ts. */
const LOCAL_CLASS: Draft<StorageClass> = {
  metadata: { name: "local-path", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: LOCAL_PROVISIONER,
  reclaimPolicy: "Delete",
  volumeBindingMode: "WaitForFirstConsumer",
  allowVolumeExpansion: true,
};

export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const { client } = options;
  await Promise.all(NAMESPACES.map((name) => ensure(client, "namespaces", { metadata: { name } })));
  await Promise.all([
    ...bootstrapRoles.map((role) => ensureRole(client, role)),
    ...bootstrapBindings.map((binding) => ensureBinding(client, binding)),
    ...PRIORITY_CLASSES.map((priorityClass) => ensure(client, "priorityclasses", priorityClass)),
    ensure(client, "storageclasses", LOCAL_CLASS),
    keepService(options),
    ensure(client, "servicecidrs", {
      metadata: { name: "kubernetes" },
      spec: { cidrs: [...blocksOf(options.serviceCidr)] },
    }),
  ]);
}

/** The object as it is, after making it where it was missing. */
async function ensure<K extends ResourceName>(client: Client, resource: K, object: Draft<Kinds[K]>): Promise<Kinds[K]> {
  const ref = { namespace: object.metadata.namespace, name: object.metadata.name ?? "" };
  const found = await client.find(resource, ref);
  if (found) return found;
  try {
    return await client.create(resource, object);
  } catch (error) {
    // Another server may have been quicker, which need not show as AlreadyExists: the Service's address is taken too.
    const made = await client.find(resource, ref);
    if (made) return made;
    throw error;
  }
}

async function ensureRole(client: Client, role: BootstrapRole): Promise<void> {
  const wanted = roleOf(role);
  const found = await ensure(client, "clusterroles", wanted);
  // what is gathered from other roles is the aggregation controller's
  if (found.metadata.annotations?.[AUTOUPDATE] === "false" || found.aggregationRule) return;
  const missing = uncovered(found.rules ?? [], role.rules);
  if (missing.length === 0) return;
  await client.update("clusterroles", { ...found, rules: [...(found.rules ?? []), ...missing] });
}

function roleOf({ name, rules, aggregateTo, aggregateFrom }: BootstrapRole): Draft<ClusterRole> {
  const label = (target: string) => ({ [`rbac.authorization.k8s.io/aggregate-to-${target}`]: "true" });
  return {
    metadata: {
      name,
      annotations: { [AUTOUPDATE]: "true" },
      labels: { ...LABELS, ...(aggregateTo ? label(aggregateTo) : {}) },
    },
    ...(aggregateFrom ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: label(aggregateFrom) }] } } : {}),
    rules: [...rules],
  };
}

async function ensureBinding(client: Client, { role, subjects }: BootstrapBinding): Promise<void> {
  const wanted: Draft<ClusterRoleBinding> = {
    metadata: { name: role, annotations: { [AUTOUPDATE]: "true" }, labels: LABELS },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
    subjects: subjects.map((subject) => ({ apiGroup: RBAC, ...subject })),
  };
  const found = await ensure(client, "clusterrolebindings", wanted);
  if (found.metadata.annotations?.[AUTOUPDATE] === "false") return;
  const has = (name: string) => found.subjects?.some((subject) => subject.name === name) ?? false;
  const missing = (wanted.subjects ?? []).filter(({ name }) => !has(name));
  if (missing.length > 0)
    await client.update("clusterrolebindings", { ...found, subjects: [...(found.subjects ?? []), ...missing] });
}

/** default/kubernetes: how Pods reach the API server. Its endpoints: servers/service-endpoints.ts. */
async function keepService({ client, serviceAddress, port }: BootstrapOptions): Promise<void> {
  const service: Draft<Service> = {
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: {
      type: "ClusterIP",
      clusterIP: serviceAddress,
      clusterIPs: [serviceAddress],
      ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: port }],
    },
  };
  const { metadata } = await ensure(client, "services", service);
  await client.update("services", { ...service, metadata });
}
