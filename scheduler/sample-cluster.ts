/**
 * Sample cluster: Pods, nodes and other objects for tests of what the scheduler decides.
 *
 * A node "a" of zone "z" is written node("a", { zone: "z" }).
 */
import { createClient } from "../machinery/client/create-client.ts";
import { createObjectCache } from "../machinery/client/object-cache.ts";
import { apiVersionOf, kinds, type Node, type Pod, type PodSpec } from "../machinery/objects/kinds.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { type Cluster, type Listers, LOOKED_UP, type LookedUp } from "./cluster.ts";
import { type Decision, decide, type Verdict, verdictsOf } from "./decide.ts";
import type { Handle } from "./framework.ts";
import type { Happening } from "./happenings.ts";
import { defaultProfile } from "./plugins/plugins.ts";
import { podInfo } from "./pod-info.ts";
import { createSnapshot } from "./snapshot.ts";
import { createWaitingPods } from "./waiting-pods.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });

export interface NodeSample {
  readonly spec?: Node["spec"];
  readonly labels?: Record<string, string>;
  readonly zone?: string;
  readonly allocatable?: Record<string, string>;
  readonly images?: Record<string, number>;
}

export function node(name: string, sample: NodeSample = {}): Node {
  const { spec, labels, zone, allocatable = { cpu: "2", memory: "4Gi", pods: "110" }, images = {} } = sample;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      ...meta(name),
      labels: {
        "kubernetes.io/hostname": name,
        ...(zone ? { "topology.kubernetes.io/zone": zone } : {}),
        ...labels,
      },
    },
    status: {
      allocatable,
      images: Object.entries(images).map(([image, sizeBytes]) => ({ names: [image], sizeBytes })),
    },
    ...(spec ? { spec } : {}),
  };
}

export interface PodSample extends Partial<PodSpec> {
  readonly labels?: Record<string, string>;
  readonly namespace?: string;
  /** Name of the ReplicaSet that made it. */
  readonly owner?: string;
  readonly deleting?: boolean;
}

export function pod(
  name: string,
  { labels = {}, namespace = "default", owner, deleting, ...spec }: PodSample = {},
): Pod {
  const ownerReferences = owner
    ? [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }]
    : [];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...meta(name),
      namespace,
      labels,
      ownerReferences,
      ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [{ name: "c" }], ...spec },
  };
}

export const asking = (cpu: string, memory = "1Mi"): Partial<PodSpec> => ({
  containers: [{ name: "c", resources: { requests: { cpu, memory } } }],
});

/** A Pod and the node it is on. */
export type Placed = readonly [Pod, string];

/** The rest of an object's metadata is filled in. */
interface Sample {
  readonly metadata: { readonly name: string };
}
export type Others = { readonly [K in LookedUp]?: readonly Sample[] };

export function cluster(nodes: readonly Node[], placed: readonly Placed[] = [], others: Others = {}): Cluster {
  const listers = Object.fromEntries(
    LOOKED_UP.map((resource) => {
      const { kind, namespaced, ...group } = kinds[resource];
      const cache = createObjectCache<StoredObject>();
      for (const object of others[resource] ?? []) {
        const metadata = { ...meta(object.metadata.name), ...(namespaced ? { namespace: "default" } : {}) };
        cache.put({ apiVersion: apiVersionOf(group), kind, ...object, metadata: { ...metadata, ...object.metadata } });
      }
      return [resource, cache];
    }),
  ) as unknown as Listers;
  const snapshot = createSnapshot(listers);
  for (const [one, where] of placed) snapshot.setPod(one, where);
  for (const one of nodes) snapshot.setNode(one);
  return snapshot.cluster;
}

/** The default plugins over a cluster, without anything that writes. */
export function sampleHandle(where: Cluster): Handle {
  const nowhere = (): never => {
    throw new Error("nothing is written here");
  };
  return {
    client: createClient({ shared: true, request: nowhere, watch: nowhere, stream: nowhere, close: async () => {} }),
    listers: where.listers,
    clock: fakeClock(),
    log: silent,
    signal: new AbortController().signal,
    waiting: createWaitingPods(fakeClock()),
    nominations: { ...where.nominations, remove: () => {} },
    event: () => {},
    happened: () => {},
  };
}

export interface Scheduled extends Omit<Decision, "node"> {
  readonly node?: string;
  readonly verdicts: readonly Verdict[];
  /** What the plugins that refused it wait for. */
  readonly helpedBy: readonly Happening[];
}

/** What the default plugins decide; among equals the first. */
export function schedule(what: Pod, where: Cluster): Scheduled {
  const profile = defaultProfile(sampleHandle(where));
  const { node: chosen, ...decision } = decide(podInfo(what), where, profile, { random: () => 0 });
  const hints = [...decision.refusedBy].flatMap((plugin) => profile.hints.get(plugin) ?? []);
  const helpedBy = [...new Set(hints.map((hint) => (typeof hint === "string" ? hint : hint.on)))].sort();
  return { ...decision, ...(chosen ? { node: chosen.name } : {}), verdicts: verdictsOf(decision), helpedBy };
}
