/**
 * Pods of a workload: what logs, exec and port-forward mean by `deployment/web`, and how they pick one.
 *
 * A type has Pods when its objects have a selector; nothing here knows kinds by name.
 */

import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { formatLabelSelector } from "../machinery/objects/selectors.ts";
import type { LabelSelector } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import { resolveType, resourcePath } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import { type FoundObject, listAll, objectsOf, parseSelection } from "./selection.ts";

/** The selector of an object's Pods as text; undefined when it has none. */
export function podSelector({ object }: FoundObject): string | undefined {
  const selector = (object["spec"] as { selector?: LabelSelector & Record<string, unknown> } | undefined)?.selector;
  if (!selector || Object.keys(selector).length === 0) return undefined;
  const structured = "matchLabels" in selector || "matchExpressions" in selector;
  if (structured) return formatLabelSelector(selector);
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(",");
}

/** The object that an argument names: "web", "pod/web", "deployment/web". */
export async function findOne(cluster: Cluster, args: readonly string[], defaultType = "pods"): Promise<FoundObject> {
  const named = args.length === 1 && !args[0]!.includes("/") ? [defaultType, args[0]!] : args;
  const [object, ...more] = await objectsOf(cluster, await parseSelection(cluster, named), {}, (error) => {
    throw error;
  });
  if (!object || more.length > 0) throw new CommandError("one resource is expected");
  return object;
}

/** The Pods behind an object, itself when it is one; the best to talk to first. */
export async function podsBehind(cluster: Cluster, found: FoundObject): Promise<Pod[]> {
  if (found.type.kind === "Pod" && found.type.group === "") return [found.object as unknown as Pod];
  const selector = podSelector(found);
  if (!selector)
    throw new CommandError(
      `cannot get the logs from ${found.type.group || "v1"}, ${found.type.kind}: selector is not supported`,
    );
  const pods = await listAll(cluster, resolveType(await cluster.discovery(), "pods"), found.namespace, { selector });
  return pods.map(({ object }) => object as unknown as Pod).sort(byUse);
}

/** Running and ready ones first, then the ones that have been so for longer. */
function byUse(a: Pod, b: Pod): number {
  const rank = (pod: Pod) => {
    const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
    return (pod.spec?.nodeName ? 0 : 4) + (pod.status?.phase === "Running" ? 0 : 2) + (ready ? 0 : 1);
  };
  return rank(a) - rank(b) || a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp);
}

const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

/** The container that is meant; the choice among several is told on standard error. */
export function chooseContainer(pod: Pod, asked: string | undefined, tell: (text: string) => void): Container {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const all = [...containers, ...initContainers, ...ephemeralContainers] as Container[];
  const name = asked ?? pod.metadata.annotations?.[DEFAULT_CONTAINER];
  if (name !== undefined) {
    const found = all.find((one) => one.name === name);
    if (!found) throw new CommandError(`container ${name} not found in pod ${pod.metadata.name}`);
    return found;
  }
  const [first] = containers as Container[];
  if (!first) throw new CommandError(`pod ${pod.metadata.name} has no containers`);
  if (all.length > 1)
    tell(
      `Defaulted container ${JSON.stringify(first.name)} out of: ${listed(containers as Container[], initContainers as Container[], ephemeralContainers)}\n`,
    );
  return first;
}

export function listed(
  containers: readonly Container[],
  initContainers: readonly Container[],
  ephemeral: readonly { readonly name: string }[] = [],
): string {
  return [
    ...containers.map(({ name }) => name),
    ...ephemeral.map(({ name }) => `${name} (ephem)`),
    ...initContainers.map(({ name }) => `${name} (init)`),
  ].join(", ");
}

/** Path of a Pod's subresource with its query, as an upgrade request names it. */
export async function podPath(
  cluster: Cluster,
  pod: Pod,
  subresource: string,
  query: URLSearchParams,
): Promise<string> {
  const type = resolveType(await cluster.discovery(), "pods");
  const text = query.toString();
  const path = resourcePath(type, pod.metadata.namespace, pod.metadata.name, subresource);
  return text === "" ? path : `${path}?${text}`;
}
