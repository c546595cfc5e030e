/**
 * Topology of EndpointSlices: what their controller knows of nodes and zones, and whom a node's change concerns.
 *
 * Gives each endpoint the zone of its node and its hints (decided in topology-hints.ts), and says in an Event when hints
 * come, go or cannot be had. It writes nothing.
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import { keyOf } from "../machinery/client/informer.ts";
import type { Services } from "../machinery/loop/controller.ts";
import { isTrue } from "../machinery/objects/conditions.ts";
import type { IpFamily } from "../machinery/objects/ip.ts";
import type { EndpointSlice, Node, Pod, Service } from "../machinery/objects/kinds.ts";
import { fromMap, matches } from "../machinery/objects/selectors.ts";
import { sameJson } from "./canonical-json.ts";
import { type Backend, publishesNotReady } from "./endpoints-of-service.ts";
import { hintMode, withHints, ZONE, type ZoneShares, zoneShares } from "./topology-hints.ts";

type Listers = Readonly<Record<string, unknown>>;
type Context = { readonly nodes: Lister<Node> } & Pick<Services, "events">;

export interface Topology {
  noteService(change: Change<Service>): void;
  /** The Services whose slices a node's change may alter. */
  servicesOf(change: Change<Node>, listers: Listers): readonly string[];
  /** The backends with zones and hints, without those whose node is not there. */
  hinted(
    service: Service,
    family: IpFamily,
    backends: readonly Backend[],
    slices: readonly EndpointSlice[],
    context: Context,
  ): readonly Backend[];
}

const HINTS_ON = "Topology Aware Hints has been enabled";
const HINTS_OFF = "Topology Aware Hints has been disabled";

/** Pods of nodes that never come are removed in the end: see pod-gc.ts. */
const MISSING_MAX = 10_000;

export function createTopology(): Topology {
  /** Services that want endpoints by the zones' share of CPU. */
  const byShare = new Set<string>();
  /** Node that is not there ► Services of which a Pod names it. */
  const missing = new Map<string, Set<string>>();
  /** Service and family ► what was last said of its hints. */
  const said = new Map<string, string>();
  let shares: { readonly value: ZoneShares | undefined } | undefined;

  const waitFor = (node: string, service: string) => {
    missing.set(node, (missing.get(node) ?? new Set()).add(service));
    if (missing.size > MISSING_MAX) for (const oldest of missing.keys()) if (missing.delete(oldest)) break;
  };
  const tell = (service: Service, family: IpFamily, problem: string | undefined, { events }: Context) => {
    const key = `${keyOf(service)} ${family}`;
    const asked = hintMode(service) === "share";
    const before = said.get(key);
    const now = asked ? (problem ?? HINTS_ON) : undefined;
    if (now === before) return;
    if (now) said.set(key, now);
    else said.delete(key);
    const message = `${now ?? HINTS_OFF}, addressType: ${family}`;
    if (now === HINTS_ON) events.normal(service, "TopologyAwareHintsEnabled", message);
    else if (now || before === HINTS_ON) events.warning(service, "TopologyAwareHintsDisabled", message);
  };

  return {
    noteService({ type, key, object }) {
      if (type !== "deleted" && hintMode(object) === "share") byShare.add(key);
      else byShare.delete(key);
      if (type === "deleted") for (const family of ["IPv4", "IPv6"]) said.delete(`${key} ${family}`);
    },

    servicesOf({ type, key, object, old }, listers) {
      const came = type === "added" ? (missing.get(key) ?? []) : [];
      if (type === "added") missing.delete(key);
      if (type === "updated" && old && sameJson(part(old), part(object))) return [];
      shares = undefined;
      const moved = type === "updated" && zoneOf(old) !== zoneOf(object);
      return [...byShare, ...came, ...(moved ? servicesOn(key, listers) : [])];
    },

    hinted(service, family, backends, slices, context) {
      const placed = backends.flatMap((backend) => {
        const { nodeName } = backend.endpoint;
        const node = nodeName ? context.nodes.get(nodeName) : undefined;
        if (nodeName && !node) waitFor(nodeName, keyOf(service));
        if (nodeName && !node && !publishesNotReady(service)) return [];
        const zone = zoneOf(node);
        return zone ? [{ ...backend, endpoint: { ...backend.endpoint, zone } }] : [backend];
      });
      const mode = hintMode(service);
      if (mode === "share") shares ??= { value: zoneShares(context.nodes.list()) };
      const before = mode === "share" ? servedBefore(slices) : new Map<string, string>();
      const endpoints = placed.map(({ endpoint }) => endpoint);
      const { endpoints: hinted, problem } = withHints(mode, endpoints, before, shares?.value);
      tell(service, family, problem, context);
      return placed.map((backend, index) => ({ ...backend, endpoint: hinted[index] ?? backend.endpoint }));
    },
  };
}

const zoneOf = (node: Node | undefined): string | undefined => node?.metadata.labels?.[ZONE];

/** What shares are reckoned from. */
const part = ({ metadata, status }: Node) => [
  metadata.labels,
  status?.allocatable?.["cpu"],
  isTrue(status?.conditions, "Ready"),
];

function servicesOn(node: string, listers: Listers): string[] {
  const pods = (listers["pods"] as Lister<Pod>).placedOn(node);
  const namespaces = new Set(pods.map(({ metadata }) => metadata.namespace));
  return [...namespaces].flatMap((namespace) =>
    (listers["services"] as Lister<Service>)
      .list(namespace)
      .filter(({ spec }) => {
        const selector = fromMap(spec?.selector);
        return pods.some(({ metadata }) => metadata.namespace === namespace && matches(selector, metadata.labels));
      })
      .map(keyOf),
  );
}

/** Uid of a Pod ► the zone that its endpoint serves. */
function servedBefore(slices: readonly EndpointSlice[]): Map<string, string> {
  const zones = new Map<string, string>();
  for (const { endpoints } of slices)
    for (const { targetRef, hints } of endpoints ?? []) {
      const zone = hints?.forZones?.[0]?.name;
      if (zone && targetRef?.uid) zones.set(targetRef.uid, zone);
    }
  return zones;
}
