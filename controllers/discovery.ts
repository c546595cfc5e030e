/**
 * Discovery: which resources the server has now, so that generic controllers know no kind by name.
 *
 * A group that cannot be asked is reported beside the rest: whoever deletes must not take
 * "not asked" for "not there".
 */
import type { Client } from "../machinery/client/client.ts";
import { breather } from "../machinery/loop/breathe.ts";
import type { Clock } from "../machinery/process/clock.ts";

export interface DiscoveredResource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

export interface Discovered {
  readonly resources: readonly DiscoveredResource[];
  /** "apps/v1: why": groups that did not answer. */
  readonly failures: readonly string[];
}

interface GroupList {
  readonly groups: readonly {
    readonly name: string;
    readonly preferredVersion?: { readonly version: string };
    readonly versions: readonly { readonly version: string }[];
  }[];
}
interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

/** Every resource in the preferred version of its group; subresources are left out. */
export async function discover(client: Client, clock: Clock): Promise<Discovered> {
  const breathe = breather(clock);
  const { groups } = (await client.raw({ method: "GET", path: "/apis" })) as GroupList;
  const versions = [
    { group: "", version: "v1" },
    ...groups.flatMap(({ name, preferredVersion, versions: all }) => {
      const version = preferredVersion?.version ?? all[0]?.version;
      return version ? [{ group: name, version }] : [];
    }),
  ];
  const resources: DiscoveredResource[] = [];
  const failures: string[] = [];
  for (const { group, version } of versions) {
    await breathe();
    const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    try {
      const list = (await client.raw({ method: "GET", path })) as ResourceList;
      for (const { name, kind, namespaced, verbs } of list.resources)
        if (!name.includes("/")) resources.push({ group, version, kind, plural: name, namespaced, verbs });
    } catch (error) {
      failures.push(`${group}/${version}: ${(error as Error).message}`);
    }
  }
  return { resources, failures };
}

/** "/apis/apps/v1/namespaces/default/deployments/web", as much of it as is given. */
export function resourcePath(resource: DiscoveredResource, namespace?: string, name?: string): string {
  const { group, version, plural, namespaced } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope = namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${plural}${name ? `/${encodeURIComponent(name)}` : ""}`;
}
