/**
 * Discovery: which resources the server has, and which one a user means by "po" or "deploy.apps".
 *
 * Two requests where the server aggregates discovery, else one a group version. Nothing is known
 * here of any kind by name.
 */
import type { Transport } from "../machinery/client/transport/contract.ts";
import { ApiError } from "../machinery/objects/status.ts";
import { PlainError } from "./errors.ts";

export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  /** Names after the slash: "status", "scale", "log". */
  readonly subresources: readonly string[];
  /** The version that the group prefers. */
  readonly preferred: boolean;
}

export interface Discovery {
  /** In the server's order: core first, preferred versions before others. */
  readonly resources: readonly ResourceType[];
  /** "v1", "apps/v1" … */
  readonly versions: readonly string[];
}

/** "v1" or "apps/v1". */
export const apiVersionOf = ({ group, version }: Pick<ResourceType, "group" | "version">): string =>
  group === "" ? version : `${group}/${version}`;

/** "pods" or "deployments.apps": as messages name a resource. */
export const qualified = ({ plural, group }: Pick<ResourceType, "plural" | "group">): string =>
  group === "" ? plural : `${plural}.${group}`;

/** "pod" or "deployment.apps": as output names an object. */
export const typeName = ({ kind, group }: Pick<ResourceType, "kind" | "group">): string =>
  group === "" ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

interface AggregatedResource {
  readonly resource: string;
  readonly responseKind?: { readonly kind?: string };
  readonly scope: string;
  readonly singularResource: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly subresources?: readonly { readonly subresource: string }[];
}

interface AggregatedList {
  readonly kind: string;
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions: readonly { readonly version: string; readonly resources?: readonly AggregatedResource[] }[];
  }[];
}

export async function discover(transport: Transport): Promise<Discovery> {
  const headers = { accept: `${AGGREGATED},application/json` };
  // One after the other: they share a connection, and a second TLS handshake costs more than a round trip.
  const core = (await transport.request({ method: "GET", path: "/api", headers })) as AggregatedList;
  const groups = (await transport.request({ method: "GET", path: "/apis", headers })) as AggregatedList;
  const lists = [core, groups];
  if (!lists.every(({ kind }) => kind === "APIGroupDiscoveryList")) return discoverEach(transport, core, groups);
  const resources: ResourceType[] = [];
  const versions: string[] = [];
  for (const group of lists.flatMap(({ items = [] }) => items)) {
    const name = group.metadata?.name ?? "";
    for (const [index, { version, resources: rows = [] }] of group.versions.entries()) {
      versions.push(apiVersionOf({ group: name, version }));
      for (const row of rows) resources.push(fromAggregated(row, name, version, index === 0));
    }
  }
  return { resources, versions };
}

function fromAggregated(row: AggregatedResource, group: string, version: string, preferred: boolean): ResourceType {
  return {
    group,
    version,
    kind: row.responseKind?.kind ?? "",
    plural: row.resource,
    singular: row.singularResource,
    shortNames: row.shortNames ?? [],
    categories: row.categories ?? [],
    namespaced: row.scope === "Namespaced",
    verbs: row.verbs,
    subresources: (row.subresources ?? []).map(({ subresource }) => subresource),
    preferred,
  };
}

interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly singularName?: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
  }[];
}

async function discoverEach(transport: Transport, core: unknown, groups: unknown): Promise<Discovery> {
  const coreVersions = (core as { versions?: string[] }).versions ?? [];
  const list = (groups as { groups?: { name: string; versions: { version: string }[] }[] }).groups ?? [];
  const places = [
    ...coreVersions.map((version, index) => ({ group: "", version, preferred: index === 0 })),
    ...list.flatMap(({ name, versions }) =>
      versions.map(({ version }, index) => ({ group: name, version, preferred: index === 0 })),
    ),
  ];
  const found = await Promise.all(places.map((place) => resourcesOf(transport, place)));
  return { resources: found.flat(), versions: places.map(apiVersionOf) };
}

async function resourcesOf(
  transport: Transport,
  { group, version, preferred }: { group: string; version: string; preferred: boolean },
): Promise<ResourceType[]> {
  const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const { resources } = (await transport.request({ method: "GET", path })) as ResourceList;
  return resources
    .filter(({ name }) => !name.includes("/"))
    .map((row) => ({
      group,
      version,
      preferred,
      kind: row.kind,
      plural: row.name,
      singular: row.singularName ?? "",
      shortNames: row.shortNames ?? [],
      categories: row.categories ?? [],
      namespaced: row.namespaced,
      verbs: row.verbs,
      subresources: resources.flatMap(({ name }) =>
        name.startsWith(`${row.name}/`) ? [name.slice(row.name.length + 1)] : [],
      ),
    }));
}

/** What "po", "pods", "deploy.apps", "deployments.v1.apps" or "Pod" stands for. */
export function resolveType({ resources }: Discovery, text: string): ResourceType {
  const found = findType(resources, text);
  if (found) return found;
  const [name, ...rest] = text.split(".");
  const [version = "", ...groupParts] = rest;
  if (rest.length === 0) throw new PlainError(`error: the server doesn't have a resource type "${text}"`);
  const isVersion = /^v\d+((alpha|beta)\d+)?$/.test(version);
  const where = isVersion
    ? groupParts.length > 0
      ? `group "${groupParts.join(".")}" and version "${version}"`
      : `version "${version}"`
    : `group "${rest.join(".")}"`;
  throw new PlainError(`error: the server doesn't have a resource type "${name}" in ${where}`);
}

export function findType(resources: readonly ResourceType[], text: string): ResourceType | undefined {
  const lower = text.toLowerCase();
  const [name = "", ...rest] = lower.split(".");
  const candidates = resources.filter((one) => matchesName(one, name));
  const fits = (one: ResourceType) =>
    rest.length === 0 ||
    one.group === rest.join(".") ||
    (one.version === rest[0] && one.group === rest.slice(1).join(".")) ||
    (rest.length > 0 && one.group.startsWith(`${rest.join(".")}.`));
  const fitting = candidates.filter(fits);
  const exact = fitting.filter((one) => !one.shortNames.includes(name));
  return (exact.length > 0 ? exact : fitting).find(({ preferred }) => preferred) ?? fitting[0];
}

const matchesName = (one: ResourceType, name: string) =>
  one.plural === name || one.singular === name || one.kind.toLowerCase() === name || one.shortNames.includes(name);

/** The types of a category such as "all"; empty when there is none of this name. */
export function typesOfCategory({ resources }: Discovery, name: string): ResourceType[] {
  return resources.filter(({ categories, preferred }) => preferred && categories.includes(name));
}

/** The resource of a manifest's kind. */
export function typeOfKind({ resources }: Discovery, apiVersion: string, kind: string): ResourceType | undefined {
  return resources.find((one) => apiVersionOf(one) === apiVersion && one.kind === kind);
}

/** The path of a resource's collection or of one object, with a subresource where given. */
export function resourcePath(
  type: Pick<ResourceType, "group" | "version" | "plural" | "namespaced">,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  const scope = type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const tail = [name, subresource].filter((part) => part !== undefined).map((part) => `/${encodeURIComponent(part)}`);
  return `${root}${scope}/${type.plural}${tail.join("")}`;
}

export const isMissing = (error: unknown): boolean => error instanceof ApiError && error.code === 404;
