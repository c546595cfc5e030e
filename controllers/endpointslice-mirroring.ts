/**
 * EndpointSlice mirroring: shows Endpoints that somebody else keeps, for a Service without selector, as EndpointSlices.
 *
 * One slice for each set of ports and family of addresses. Endpoints that say so (a label), and those in which leaders
 * were elected, are left alone; where a Service gets a selector, the mirrored slices go.
 * https://kubernetes.io/docs/concepts/services-networking/service/#endpointslice-mirroring
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { familyOf } from "../machinery/objects/ip.ts";
import { type Endpoint, type EndpointSlice, type Endpoints, kinds, type Service } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { canonicalJson, sameJson } from "./canonical-json.ts";
import { type EndpointPort, LAST_CHANGE } from "./endpoints-of-service.ts";
import { isTerminatingNamespace } from "./replicaset.ts";
import { createSlice, createWrittenSlices, FORGET_MS, removeSlice } from "./written-slices.ts";

type Context = {
  readonly services: Lister<Service>;
  readonly endpoints: Lister<Endpoints>;
  readonly endpointslices: Lister<EndpointSlice>;
} & Services;
type Listers = Readonly<Record<string, unknown>>;
type Subset = NonNullable<Endpoints["subsets"]>[number];
type Address = NonNullable<Subset["addresses"]>[number];

const SERVICE = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslicemirroring-controller.k8s.io";
const SKIP = "endpointslice.kubernetes.io/skip-mirror";
const LEADER = "control-plane.alpha.kubernetes.io/leader";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const PER_SUBSET = 1000;

export function endpointSliceMirroringController(): Controller {
  const written = createWrittenSlices();
  return defineController({
    name: "endpoint-slice-mirroring-controller",
    workers: 5,
    paced: true,
    watches: {
      endpoints: mirroredEndpoints,
      services: withoutSelector,
      endpointslices: (change) => {
        const keys = endpointsOfSlice(change);
        if (change.type === "deleted") for (const key of keys) written.ended(key, change.object.metadata.uid);
        return keys;
      },
    },

    async reconcile(key, context): Promise<Outcome> {
      const { client, clock } = context;
      const service = context.services.get(key);
      const endpoints = context.endpoints.get(key);
      const existing = slicesOf(key, context.endpointslices);
      const now = clock.monotonic();
      if (!service || service.spec?.selector || !endpoints || !isMirrored(endpoints)) {
        written.forget(key);
        for (const slice of existing) await removeSlice(key, slice, context, written);
        return done;
      }
      if (endpoints.metadata.deletionTimestamp) return done;
      if (written.behind(key, existing, now)) return again(FORGET_MS);

      const { groups, invalid, surplus } = mirrored(endpoints.subsets ?? []);
      warn(endpoints, invalid, surplus, context);
      const { create, update, remove } = changes(endpoints, groups, existing);
      try {
        for (const slice of update) written.put(key, await client.update("endpointslices", slice), now);
        const names = new Set(existing.map(({ metadata }) => metadata.name));
        for (const slice of create) await createSlice(key, slice, names, context, written);
      } catch (error) {
        if (!isTerminatingNamespace(error)) throw error;
      }
      for (const slice of remove) await removeSlice(key, slice, context, written);
      return done;
    },
  });
}

/** Those of Services with a selector are another controller's, and nothing of them was ever mirrored. */
function mirroredEndpoints({ key, object, old }: Change<Endpoints>, listers: Listers): string[] {
  if ((listers["services"] as Lister<Service>).get(key)?.spec?.selector) return [];
  return isMirrored(object) || (old && isMirrored(old)) ? [key] : [];
}

function withoutSelector({ key, object, old, type }: Change<Service>): string[] {
  const [has, had] = [object, old].map((service) => service?.spec?.selector !== undefined);
  return type === "updated" ? (has === had ? [] : [key]) : has ? [] : [key];
}

function endpointsOfSlice({ object: { metadata } }: Change<EndpointSlice>): string[] {
  const { [SERVICE]: service, [MANAGED_BY]: manager } = metadata.labels ?? {};
  return service && manager === MANAGER ? [`${metadata.namespace}/${service}`] : [];
}

function slicesOf(key: string, slices: Lister<EndpointSlice>): EndpointSlice[] {
  const [namespace, name] = key.split("/");
  return slices
    .list(namespace)
    .filter(({ metadata: { labels } }) => labels?.[SERVICE] === name && labels?.[MANAGED_BY] === MANAGER)
    .filter(({ metadata }) => !metadata.deletionTimestamp);
}

const isMirrored = ({ metadata: { labels, annotations } }: Endpoints): boolean =>
  labels?.[SKIP] !== "true" && annotations?.[LEADER] === undefined;

function warn(endpoints: Endpoints, invalid: number, surplus: number, { events }: Context): void {
  if (invalid > 0)
    events.warning(
      endpoints,
      "InvalidIPAddress",
      `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`,
    );
  if (surplus > 0)
    events.warning(
      endpoints,
      "TooManyAddressesToMirror",
      `A max of ${PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. ${surplus + invalid} addresses were skipped`,
    );
}

/** What stands in one slice. */
interface Group {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/** What the slices should show, and how many addresses they cannot. */
export function mirrored(subsets: readonly Subset[]) {
  const groups = new Map<string, Group>();
  let invalid = 0;
  let surplus = 0;
  for (const { ports = [], addresses = [], notReadyAddresses = [] } of subsets) {
    const named = ports.map(({ name = "", port, protocol = "TCP", appProtocol }) => ({
      name,
      port,
      protocol,
      ...(appProtocol ? { appProtocol } : {}),
    }));
    const all = [
      ...addresses.map((address) => [address, true] as const),
      ...notReadyAddresses.map((address) => [address, false] as const),
    ];
    let taken = 0;
    for (const [address, ready] of all) {
      const addressType = familyOf(address.ip);
      if (!addressType) invalid++;
      else if (taken >= PER_SUBSET) surplus++;
      else {
        taken++;
        const id = idOf(addressType, named);
        const group = groups.get(id) ?? { addressType, ports: named, endpoints: new Map() };
        groups.set(id, group);
        const endpoint = endpointOf(address, ready);
        group.endpoints.set(canonicalJson([address.ip, address.targetRef ?? null]), endpoint);
      }
    }
  }
  return { groups, invalid, surplus };
}

const idOf = (addressType: string, ports: readonly object[]): string => canonicalJson([addressType, ports]);

function endpointOf({ ip, hostname, nodeName, targetRef }: Address, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(targetRef ? { targetRef } : {}),
    ...(nodeName ? { nodeName } : {}),
  };
}

/** Slices that go are taken for those that come, where their family is the same. */
function changes(endpoints: Endpoints, groups: ReadonlyMap<string, Group>, existing: readonly EndpointSlice[]) {
  const left = new Set(existing);
  const update: EndpointSlice[] = [];
  const missing: Draft<EndpointSlice>[] = [];
  for (const [id, group] of groups) {
    const slice = existing.find((one) => idOf(one.addressType, one.ports ?? []) === id);
    const wanted = sliceOf(endpoints, group);
    if (!slice) missing.push(wanted);
    else {
      left.delete(slice);
      if (!sameJson(shown(slice), shown(wanted))) update.push(over(slice, wanted));
    }
  }
  const create = missing.filter((wanted) => {
    const free = [...left].find(({ addressType }) => addressType === wanted.addressType);
    if (!free) return true;
    left.delete(free);
    update.push(over(free, wanted));
    return false;
  });
  return { create, update, remove: [...left] };
}

function over(slice: EndpointSlice, { metadata, ...rest }: Draft<EndpointSlice>): EndpointSlice {
  const { labels = {}, annotations = {} } = metadata;
  return { ...slice, ...rest, metadata: { ...slice.metadata, labels, annotations } };
}

const shown = ({ metadata, endpoints }: Draft<EndpointSlice>) => [
  metadata.labels ?? {},
  metadata.annotations ?? {},
  [...(endpoints ?? [])].map((endpoint) => canonicalJson(endpoint)).sort(),
];

function sliceOf(owner: Endpoints, { addressType, ports, endpoints }: Group): Draft<EndpointSlice> {
  const { name, namespace, labels, annotations } = owner.metadata;
  const { [LAST_CHANGE]: _time, [LAST_APPLIED]: _applied, ...kept } = annotations ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      namespace: namespace!,
      labels: { ...labels, [SERVICE]: name, [MANAGED_BY]: MANAGER },
      annotations: kept,
      ownerReferences: [ownerReferenceTo(owner, kinds.endpoints)],
    },
    addressType,
    ports: [...ports],
    endpoints: [...endpoints.values()],
  };
}
