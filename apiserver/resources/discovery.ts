/**
 * Discovery: the documents by which clients learn what the server serves, made from the rows.
 *
 * The old form is one document a group version, the aggregated one (apidiscovery.k8s.io/v2) all in one.
 * Both say the same; the functions are pure, the request pipeline serves and caches what they answer.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
 */
import { createHash } from "node:crypto";
import { type ApiPriority, localPriority } from "./api-priorities.ts";
import type { ResourceRow, SubresourceRow } from "./contract.ts";

const CORE = "";

/** A group and version that another server serves. */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  readonly resources: readonly ApiResource[];
  /** False where that server does not answer: then its resources are those of before, or none. */
  readonly fresh: boolean;
}

/** A line of an APIResourceList. */
export interface ApiResource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced?: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly verbs?: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

/** A version is served here or by another server. */
type Served = readonly ResourceRow[] | RemoteVersion;
type Versions = ReadonlyMap<string, Served>;
type Remotes = readonly RemoteVersion[];

const isRemote = (served: Served): served is RemoteVersion => "fresh" in served;

/** Core first, then groups by their priority; versions by theirs. Another server's version takes the place of ours. */
function groupsOf(rows: readonly ResourceRow[], remotes: Remotes): ReadonlyMap<string, Versions> {
  const groups = new Map<string, Map<string, Served>>([[CORE, new Map()]]);
  const versionsOf = (name: string): Map<string, Served> => {
    const versions = groups.get(name) ?? new Map<string, Served>();
    groups.set(name, versions);
    return versions;
  };
  for (const row of rows) {
    const versions = versionsOf(row.group);
    versions.set(row.version, [...((versions.get(row.version) ?? []) as readonly ResourceRow[]), row]);
  }
  for (const remote of remotes) versionsOf(remote.group).set(remote.version, remote);
  const sorted = [...groups].map(([name, versions]) => ({
    name,
    priority: Math.max(0, ...[...versions].map(([version, served]) => priorityOf(name, version, served).group)),
    versions: new Map([...versions].sort((a, b) => byPriority(name, a, b))),
  }));
  sorted.sort((a, b) => b.priority - a.priority);
  return new Map(sorted.map(({ name, versions }) => [name, versions]));
}

function priorityOf(group: string, version: string, served: Served): ApiPriority {
  return isRemote(served)
    ? { group: served.groupPriority, version: served.versionPriority }
    : localPriority(group, version, served[0]?.custom !== undefined);
}

type Entry = readonly [string, Served];

const byPriority = (group: string, [a, ofA]: Entry, [b, ofB]: Entry): number =>
  priorityOf(group, b, ofB).version - priorityOf(group, a, ofA).version || byVersion(a, b);

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
    versions: [...(groupsOf(rows, []).get(CORE)?.keys() ?? [])],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** GET /apis. */
export function apiGroupList(rows: readonly ResourceRow[], remotes: Remotes = []): object {
  const groups = [...groupsOf(rows, remotes)].filter(([name]) => name !== CORE);
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(([name, versions]) => group(name, versions)) };
}

/** GET /apis/<group>; undefined for a group that is not there. */
export function apiGroup(rows: readonly ResourceRow[], name: string, remotes: Remotes = []): object | undefined {
  const versions = name === CORE ? undefined : groupsOf(rows, remotes).get(name);
  return versions && { kind: "APIGroup", apiVersion: "v1", ...group(name, versions) };
}

function group(name: string, versions: ReadonlyMap<string, unknown>): { name: string } & Record<string, unknown> {
  const list = [...versions.keys()].map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: list, preferredVersion: list[0] };
}

/** GET /api/v1 and /apis/<group>/<version>; undefined for a version that is not served here. */
export function apiResourceList(rows: readonly ResourceRow[], name: string, version: string): object | undefined {
  const served = rows.filter((row) => row.group === name && row.version === version);
  if (served.length === 0) return undefined;
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
export function aggregatedDiscovery(
  rows: readonly ResourceRow[],
  api: "core" | "groups",
  remotes: Remotes = [],
): object {
  const groups = [...groupsOf(rows, remotes)].filter(([name]) => (name === CORE) === (api === "core"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groups.map(([name, versions]) => ({
      metadata: { ...(name && { name }), creationTimestamp: null },
      versions: [...versions].map(([version, served]) => ({
        version,
        resources: isRemote(served) ? discoveredRemote(served) : [...served].sort(byPlural).map(discovered),
        freshness: isRemote(served) && !served.fresh ? "Stale" : "Current",
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

/** What the old form says of another server's resources, as the aggregated one says it. */
function discoveredRemote({ group: ownGroup, version: ownVersion, resources }: RemoteVersion): object[] {
  const kindOf = ({ group: kindGroup, version, kind = "" }: ApiResource) => ({
    group: kindGroup || ownGroup,
    version: version || ownVersion,
    kind,
  });
  const parents = new Map<string, { readonly subresources: object[] } & Record<string, unknown>>();
  const parentOf = (name: string, { namespaced }: ApiResource) => {
    const known = parents.get(name);
    if (known) return known;
    const made = { resource: name, scope: namespaced ? "Namespaced" : "Cluster", subresources: [] as object[] };
    parents.set(name, made);
    return made;
  };
  for (const one of resources) {
    const [name = "", ...rest] = one.name.split("/");
    const parent: Record<string, unknown> & { readonly subresources: object[] } = parentOf(name, one);
    if (rest.length > 0)
      parent.subresources.push({ subresource: rest.join("/"), responseKind: kindOf(one), verbs: one.verbs ?? [] });
    else
      Object.assign(parent, {
        responseKind: kindOf(one),
        singularResource: one.singularName ?? "",
        verbs: one.verbs ?? [],
        ...(one.shortNames?.length && { shortNames: one.shortNames }),
        ...(one.categories?.length && { categories: one.categories }),
      });
  }
  // one that is there by its parts alone has no kind, which clients must not miss
  return [...parents.values()].map(({ subresources, ...rest }) => ({
    responseKind: { group: "", version: "", kind: "" },
    verbs: [],
    singularResource: "",
    ...rest,
    ...(subresources.length > 0 && { subresources }),
  }));
}
