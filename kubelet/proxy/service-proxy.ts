/**
 * Service proxy: keeps nftables equal to the Services, their endpoints and the host ports of this node.
 *
 * Changes that come soon after one another are applied as one transaction, for both families; after a failure what the kernel
 * has is read again before anything is written. What it wrote stays when it ends, so that Services answer while it
 * restarts. Who asks for what: service-rules.ts, host-ports.ts; what differs: ledger.ts.
 */
import { networkInterfaces } from "node:os";
import type { Change } from "../../machinery/client/informer.ts";
import type { Informers } from "../../machinery/client/shared-informers.ts";
import { breather } from "../../machinery/loop/breathe.ts";
import type { IpFamily } from "../../machinery/objects/ip.ts";
import type { EndpointSlice, Pod, Service } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { nft } from "../network/nft.ts";
import { cleanConntrack } from "./conntrack.ts";
import { type Place, readyHere } from "./endpoints.ts";
import { createFamilyTable, type FamilyTable } from "./family-table.ts";
import { createHealthChecks, healthPort } from "./health-checks.ts";
import { hostPortRules, portsOf } from "./host-ports.ts";
import type { Content } from "./ledger.ts";
import { type Contribution, type Flow, listOf, serviceRules } from "./service-rules.ts";
import { createSlots, type Slots } from "./slots.ts";
import { SLOTS, slotMap } from "./table.ts";

export interface ServiceProxyOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  /** One range, or one of each family with a comma between. Sources inside keep their address towards a ClusterIP. */
  readonly clusterCIDR: string;
  /** Called after the first whole table stands. */
  readonly ready?: () => void;
  /** Called after each change, with how long it took. For measurements. */
  readonly written?: (ms: number) => void;
  /** Tells people that a health check's port could not be opened. */
  readonly failed?: (service: Service, message: string) => void;
}

/**
 * How long changes are gathered after a write, longer where writing takes long. The first one after that is written at
 * once, for a client waits for its new endpoint.
 */
const GATHER_MS = 10;
const RETRY_MS = { first: 500, last: 30_000 };
/** How often it is looked whether somebody else changed the table: at its chains, and at all of it. */
const CHECK_MS = 60_000;
const CHECKS_A_WHOLE = 10;
const ZONE = "topology.kubernetes.io/zone";
const SERVICE = "kubernetes.io/service-name";
const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];

/** Resolves when the signal aborts. */
export async function runServiceProxy(options: ServiceProxyOptions): Promise<void> {
  const { informers, clock, log, signal, nodeName } = options;
  const services = informers.of("services");
  const slices = informers.of("endpointslices");
  const pods = informers.of("pods", { fieldSelector: `spec.nodeName=${nodeName}` });
  const nodes = informers.of("nodes");
  const state = createState(options);
  let wake = Promise.withResolvers<void>();
  const rouse = () => wake.resolve();
  const noting =
    <T>(note: (change: Change<T>) => void) =>
    (change: Change<T>) => {
      note(change);
      rouse();
    };
  const stop = [
    services.subscribe(noting((change) => state.noteService(change))),
    slices.subscribe(noting((change) => state.noteSlice(change))),
    pods.subscribe(noting((change) => state.notePod(change))),
    nodes.subscribe((change) => {
      if (change.key !== nodeName || !state.moveTo(change.object.metadata.labels?.[ZONE], services.list())) return;
      rouse();
    }),
  ];
  signal.addEventListener("abort", rouse, { once: true });
  const checks = watchOver(clock, (depth) => {
    state.check = depth;
    rouse();
  });

  let delay: number = RETRY_MS.first;
  let first = true;
  try {
    await Promise.all([services, slices, pods, nodes].map((informer) => informer.synced(signal)));
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      const begin = clock.monotonic();
      try {
        await state.write();
        if (first) options.ready?.();
        first = false;
        delay = RETRY_MS.first;
      } catch (error) {
        log.error("service rules could not be written", { error });
        await clock.sleep(delay, signal);
        delay = Math.min(delay * 2, RETRY_MS.last);
        continue;
      }
      const written = clock.monotonic();
      const gathered = written + Math.max(GATHER_MS, Math.min(written - begin, 1_000));
      await wake.promise;
      const left = gathered - clock.monotonic();
      if (left > 0) await clock.sleep(left, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    checks.cancel();
    for (const unsubscribe of stop) unsubscribe();
    state.close();
  }
}

type Depth = "chains" | "everything";

function watchOver(clock: Clock, look: (depth: Depth) => void): { cancel(): void } {
  let rounds = 0;
  const next = (): { cancel(): void } =>
    clock.after(
      CHECK_MS,
      () => {
        rounds++;
        look(rounds % CHECKS_A_WHOLE === 0 ? "everything" : "chains");
        timer = next();
      },
      { background: true },
    );
  let timer = next();
  return { cancel: () => timer.cancel() };
}

function createState(options: ServiceProxyOptions) {
  const { clock, log, nodeName } = options;
  const ranges = options.clusterCIDR.split(",").map((range) => range.trim());
  const podsOf = (family: IpFamily) => ranges.find((range) => range.includes(":") === (family === "IPv6"));
  const tables = new Map<IpFamily, FamilyTable>();
  for (const family of FAMILIES) tables.set(family, createFamilyTable(family, podsOf(family), log));
  const slots = new Map(FAMILIES.map((family) => [family, createSlots()]));
  const health = createHealthChecks({ ...options, ...(options.failed ? { failed: options.failed } : {}) });
  const slicesOf = new Map<string, Map<string, EndpointSlice>>();
  const services = new Map<string, Service>();
  const pods = new Map<string, Pod>();
  /** Owner ► where UDP arrives, by family. */
  const flows = new Map<string, ReadonlyMap<IpFamily, readonly Flow[]>>();
  const dirty = new Set<string>();
  let place: Place = { nodeName, zone: undefined };
  let first = true;
  let udpChanged: Flow[] | undefined = [];
  let conntrackIsMissing = false;

  const noteFlows = (owner: string, now: ReadonlyMap<IpFamily, readonly Flow[]>) => {
    const before = flows.get(owner);
    const has = [...now.values()].some((one) => one.length > 0);
    if (!before && !has) return;
    udpChanged ??= [];
    // a destination that is no Service's any more is nobody's
    for (const one of before?.values() ?? []) udpChanged.push(...one.map((flow) => ({ ...flow, targets: [] })));
    if (has) flows.set(owner, now);
    else flows.delete(owner);
  };

  const put = (owner: string, rules: (family: IpFamily) => Contribution | undefined) => {
    const udp = new Map<IpFamily, readonly Flow[]>();
    for (const [family, table] of tables) {
      const contribution = rules(family);
      const lists = new Set(contribution?.lists);
      for (const list of table.put(owner, contribution)?.lists ?? [])
        if (!lists.has(list)) slots.get(family)?.forget(list);
      udp.set(family, contribution?.flows ?? []);
    }
    noteFlows(owner, udp);
  };

  const update = (owner: string) => {
    const service = services.get(owner);
    const pod = pods.get(owner);
    const own = [...(slicesOf.get(owner)?.values() ?? [])];
    put(owner, (family) => {
      const context = { place, pods: podsOf(family), slots: slots.get(family) as Slots };
      if (service) return serviceRules(service, own, family, context);
      return pod ? hostPortRules(pod, family, context) : undefined;
    });
    const port = service && healthPort(service);
    health.set(owner, service && port ? { service, port, local: readyHere(own, place) } : undefined);
  };

  async function cleanUdp(): Promise<void> {
    if (!udpChanged || conntrackIsMissing) return;
    const gone = udpChanged;
    udpChanged = undefined;
    const own = new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)));
    for (const family of FAMILIES) {
      const now = [...flows.values()].flatMap((one) => one.get(family) ?? []);
      const all = [...now, ...gone.filter(({ address }) => !address || address.includes(":") === (family === "IPv6"))];
      if (all.length === 0) continue;
      const stale = await cleanConntrack(family, all, own);
      conntrackIsMissing = stale === undefined;
      if (stale === undefined)
        log.warn("conntrack is missing: UDP clients may go on sending to endpoints that are gone");
      if (stale) log.info("stale UDP connections forgotten", { family, stale });
      if (conntrackIsMissing) return;
    }
  }

  /** Endpoints keep the numbers that they had, so that a new process has nothing to change. */
  async function keepNumbers(): Promise<void> {
    for (const [family, table] of tables) {
      const content = await table.inherited();
      if (content) seed(slots.get(family) as Slots, content);
    }
  }

  return {
    check: undefined as Depth | undefined,

    noteService({ key, type, object }: Change<Service>) {
      if (type === "deleted") services.delete(key);
      else services.set(key, object);
      dirty.add(key);
    },
    noteSlice({ key, type, object }: Change<EndpointSlice>) {
      const owner = `${object.metadata.namespace}/${object.metadata.labels?.[SERVICE] ?? ""}`;
      const own = slicesOf.get(owner) ?? new Map<string, EndpointSlice>();
      if (type === "deleted") own.delete(key);
      else own.set(key, object);
      if (own.size > 0) slicesOf.set(owner, own);
      else slicesOf.delete(owner);
      if (services.has(owner)) dirty.add(owner);
    },
    notePod({ key, type, object }: Change<Pod>) {
      const owner = `pod ${key}`;
      const asks = type !== "deleted" && portsOf(object).some(({ hostPort }) => hostPort);
      if (asks) pods.set(owner, object);
      else if (!pods.delete(owner)) return;
      dirty.add(owner);
    },
    /** True when the zone is another one. */
    moveTo(zone: string | undefined, all: readonly Service[]): boolean {
      if (zone === place.zone) return false;
      place = { nodeName, zone };
      for (const { metadata } of all) dirty.add(`${metadata.namespace}/${metadata.name}`);
      return true;
    },

    /** Brings the kernel to what is wanted now. */
    async write(): Promise<void> {
      const begin = clock.monotonic();
      if (first) await keepNumbers();
      const breath = breather(clock);
      for (const owner of [...dirty]) {
        dirty.delete(owner);
        update(owner);
        await breath();
      }
      const depth = this.check;
      this.check = undefined;
      try {
        if (depth) for (const table of tables.values()) await table.check(depth);
        const prepared = await Promise.all([...tables.values()].map((table) => table.prepare()));
        const script = prepared.map((one) => one.script).join("");
        if (script !== "") await nft(script);
        for (const one of prepared) one.settle();
        health.healthy(true);
        if (script !== "") options.written?.(clock.monotonic() - begin);
        if (first) log.info("service rules stand", { services: services.size, ms: clock.monotonic() - begin });
        first = false;
      } catch (error) {
        for (const table of tables.values()) table.doubt();
        health.healthy(false);
        throw error;
      }
      await cleanUdp().catch((error: unknown) => log.warn("stale UDP connections could not be looked for", { error }));
    },
    close: () => health.close(),
  };
}

function seed(slots: Slots, { elements }: Content): void {
  for (const key of ["address", "port"] as const)
    for (const side of ["outside", "inside"] as const) {
      const lists = new Map<string, string[]>();
      for (let slot = 0; slot < SLOTS; slot++)
        for (const [front, endpoint] of elements[slotMap(key, side, slot)]) {
          const order = lists.get(front) ?? [];
          lists.set(front, order);
          if (order.length === slot) order.push(endpoint);
        }
      for (const [front, order] of lists) slots.arrange(listOf(key, side, front), order);
    }
}
