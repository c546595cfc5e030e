/**
 * Discovery: the documents by which clients learn what the server serves, made from the rows.
 *
 * The old form is one document a group version, the aggregated one (apidiscovery.k8s.io/v2) all in one.
 * Both say the same; the functions are pure, the request pipeline serves and caches what they answer.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
 */
import { createHash } from "node:crypto";
import type { ResourceRow, SubresourceRow } from "./contract.ts";

const CORE = "";

/** Core first, then groups as the rows bring them. */
function groupsOf(rows: readonly ResourceRow[]): ReadonlyMap<string, ReadonlyMap<string, readonly ResourceRow[]>> {
  const groups = new Map<string, Map<string, ResourceRow[]>>([[CORE, new Map()]]);
  for (const row of rows) {
    const versions = groups.get(row.group) ?? new Map<string, ResourceRow[]>();
    groups.set(row.group, versions);
    versions.set(row.version, [...(versions.get(row.version) ?? []), row]);
  }
  for (const [name, versions] of groups) groups.set(name, new Map([...versions].sort(([a], [b]) => byVersion(a, b))));
  return groups;
}

/** v2 before v1 before v1beta1 before v1alpha1. */
function byVersion(a: string, b: string): number {
  const rank = (version: string): number[] => {
    const [, major = "0", stage, minor = "0"] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
    return [stage === undefined ? 2 : stage === "beta" ? 1 : 0, Number(major), Number(minor)];
  };
  const [left, right] = [rank(a), rank(b)];
  for (const [index, value] of left.entries()) {
    if (value !== right[index]) return (right[index] ?? 0) - value;
  }
  return 0;
}

/** GET /api. `address` is where clients reach the server: "10.0.0.1:6443". */
export function apiVersions(rows: readonly ResourceRow[], address: string): object {
  return {
    kind: "APIVersions",
    versions: [...(groupsOf(rows).get(CORE)?.keys() ?? [])],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** GET /apis. */
export function apiGroupList(rows: readonly ResourceRow[]): object {
  const groups = [...groupsOf(rows)].filter(([name]) => name !== CORE);
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(([name, versions]) => group(name, versions)) };
}

/** GET /apis/<group>; undefined for a group that is not there. */
export function apiGroup(rows: readonly ResourceRow[], name: string): object | undefined {
  const versions = name === CORE ? undefined : groupsOf(rows).get(name);
  return versions && { kind: "APIGroup", apiVersion: "v1", ...group(name, versions) };
}

function group(name: string, versions: ReadonlyMap<string, unknown>): { name: string } & Record<string, unknown> {
  const list = [...versions.keys()].map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: list, preferredVersion: list[0] };
}

/** GET /api/v1 and /apis/<group>/<version>; undefined for a version that is not there. */
export function apiResourceList(rows: readonly ResourceRow[], name: string, version: string): object | undefined {
  const served = groupsOf(rows).get(name)?.get(version);
  if (!served) return undefined;
  return {
    kind: "APIResourceList",
    ...(name === CORE ? {} : { apiVersion: "v1" }),
    groupVersion: name === CORE ? version : `${name}/${version}`,
    resources: [...served].sort(byPlural).flatMap((row) => [resource(row), ...subresourcesOf(row).map(oldSubresource)]),
  };
}

const byPlural = (a: ResourceRow, b: ResourceRow): number => (a.plural < b.plural ? -1 : a.plural > b.plural ? 1 : 0);

function resource(row: ResourceRow): object {
  return {
    name: row.plural,
    singularName: row.singular,
    namespaced: row.namespaced,
    kind: row.kind,
    verbs: verbsOf(row),
    ...(row.shortNames.length > 0 && { shortNames: row.shortNames }),
    ...(row.categories.length > 0 && { categories: row.categories }),
    ...(!row.virtual && row.kind !== "ComponentStatus" && { storageVersionHash: storageVersionHash(row) }),
  };
}

/** While its definition is being deleted, a kind's objects can be changed still, but nobody is invited to. */
function verbsOf({ verbs, custom }: ResourceRow): readonly string[] {
  return custom?.terminating ? verbs.filter((verb) => verb !== "patch" && verb !== "update") : verbs;
}

/** Clients compare it to know that objects are stored in another form than before. */
function storageVersionHash({ group: name, version, kind, storedAs, custom }: ResourceRow): string {
  const own = `${name}/${custom?.storageVersion ?? version}/${kind}`;
  const stored = storedAs ? `${storedAs.group}/${storedAs.version}/${kind}` : own;
  return createHash("sha256").update(stored).digest().subarray(0, 8).toString("base64");
}

interface Subresource extends SubresourceRow {
  readonly of: ResourceRow;
}

/** A row's own subresources and the two that the generic code serves: status and scale. */
function subresourcesOf(row: ResourceRow): readonly Subresource[] {
  const shared = { verbs: ["get", "patch", "update"] as const };
  const scale = row.scale && { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", ...shared };
  const status = row.hasStatus && {
    name: "status",
    group: row.group,
    version: row.version,
    kind: row.kind,
    ...shared,
  };
  return [...row.subresources, ...(scale ? [scale] : []), ...(status ? [status] : [])]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => ({ ...one, of: row }));
}

function oldSubresource({ of: row, name, group: kindGroup, version, kind, verbs }: Subresource): object {
  const foreign = kindGroup !== row.group || version !== row.version;
  return {
    name: `${row.plural}/${name}`,
    singularName: "",
    namespaced: row.namespaced,
    ...(foreign && { group: kindGroup, version }),
    kind,
    verbs,
  };
}

/** GET /api or /apis with `as=APIGroupDiscoveryList`. */
export function aggregatedDiscovery(rows: readonly ResourceRow[], api: "core" | "groups"): object {
  const groups = [...groupsOf(rows)].filter(([name]) => (name === CORE) === (api === "core"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map(([name, versions]) => ({
      metadata: { ...(name && { name }), creationTimestamp: null },
      versions: [...versions].map(([version, served]) => ({
        version,
        resources: [...served].sort(byPlural).map(discovered),
        freshness: "Current",
      })),
    })),
  };
}

function discovered(row: ResourceRow): object {
  const subresources = subresourcesOf(row).map(({ name, group: kindGroup, version, kind, verbs }) => ({
    subresource: name,
    responseKind: { group: kindGroup, version, kind },
    verbs,
  }));
  return {
    resource: row.plural,
    responseKind: { group: row.group, version: row.version, kind: row.kind },
    scope: row.namespaced ? "Namespaced" : "Cluster",
    singularResource: row.singular,
    verbs: verbsOf(row),
    ...(row.shortNames.length > 0 && { shortNames: row.shortNames }),
    ...(row.categories.length > 0 && { categories: row.categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}
