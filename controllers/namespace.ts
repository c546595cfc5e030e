/**
 * Namespace: empties a namespace that is being deleted, and lets it go when nothing is left.
 *
 * What is left is read from the server, never from a cache, for every resource that it has; a group
 * that cannot be asked keeps the namespace. Pods go first, so that what they use outlives them.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
 */
import type { Client } from "../machinery/client/client.ts";
import { deleteBody, pathOf } from "../machinery/client/create-client.ts";
import {
  again,
  defineController,
  done,
  enqueueSelf,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { findCondition, withCondition } from "../machinery/objects/conditions.ts";
import type { Namespace, Pod } from "../machinery/objects/kinds.ts";
import { ApiError, isConflict, isNotFound } from "../machinery/objects/status.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { sameJson } from "./canonical-json.ts";
import { type DiscoveredResource, discover, resourcePath } from "./discovery.ts";
import { isTerminal } from "./pod-state.ts";

type Context = Services;
type Condition = NonNullable<NonNullable<Namespace["status"]>["conditions"]>[number];

const FINALIZER = "kubernetes";
/** Until Pods have ended and other finalizers are gone: the longer it takes, the more seldom. */
const LOOK_AGAIN_MS = 1_000;
const LOOK_AGAIN_MAX_MS = 8_000;
const PATIENCE = 10;

export const namespaceController = defineController({
  name: "namespace-controller",
  workers: 5,
  watches: { namespaces: enqueueSelf },

  async reconcile(name, context): Promise<Outcome> {
    const cached = context.namespaces.get(name);
    if (!cached?.metadata.deletionTimestamp || !isHeld(cached)) return done;

    const namespace = await context.client.find("namespaces", { name });
    if (!namespace?.metadata.deletionTimestamp || !isHeld(namespace)) return done;

    const sinceMs = context.clock.now() - Date.parse(namespace.metadata.deletionTimestamp);
    const left = await empty(name, sinceMs, context);
    const current = await report(namespace, left, context);
    if (left.remaining.size > 0 || left.failures.discovery.length > 0 || left.failures.content.length > 0)
      return again(Math.min(Math.max(sinceMs / PATIENCE, LOOK_AGAIN_MS), LOOK_AGAIN_MAX_MS));
    await finalize(current, context.client);
    return done;
  },
});

const isHeld = ({ spec }: Namespace): boolean => spec?.finalizers?.includes(FINALIZER) ?? false;

/** What could not be deleted at once. */
export interface Left {
  /** "pods." or "deployments.apps" ► how many. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Finalizer ► on how many objects. */
  readonly finalizers: ReadonlyMap<string, number>;
  readonly failures: { readonly discovery: readonly string[]; readonly content: readonly string[] };
}

async function empty(namespace: string, sinceMs: number, { client, clock }: Context): Promise<Left> {
  const { resources, failures: discovery } = await discover(client, clock);
  const remaining = new Map<string, number>();
  const finalizers = new Map<string, number>();
  const content: string[] = [];
  const deletable = resources.filter(
    ({ namespaced, verbs }) => namespaced && verbs.includes("delete") && verbs.includes("list"),
  );
  for (const resource of deletable.sort((a, b) => rank(a) - rank(b))) {
    try {
      const items = await deleteAll(client, resource, namespace);
      if (items.length === 0) continue;
      remaining.set(`${resource.plural}.${resource.group}`, items.length);
      if (isUnexpected(resource, items, sinceMs))
        content.push(`unexpected items still remain in namespace: ${namespace} for gvr: ${nameOf(resource)}`);
      for (const { metadata } of items)
        for (const finalizer of metadata.finalizers ?? [])
          finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
      if (rank(resource) === 0) break;
    } catch (error) {
      if (!isGone(error)) content.push((error as Error).message);
    }
  }
  return { remaining, finalizers, failures: { discovery, content } };
}

const nameOf = ({ group, version, plural }: DiscoveredResource): string => `${group}/${version}, Resource=${plural}`;

/** Nothing holds what is left, and Pods have had their time. */
function isUnexpected(resource: DiscoveredResource, items: readonly StoredObject[], sinceMs: number): boolean {
  if (items.some(({ metadata }) => metadata.finalizers?.length)) return false;
  if (rank(resource) > 0) return true;
  const running = (items as readonly unknown[] as readonly Pod[]).filter((pod) => !isTerminal(pod));
  const grace = running.map(({ spec }) => spec?.terminationGracePeriodSeconds ?? 0);
  return sinceMs >= Math.max(0, ...grace) * 1000;
}

const rank = ({ group, plural }: DiscoveredResource): number => (group === "" && plural === "pods" ? 0 : 1);

/** Deletes a collection. Returns what is there afterwards. */
async function deleteAll(
  client: Client,
  resource: DiscoveredResource,
  namespace: string,
): Promise<readonly StoredObject[]> {
  const path = resourcePath(resource, namespace);
  const list = async () =>
    ((await client.raw({ method: "GET", path })) as { items: StoredObject[] | null }).items ?? [];
  const items = await list();
  if (items.every(({ metadata }) => metadata.deletionTimestamp)) return items;
  const body = deleteBody({ propagation: "Background" });
  if (resource.verbs.includes("deletecollection")) {
    await client.raw({ method: "DELETE", path, body });
    return list();
  }
  for (const { metadata } of items) {
    if (metadata.deletionTimestamp) continue;
    const preconditions = { uid: metadata.uid };
    try {
      await client.raw({ method: "DELETE", path: `${path}/${metadata.name}`, body: { ...body, preconditions } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
  return list();
}

/** The resource went away, or cannot be listed or deleted. */
const isGone = (error: unknown): boolean => isNotFound(error) || (error instanceof ApiError && error.code === 405);

async function report(namespace: Namespace, left: Left, { client, clock }: Context): Promise<Namespace> {
  const conditions = conditionsOf(namespace.status?.conditions, left, wireTime(clock.now()));
  if (sameJson(conditions, namespace.status?.conditions)) return namespace;
  return client.updateStatus("namespaces", { ...namespace, status: { ...namespace.status, conditions } });
}

async function finalize(namespace: Namespace, client: Client): Promise<void> {
  const finalizers = namespace.spec?.finalizers?.filter((one) => one !== FINALIZER) ?? [];
  const path = `${pathOf("namespaces", { name: namespace.metadata.name })}/finalize`;
  try {
    await client.raw({ method: "PUT", path, body: { ...namespace, spec: { ...namespace.spec, finalizers } } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** The conditions that tell how far the deletion is. */
export function conditionsOf(before: readonly Condition[] | undefined, left: Left, now: string): Condition[] {
  const { remaining, finalizers, failures } = left;
  const counts = [...remaining].map(([resource, count]) => `${resource} has ${count} resource instances`).sort();
  const held = [...finalizers].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`).sort();
  const discovery = failures.discovery.length > 0;
  const content = failures.content.length > 0;
  const next: Condition[] = [
    discovery
      ? raise(
          "NamespaceDeletionDiscoveryFailure",
          "DiscoveryFailed",
          `Discovery failed for some groups, ${failures.discovery.length} failing: unable to retrieve the complete list of server APIs: ${failures.discovery.join(", ")}`,
        )
      : settle("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    settle(
      "NamespaceDeletionGroupVersionParsingFailure",
      "ParsedGroupVersions",
      "All legacy kube types successfully parsed",
    ),
    content
      ? raise(
          "NamespaceDeletionContentFailure",
          "ContentDeletionFailed",
          `Failed to delete all resource types, ${failures.content.length} remaining: ${[...failures.content].sort().join(", ")}`,
        )
      : settle(
          "NamespaceDeletionContentFailure",
          "ContentDeleted",
          "All content successfully deleted, may be waiting on finalization",
        ),
    counts.length > 0
      ? raise("NamespaceContentRemaining", "SomeResourcesRemain", `Some resources are remaining: ${counts.join(", ")}`)
      : settle("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    held.length > 0
      ? raise(
          "NamespaceFinalizersRemaining",
          "SomeFinalizersRemain",
          `Some content in the namespace has finalizers remaining: ${held.join(", ")}`,
        )
      : settle("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
  ];
  return next.reduce<Condition[]>(
    (conditions, condition) => {
      const { status, reason, message } = findCondition(conditions, condition.type) ?? {};
      const same = status === condition.status && reason === condition.reason && message === condition.message;
      return same ? conditions : withCondition(conditions, condition, now);
    },
    [...(before ?? [])],
  );
}

const raise = (type: string, reason: string, message: string): Condition => ({ type, status: "True", reason, message });
const settle = (type: string, reason: string, message: string): Condition => ({
  type,
  status: "False",
  reason,
  message,
});
