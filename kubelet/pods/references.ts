/**
 * References: the ConfigMaps and Secrets that the node's Pods use, each watched on its own.
 *
 * A node may read only what its Pods refer to, one object at a time, so there is one small informer
 * per object, kept while a Pod refers to it. Answers come from it once its first list is in.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Informer } from "../../machinery/client/informer.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import type { ConfigMap, Kinds, Pod, Secret } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

type Resource = "configmaps" | "secrets";

export interface References {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  /** Watches what the Pod refers to from now on; replaces what was said for it before. */
  retain(pod: Pod): void;
  release(uid: string): void;
}

export interface ReferencesContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Something that this Pod refers to changed. */
  readonly onChange: (uid: string) => void;
}

interface Watched {
  readonly informer: Informer<Kinds[Resource]>;
  readonly users: Set<string>;
  readonly stop: AbortController;
}

/** How long a container waits for the first answer. */
const SYNC_MS = 10_000;

export function createReferences(context: ReferencesContext): References {
  const watched = new Map<string, Watched>();
  const byPod = new Map<string, ReadonlySet<string>>();

  function watch(key: string): Watched {
    const [resource, namespace, name] = key.split("/") as [Resource, string, string];
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, context.signal]);
    const informers = createInformers({ client: context.client, clock: context.clock, log: context.log, signal });
    const informer = informers.of(resource, { namespace, fieldSelector: `metadata.name=${name}` });
    const entry: Watched = { informer, users: new Set(), stop };
    watched.set(key, entry);
    // What is there from the beginning is no change: whoever needs it waits for it.
    let isKnown = false;
    const known = () => {
      isKnown = true;
    };
    informer.synced(signal).then(known, known);
    informer.subscribe(() => {
      if (isKnown) for (const uid of entry.users) context.onChange(uid);
    });
    return entry;
  }

  function drop(key: string, uid: string): void {
    const entry = watched.get(key);
    entry?.users.delete(uid);
    if (!entry || entry.users.size > 0) return;
    watched.delete(key);
    entry.stop.abort(new Error("no Pod refers to it any more"));
  }

  async function find(resource: Resource, namespace: string, name: string): Promise<Kinds[Resource] | undefined> {
    const entry = watched.get(`${resource}/${namespace}/${name}`);
    if (!entry) return context.client.find(resource, { namespace, name });
    await inTime(entry.informer.synced(entry.stop.signal), context.clock, resource);
    return entry.informer.get(`${namespace}/${name}`);
  }

  return {
    configMap: (namespace, name) => find("configmaps", namespace, name) as Promise<ConfigMap | undefined>,
    secret: (namespace, name) => find("secrets", namespace, name) as Promise<Secret | undefined>,

    retain(pod) {
      const { uid } = pod.metadata;
      const keys = referencesOf(pod);
      for (const key of keys) (watched.get(key) ?? watch(key)).users.add(uid);
      for (const key of byPod.get(uid) ?? []) if (!keys.has(key)) drop(key, uid);
      byPod.set(uid, keys);
    },

    release(uid) {
      for (const key of byPod.get(uid) ?? []) drop(key, uid);
      byPod.delete(uid);
    },
  };
}

async function inTime(synced: Promise<void>, clock: Clock, resource: Resource): Promise<void> {
  const late = Promise.withResolvers<never>();
  const kind = resource === "configmaps" ? "configmap" : "secret";
  const timer = clock.after(SYNC_MS, () =>
    late.reject(new Error(`failed to sync ${kind} cache: timed out waiting for the condition`)),
  );
  try {
    await Promise.race([synced, late.promise]);
  } finally {
    timer.cancel();
  }
}

/** "configmaps/default/settings" and the like, for everything that the Pod names. Pure. */
export function referencesOf(pod: Pod): ReadonlySet<string> {
  const namespace = pod.metadata.namespace ?? "";
  const found = new Set<string>();
  const add = (resource: Resource, name: string | undefined) => {
    if (name) found.add(`${resource}/${namespace}/${name}`);
  };
  const { volumes = [], imagePullSecrets = [], containers = [], initContainers = [] } = pod.spec ?? {};
  for (const { configMap, secret, projected } of volumes) {
    add("configmaps", configMap?.name);
    add("secrets", secret?.secretName);
    for (const source of projected?.sources ?? []) {
      add("configmaps", source.configMap?.name);
      add("secrets", source.secret?.name);
    }
  }
  for (const { name } of imagePullSecrets) add("secrets", name);
  for (const { env = [], envFrom = [] } of [...containers, ...initContainers]) {
    for (const { configMapRef, secretRef } of envFrom) {
      add("configmaps", configMapRef?.name);
      add("secrets", secretRef?.name);
    }
    for (const { valueFrom } of env) {
      add("configmaps", valueFrom?.configMapKeyRef?.name);
      add("secrets", valueFrom?.secretKeyRef?.name);
    }
  }
  return found;
}
