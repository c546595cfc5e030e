/** Context: where explanations get what they look at. What may not be read, or is not served, is not there. */
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import type { SchedulingExplanation } from "../../machinery/objects/scheduling.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { lastSeen, uidInEvents } from "../describe/events.ts";
import { findType, type ResourceType, resolveType, resourcePath } from "../discovery.ts";
import { listAll } from "../selection.ts";
import { ownedBy } from "../trace/gather.ts";
import type { WhyContext } from "./explanation.ts";

export function createWhyContext(cluster: Cluster, now: number): WhyContext {
  const typeOf = async (resource: string) => findType((await cluster.discovery()).resources, resource);

  async function looked<T>(resource: string, look: (type: ResourceType) => Promise<T>): Promise<T | undefined> {
    const type = await typeOf(resource);
    return type && allowed(() => look(type));
  }

  return {
    now,
    get: async <T>(resource: string, namespace: string | undefined, name: string) =>
      looked(resource, (type) => cluster.request<T>({ method: "GET", path: resourcePath(type, namespace, name) })),
    list: async <T>(resource: string, namespace: string | undefined, narrowing = {}) => {
      const found = await looked(resource, (type) => listAll(cluster, type, namespace, narrowing));
      return (found ?? []).map(({ object }) => object as unknown as T);
    },
    async events({ metadata, kind }) {
      const { name = "", namespace } = metadata;
      const who = kind === "Node" ? `involvedObject.name=${name}` : `involvedObject.uid=${uidInEvents({ metadata })}`;
      const fieldSelector = `${who},involvedObject.kind=${kind}`;
      const found = await looked("events", (type) => listAll(cluster, type, namespace, { fieldSelector }));
      const events = (found ?? []).map(({ object }) => object as unknown as CoreEvent);
      return events.sort((a, b) => Date.parse(lastSeen(a)) - Date.parse(lastSeen(b)));
    },
    owned: async (found) => (await allowed(() => ownedBy(cluster, found))) ?? [],
    scheduling: (namespace, pod) =>
      looked("pods", (type) =>
        cluster.request<SchedulingExplanation>({
          method: "GET",
          path: `/k8ts/v1/why${resourcePath(type, namespace, pod)}`,
        }),
      ),
    find: async (resource, object) => {
      const type = resolveType(await cluster.discovery(), resource);
      const { namespace, name = "" } = object.metadata;
      return { type, namespace, name, object: { ...(object as KubeObject), kind: type.kind } };
    },
  };
}

/** Undefined where it is not there, or not for this user to see. */
async function allowed<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof ApiError && (error.code === 403 || error.code === 404 || error.code === 405)) return undefined;
    throw error;
  }
}
