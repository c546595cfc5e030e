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

/** apidiscovery.k8s.io/v2 */
interface GroupDiscoveryList {
  readonly kind: string;
  readonly items: readonly {
    readonly metadata: { readonly name?: string };
    readonly versions: readonly {
      readonly version: string;
      readonly freshness?: string;
      readonly resources?: readonly {
        readonly resource: string;
        readonly responseKind?: { readonly kind?: string };
        readonly scope: string;
        readonly verbs: readonly string[];
      }[];
    }[];
  }[];
}

const ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Every resource, in the first version of its group's that has it; subresources are left out. */
export async function discover(client: Client, clock: Clock): Promise<Discovered> {
  const breathe = breather(clock);
  const resources: DiscoveredResource[] = [];
  const failures: string[] = [];
  for (const path of ["/api", "/apis"]) {
    const { items } = (await client.raw({ method: "GET", path, headers: { accept: ACCEPT } })) as GroupDiscoveryList;
    for (const { metadata, versions } of items) {
      const { name: group = "" } = metadata;
      const seen = new Set<string>();
      for (const { version, freshness, resources: served = [] } of versions) {
        await breathe();
        if (freshness === "Stale")
          failures.push(`${group}/${version}: stale GroupVersion discovery: ${group}/${version}`);
        for (const { resource: plural, responseKind, scope, verbs } of served) {
          // a resource that is there by its subresources alone has no objects
          if (seen.has(plural) || !responseKind?.kind) continue;
          seen.add(plural);
          resources.push({
            group,
            version,
            kind: responseKind.kind,
            plural,
            namespaced: scope === "Namespaced",
            verbs,
          });
        }
      }
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
