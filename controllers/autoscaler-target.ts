/**
 * Autoscaler target: finds what an autoscaler scales, of whatever kind, and reads and writes its scale.
 *
 * The scale is always read from the server: a cache that lags must not scale twice. Which resource a kind is, is
 * asked when it is not known, and anew when it is not found, but not more often than every ten seconds.
 */
import type { Client } from "../machinery/client/client.ts";
import { isConflict } from "../machinery/objects/status.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { MetricError } from "./autoscaler-replicas.ts";
import { type DiscoveredResource, discover, resourcePath } from "./discovery.ts";

/** autoscaling/v1 */
export interface Scale {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion?: string };
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly replicas: number; readonly selector?: string };
}

export interface Reference {
  readonly apiVersion?: string | undefined;
  readonly kind: string;
  readonly name: string;
}

export interface ScaleTarget {
  readonly path: string;
  readonly scale: Scale;
}

export interface Targets {
  /** Throws what the Event says when the scale cannot be read. */
  find(client: Client, namespace: string, reference: Reference): Promise<ScaleTarget>;
  /** "ingresses.networking.k8s.io" */
  resourceOf(client: Client, apiVersion: string, kind: string): Promise<string>;
}

const AGAIN_MS = 10_000;
/** How often a scale that somebody else changed meanwhile is tried again. */
const ATTEMPTS = 5;
const RETRY_MS = 10;

export class TargetError extends Error {
  override readonly name = "TargetError";
}

export function createTargets(clock: Clock): Targets {
  let known: readonly DiscoveredResource[] = [];
  let askedAt = Number.NEGATIVE_INFINITY;

  const look = (group: string, kind: string) => known.filter((one) => one.group === group && one.kind === kind);

  async function resources(client: Client, group: string, kind: string): Promise<readonly DiscoveredResource[]> {
    const found = look(group, kind);
    if (found.length > 0 || clock.monotonic() - askedAt < AGAIN_MS) return found;
    ({ resources: known } = await discover(client, clock));
    askedAt = clock.monotonic();
    return look(group, kind);
  }

  return {
    async find(client, namespace, { apiVersion = "", kind, name }) {
      const group = groupOf(apiVersion);
      const found = (await resources(client, group, kind)).filter(({ verbs }) => verbs.includes("update"));
      if (found.length === 0) throw new TargetError(noMatch(kind, group));
      let first: unknown;
      for (const resource of found) {
        const path = `${resourcePath(resource, namespace, name)}/scale`;
        try {
          return { path, scale: (await client.raw({ method: "GET", path })) as Scale };
        } catch (error) {
          first ??= error;
        }
      }
      throw first;
    },

    async resourceOf(client, apiVersion, kind) {
      const group = groupOf(apiVersion);
      const [resource] = await resources(client, group, kind);
      if (!resource) throw new MetricError(`unable to fetch metrics from custom metrics API: ${noMatch(kind, group)}`);
      return group === "" ? resource.plural : `${resource.plural}.${group}`;
    },
  };
}

/** "apps/v1" ► "apps", "v1" ► "". */
function groupOf(apiVersion: string): string {
  const parts = apiVersion.split("/");
  if (parts.length > 2) throw new TargetError(`unexpected GroupVersion string: ${apiVersion}`);
  return parts.length === 2 ? (parts[0] ?? "") : "";
}

const noMatch = (kind: string, group: string): string => `no matches for kind "${kind}" in group "${group}"`;

export async function rescale(
  client: Client,
  clock: Clock,
  { path, scale }: ScaleTarget,
  replicas: number,
): Promise<void> {
  let current = scale;
  for (let attempt = 1; ; attempt++) {
    try {
      await client.raw({ method: "PUT", path, body: { ...current, spec: { ...current.spec, replicas } } });
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
      await clock.sleep(RETRY_MS * attempt);
      current = (await client.raw({ method: "GET", path })) as Scale;
    }
  }
}
