/**
 * Load balancer: gives Services of type LoadBalancer the addresses of nodes, for clusters that have no other.
 *
 * Every node's proxy lets a packet that arrives at one of these addresses in to the Service, so nothing else has to
 * run. Where outside traffic stays on its node (externalTrafficPolicy Local), only nodes with a ready endpoint are
 * given. A port of the nodes belongs to one Service, the first, and the API server's is nobody's. Services of
 * another loadBalancerClass are left alone.
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import {
  type Controller,
  defineController,
  done,
  type EventRecorder,
  type Outcome,
} from "../machinery/loop/controller.ts";
import { familyOf } from "../machinery/objects/ip.ts";
import type { EndpointSlice, Node, Service } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { sameJson } from "./canonical-json.ts";

/** The class that asks for this by name; without any class it is this too. */
export const LOAD_BALANCER_CLASS = "k8ts.io/node-addresses";

const EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers";
const SERVICE = "kubernetes.io/service-name";
const API_SERVER = "default/kubernetes";

type Ingress = NonNullable<NonNullable<NonNullable<Service["status"]>["loadBalancer"]>["ingress"]>[number];

export function loadBalancerController(): Controller {
  /** Service ► what was told of it last. */
  const told = new Map<string, string>();
  return defineController({
    name: "service-lb-controller",
    watches: {
      services: ({ key, object, old, type }: Change<Service>, listers) => {
        if (type === "deleted") told.delete(key);
        const concerns = isOurs(object) || (old !== undefined && isOurs(old));
        if (!concerns) return hasIngress(object) ? [key] : [];
        // the ports that one takes or leaves are another's to have
        const keeps = type === "updated" && old && isOurs(old) === isOurs(object);
        const others = keeps && sameJson(portsOf(old), portsOf(object)) ? [] : ours(listers);
        return [...new Set([key, ...others])];
      },
      nodes: ({ object, old, type }: Change<Node>, listers) =>
        type === "updated" && old && sameJson(partOf(old), partOf(object)) ? [] : ours(listers),
      endpointslices: ({ object: { metadata } }: Change<EndpointSlice>, listers) => {
        const key = `${metadata.namespace}/${metadata.labels?.[SERVICE] ?? ""}`;
        if (key === API_SERVER) return ours(listers);
        const service = (listers["services"] as Lister<Service> | undefined)?.get(key);
        return service && isOurs(service) && service.spec?.externalTrafficPolicy === "Local" ? [key] : [];
      },
    },

    async reconcile(key, { services, nodes, endpointslices, client, events }): Promise<Outcome> {
      const service = services.get(key);
      if (!service || service.metadata.deletionTimestamp) return done;
      const slices = endpointslices.list(service.metadata.namespace);
      const apiServers = endpointslices.list("default").filter((slice) => ownerOf(slice) === API_SERVER);
      const own = slices.filter((slice) => ownerOf(slice) === key);
      const problem = isOurs(service) ? conflictOf(service, services.list(), apiServers) : undefined;
      const wanted = isOurs(service) && !problem ? ingressOf(service, nodes.list(), own) : [];
      tell(told, key, service, problem, events);
      const has = service.status?.loadBalancer?.ingress ?? [];
      if (!isOurs(service) && service.spec?.type === "LoadBalancer") return done; // its own controller's
      if (sameJson(has, wanted)) return done;
      const { namespace, name, uid } = service.metadata;
      try {
        const patch = { metadata: { uid }, status: { loadBalancer: { ingress: wanted } } };
        await client.patch("services", { namespace, name }, patch, { type: "merge", subresource: "status" });
      } catch (error) {
        if (isNotFound(error)) return done;
        throw error;
      }
      if (has.length === 0) events.normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
      else if (wanted.length > 0) events.normal(service, "UpdatedLoadBalancer", "Updated load balancer with new hosts");
      else if (!problem)
        events.warning(service, "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer");
      return done;
    },
  });
}

/** Once, until it is another one. */
function tell(
  told: Map<string, string>,
  key: string,
  service: Service,
  problem: string | undefined,
  events: EventRecorder,
): void {
  if (problem && told.get(key) !== problem)
    events.warning(service, "SyncLoadBalancerFailed", `Error syncing load balancer: ${problem}`);
  if (problem) told.set(key, problem);
  else told.delete(key);
}

const isOurs = ({ spec }: Service): boolean =>
  spec?.type === "LoadBalancer" && (spec.loadBalancerClass ?? LOAD_BALANCER_CLASS) === LOAD_BALANCER_CLASS;

const hasIngress = ({ status }: Service): boolean => (status?.loadBalancer?.ingress ?? []).length > 0;

const ours = (listers: Readonly<Record<string, Lister<unknown>>>): string[] =>
  ((listers["services"] as Lister<Service> | undefined)?.list() ?? [])
    .filter(isOurs)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

const ownerOf = ({ metadata }: EndpointSlice): string => `${metadata.namespace}/${metadata.labels?.[SERVICE]}`;

/** What of a node counts here. */
const partOf = (node: Node) => [serves(node), node.status?.addresses];

const portsOf = ({ spec }: Service): readonly string[] =>
  (spec?.ports ?? []).map(({ port, protocol = "TCP" }) => `${port}/${protocol}`);

function serves({ metadata, status }: Node): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" && metadata.labels?.[EXCLUDED] === undefined && !metadata.deletionTimestamp;
}

/** Why the nodes' ports cannot be the Service's. */
export function conflictOf(
  service: Service,
  all: readonly Service[],
  apiServers: readonly EndpointSlice[],
): string | undefined {
  const reserved = new Set(apiServers.flatMap(({ ports }) => (ports ?? []).map(({ port }) => `${port}/TCP`)));
  const mine = portsOf(service);
  const vital = mine.find((port) => reserved.has(port));
  if (vital) return `port ${vital} of the nodes is the API server's`;
  // who has its addresses keeps them
  const before = (one: Service) => `${hasIngress(one) ? 0 : 1} ${one.metadata.creationTimestamp} ${one.metadata.uid}`;
  const older = all
    .filter((other) => isOurs(other) && before(other) < before(service) && !other.metadata.deletionTimestamp)
    .sort((a, b) => (before(a) < before(b) ? -1 : 1));
  for (const other of older) {
    const shared = portsOf(other).find((port) => mine.includes(port));
    const { namespace, name } = other.metadata;
    if (shared) return `port ${shared} of the nodes belongs to service ${namespace}/${name}`;
  }
  return undefined;
}

/** Outside addresses where any node has some, else those inside; of the Service's families, in their order. */
export function ingressOf(service: Service, nodes: readonly Node[], slices: readonly EndpointSlice[]): Ingress[] {
  const local = service.spec?.externalTrafficPolicy === "Local" ? nodesOf(slices) : undefined;
  const chosen = nodes.filter((node) => serves(node) && (!local || local.has(node.metadata.name)));
  return (service.spec?.ipFamilies ?? ["IPv4"]).flatMap((family) => {
    const ofType = (wanted: string) =>
      chosen.flatMap(({ status }) =>
        (status?.addresses ?? []).flatMap(({ type, address }) =>
          type === wanted && familyOf(address) === family ? [address] : [],
        ),
      );
    const outside = ofType("ExternalIP");
    const addresses = [...new Set(outside.length > 0 ? outside : ofType("InternalIP"))].sort();
    return addresses.map((ip) => ({ ip, ipMode: "VIP" }));
  });
}

function nodesOf(slices: readonly EndpointSlice[]): ReadonlySet<string | undefined> {
  const ready = slices.flatMap(({ endpoints }) =>
    (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false),
  );
  return new Set(ready.map(({ nodeName }) => nodeName));
}
