/**
 * Quota constraints: under a quota on cpu or memory every container must say what it asks for.
 *
 * Only these six names, for only they always did; later resources count as nothing where nothing is said.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { amounts } from "../../machinery/objects/pod-resources.ts";
import { computeUsage } from "../../machinery/objects/quota-usage.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";

const REQUIRED: ReadonlySet<string> = new Set(
  ["", "requests.", "limits."].flatMap((kind) => [`${kind}cpu`, `${kind}memory`]),
);

/** "must specify limits.cpu for: a,b; …"; undefined when nothing is missing. */
export function missingRequests(object: KubeObject, names: readonly string[]): string | undefined {
  const required = names.filter((name) => REQUIRED.has(name)).sort();
  if (required.length === 0) return undefined;
  const { spec } = object as unknown as Pod;
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const missing = required.flatMap((name) => {
    const without = containers.filter((container) => !(name in usageOf(container)) && !saidByPod(spec, name));
    return without.length > 0 ? [`${name} for: ${namesOf(without)}`] : [];
  });
  return missing.length > 0 ? `must specify ${missing.join("; ")}` : undefined;
}

const usageOf = ({ resources }: Container) => computeUsage(amounts(resources?.requests), amounts(resources?.limits));

/** What the Pod says for all of its containers, they need not say. */
function saidByPod(spec: Pod["spec"], name: string): boolean {
  const { requests, limits } = spec?.resources ?? {};
  return name in computeUsage(amounts(requests), amounts(limits));
}

const namesOf = (containers: readonly Container[]): string =>
  [...new Set(containers.map(({ name }) => name))].sort().join(",");
