/**
 * EndpointSlice: publishes which Pods answer for a Service, in slices of at most 100.
 *
 * A change rewrites only the slices it concerns. Nothing is written while the cache does not show what was written
 * before, and none is made twice: written-slices.ts. Services without selector are left alone; a Pod whose
 * node is not known is left out until it is. Each family has slices of its own. Hints: topology-hints.ts.
 * https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type EventRecorder,
  enqueueSelf,
  type Outcome,
} from "../machinery/loop/controller.ts";
import type { IpFamily } from "../machinery/objects/ip.ts";
import { type Endpoint, type EndpointSlice, kinds, type Pod, type Service } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import { fromMap, matches } from "../machinery/objects/selectors.ts";
import { ApiError, isConflict } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { canonicalJson, sameJson } from "./canonical-json.ts";
import {
  type Backend,
  backendsOf,
  type EndpointPort,
  familiesOf,
  LAST_CHANGE,
  lastChange,
} from "./endpoints-of-service.ts";
import { createTopology } from "./endpointslice-topology.ts";
import { isTerminatingNamespace } from "./replicaset.ts";
import { createSlice, createWrittenSlices, FORGET_MS, removeSlice } from "./written-slices.ts";

const SERVICE = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const HEADLESS = "service.kubernetes.io/headless";
const MANAGER = "endpointslice-controller.k8s.io";
const PER_SLICE = 100;

export function endpointSliceController(): Controller {
  const written = createWrittenSlices();
  const topology = createTopology();
  return defineController({
    name: "endpointslice-controller",
    workers: 5,
    paced: true,
    watches: {
      services: (change) => {
        topology.noteService(change);
        return enqueueSelf(change);
      },
      pods: servicesOf,
      nodes: (change, listers) => topology.servicesOf(change, listers),
      endpointslices: (change) => {
        const keys = serviceOfSlice(change);
        if (change.type === "deleted") for (const key of keys) written.ended(key, change.object.metadata.uid);
        return keys;
      },
    },

    async reconcile(key, context): Promise<Outcome> {
      const service = context.services.get(key);
      if (!service) written.forget(key);
      if (!service?.spec?.selector || service.spec.type === "ExternalName" || service.metadata.deletionTimestamp)
        return done;

      const existing = slicesOf(service, context.endpointslices);
      const now = context.clock.monotonic();
      if (written.behind(key, existing, now)) return again(FORGET_MS);

      const pods = context.pods.list(service.metadata.namespace);
      const families = familiesOf(service);
      const wanted = families.map((family) => {
        const slices = existing.filter(({ addressType }) => addressType === family);
        const backends = topology.hinted(service, family, backendsOf(service, pods, family), slices, context);
        return changes(service, family, backends, slices);
      });
      const [create, update] = [wanted.flatMap((one) => one.create), wanted.flatMap((one) => one.update)];
      const obsolete = existing.filter(({ addressType }) => !families.some((family) => family === addressType));
      const remove = [...obsolete, ...wanted.flatMap((one) => one.remove)];
      try {
        for (const slice of update) written.put(key, await context.client.update("endpointslices", slice), now);
        const names = new Set(existing.map(({ metadata }) => metadata.name));
        for (const slice of create) await createSlice(key, slice, names, context, written);
      } catch (error) {
        if (!isTerminatingNamespace(error)) throw told(error, service, context.events);
      }
      for (const slice of remove) await removeSlice(key, slice, context, written);
      return done;
    },
  });
}

/** The error, after an Event about it where it is one that people can do something about. */
function told(error: unknown, service: Service, events: EventRecorder): unknown {
  const { namespace, name } = service.metadata;
  const passes = error instanceof ApiError && (error.retryable || isConflict(error));
  if (!passes)
    events.warning(
      service,
      "FailedToUpdateEndpointSlices",
      `Error updating Endpoint Slices for Service ${namespace}/${name}: ${(error as Error).message}`,
    );
  return error;
}

/** The Services that a Pod's change concerns: those that select it now or did before. */
export function servicesOf(
  { object: pod, old, type }: Change<Pod>,
  listers: Readonly<Record<string, unknown>>,
): string[] {
  if (type === "updated" && old && !matters(old, pod)) return [];
  const services = (listers["services"] as Lister<Service>).list(pod.metadata.namespace);
  return services
    .filter(({ spec }) => {
      const selector = fromMap(spec?.selector);
      return matches(selector, pod.metadata.labels) || (old !== undefined && matches(selector, old.metadata.labels));
    })
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

/** Whether a Pod's change can show in its endpoints. */
function matters(before: Pod, after: Pod): boolean {
  const part = ({ metadata, spec, status }: Pod) => [
    metadata.labels,
    metadata.deletionTimestamp,
    spec?.nodeName,
    status?.phase,
    status?.podIPs ?? status?.podIP,
    status?.conditions?.find(({ type }) => type === "Ready")?.status,
  ];
  return !sameJson(part(before), part(after));
}

function serviceOfSlice({ object: { metadata } }: Change<EndpointSlice>): string[] {
  const service = metadata.labels?.[SERVICE];
  return service && metadata.labels?.[MANAGED_BY] === MANAGER ? [`${metadata.namespace}/${service}`] : [];
}

function slicesOf({ metadata: { namespace, name, uid } }: Service, slices: Lister<EndpointSlice>): EndpointSlice[] {
  return slices
    .ownedBy(uid)
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[SERVICE] === name)
    .filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER && !metadata.deletionTimestamp);
}

interface Changes {
  readonly create: readonly Draft<EndpointSlice>[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/** What to write so that the slices show exactly the backends: endpoints stay in the slice they are in. */
export function changes(
  service: Service,
  family: IpFamily,
  backends: readonly Backend[],
  existing: readonly EndpointSlice[],
): Changes {
  const create: Draft<EndpointSlice>[] = [];
  const update: EndpointSlice[] = [];
  const used = new Set<EndpointSlice>();
  for (const { ports, endpoints } of byPorts(backends)) {
    const fitting = existing.filter((slice) => sameJson(slice.ports ?? [], ports));
    for (const [slice, page] of fill(fitting, endpoints)) {
      if (slice) used.add(slice);
      const meta = metaOf(service, slice, backends);
      if (!slice) create.push({ metadata: meta, addressType: family, ports: [...ports], endpoints: page });
      else if (!sameJson([slice.endpoints ?? [], labelsOf(slice)], [page, labelsOf({ metadata: meta })]))
        update.push({ ...slice, metadata: { ...slice.metadata, ...meta }, endpoints: page });
    }
  }
  return { create, update, remove: existing.filter((slice) => !used.has(slice)) };
}

const labelsOf = ({ metadata }: { readonly metadata: { readonly labels?: Record<string, string> } }) =>
  metadata.labels ?? {};

/** Pods may map a named port to different numbers; each set of ports has slices of its own. */
function byPorts(backends: readonly Backend[]) {
  const groups = new Map<
    string,
    { readonly ports: readonly EndpointPort[]; readonly endpoints: Map<string, Endpoint> }
  >();
  for (const { ports, endpoint } of backends) {
    const id = canonicalJson(ports);
    const group = groups.get(id) ?? { ports, endpoints: new Map() };
    groups.set(id, group);
    group.endpoints.set(endpoint.targetRef!.uid!, endpoint);
  }
  // a Service without backends is shown by one empty slice
  if (groups.size === 0) groups.set("", { ports: [], endpoints: new Map() });
  return groups.values();
}

/** Endpoints by slice: known ones stay, new ones fill the fullest slices that have room, the rest gets new slices. */
function fill(
  slices: readonly EndpointSlice[],
  wanted: ReadonlyMap<string, Endpoint>,
): [EndpointSlice | undefined, Endpoint[]][] {
  if (wanted.size === 0) return [[slices[0], []]];
  const fresh = new Map(wanted);
  const pages: [EndpointSlice | undefined, Endpoint[]][] = slices.map((slice) => {
    const kept = (slice.endpoints ?? []).flatMap(({ targetRef }) => {
      const endpoint = fresh.get(targetRef?.uid ?? "");
      fresh.delete(targetRef?.uid ?? "");
      return endpoint ? [endpoint] : [];
    });
    return [slice, kept];
  });
  const left = [...fresh.values()];
  for (const [, page] of [...pages].sort(([, a], [, b]) => b.length - a.length))
    page.push(...left.splice(0, PER_SLICE - page.length));
  while (left.length > 0) pages.push([undefined, left.splice(0, PER_SLICE)]);
  return pages.filter(([, page]) => page.length > 0);
}

function metaOf(service: Service, slice: EndpointSlice | undefined, backends: readonly Backend[]) {
  const { name, namespace, labels } = service.metadata;
  const headless = service.spec?.clusterIP === "None";
  const own = {
    ...labels,
    ...(headless ? { [HEADLESS]: "" } : {}),
    [MANAGED_BY]: MANAGER,
    [SERVICE]: name,
  };
  const annotations = { ...slice?.metadata.annotations, [LAST_CHANGE]: lastChange(service, backends) };
  if (slice) return { labels: own, annotations };
  const owner = ownerReferenceTo(service, kinds.services);
  return { generateName: `${name}-`, namespace: namespace!, labels: own, annotations, ownerReferences: [owner] };
}
