/**
 * Cluster Pods: all Pods of the cluster and labels of all namespaces, as little of each as policies need.
 *
 * Watched only while there are policies: a node of a large cluster would otherwise keep thousands of Pods in
 * memory for nothing.
 */
import { createCompany } from "../../machinery/client/company.ts";
import { collectionPath } from "../../machinery/client/create-client.ts";
import { listWatch } from "../../machinery/client/list-watch.ts";
import { createObjectCache, type ObjectCache } from "../../machinery/client/object-cache.ts";
import type { Transport } from "../../machinery/client/transport/contract.ts";
import type { Namespace, Pod, ResourceName } from "../../machinery/objects/kinds.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { type ClusterSets, createClusterSets } from "./cluster-sets.ts";
import { policyPodOf } from "./policy-pod.ts";

export interface ClusterPods {
  readonly sets: ClusterSets;
  readonly synced: Promise<void>;
  stop(): void;
}

export interface ClusterPodsOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  /** Something that policies see is different. */
  readonly onChange: () => void;
}

export function watchClusterPods({
  transport,
  clock,
  log,
  signal,
  nodeName,
  onChange,
}: ClusterPodsOptions): ClusterPods {
  const stopping = new AbortController();
  const until = AbortSignal.any([signal, stopping.signal]);
  const sets = createClusterSets(nodeName);
  const company = createCompany(clock);
  /** Resolves when the first list is in. */
  const watch = <T extends StoredObject>(resource: ResourceName, cache: ObjectCache<T>, tell: Tell<T>) =>
    new Promise<void>((resolve, reject) => {
      const path = collectionPath(resource);
      const change: Tell<T> = (one) => until.aborted || tell(one);
      listWatch({
        ...{ transport, path, query: {}, cache, onChange: change, onSynced: resolve, company, clock, log },
        signal: until,
      }).then(() => reject(until.reason), reject);
    });

  const podsSynced = watch("pods", slimmed<Pod>(slimPod), ({ type, key, object }) => {
    if (sets.setPod(key, type === "deleted" ? undefined : policyPodOf(object))) onChange();
  });
  const namespacesSynced = watch("namespaces", slimmed<Namespace>(slimNamespace), ({ type, key, object }) => {
    const labels = type === "deleted" ? undefined : (object.metadata.labels ?? {});
    if (sets.setNamespace(key, labels)) onChange();
  });
  const synced = Promise.all([podsSynced, namespacesSynced]).then(() => undefined);
  synced.catch(() => undefined); // whoever waits sees it; nobody has to wait
  return { sets, synced, stop: () => stopping.abort(new Error("no policies any more")) };
}

type Tell<T> = (change: { readonly type: string; readonly key: string; readonly object: T }) => unknown;

/** Keeps of each object what `slim` leaves. */
function slimmed<T extends StoredObject>(slim: (object: T) => T): ObjectCache<T> {
  const cache = createObjectCache<T>();
  return {
    ...cache,
    get size() {
      return cache.size;
    },
    put: (object) => cache.put(slim(object)),
  };
}

const slimMetadata = <T extends StoredObject>({ metadata }: T) => {
  const { name, namespace, uid, resourceVersion, creationTimestamp, labels } = metadata;
  return { name, uid, resourceVersion, creationTimestamp, ...(namespace && { namespace }), ...(labels && { labels }) };
};

function slimPod({ apiVersion, kind, spec, status, metadata }: Pod): Pod {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].flatMap(({ name, ports }) =>
    ports?.some((port) => port.name) ? [{ name, ports: ports.filter((port) => port.name) }] : [],
  );
  const { nodeName, hostNetwork } = spec ?? {};
  const { phase, podIP, podIPs } = status ?? {};
  return {
    apiVersion,
    kind,
    metadata: slimMetadata({ apiVersion, kind, metadata }),
    spec: { containers, ...(nodeName && { nodeName }), ...(hostNetwork && { hostNetwork }) },
    status: { ...(phase && { phase }), ...(podIP && { podIP }), ...(podIPs && { podIPs }) },
  };
}

const slimNamespace = ({ apiVersion, kind, metadata }: Namespace): Namespace => ({
  apiVersion,
  kind,
  metadata: slimMetadata({ apiVersion, kind, metadata }),
});
