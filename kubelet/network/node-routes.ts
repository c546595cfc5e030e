/**
 * Node routes: keeps this node's way to the Pods of every other node.
 *
 * Watches the nodes, plans (peers.ts) and writes only what differs from what the kernel has; routes of ours
 * carry a mark of their own. Nothing is taken away when it ends, so Pods keep their traffic while the agent
 * restarts. Peers are asked now and then whether they answer: peer-health.ts says what follows.
 */
import { readFileSync } from "node:fs";
import type { Lister } from "../../machinery/client/informer.ts";
import type { Informers } from "../../machinery/client/shared-informers.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { HomePaths } from "../../machinery/process/home.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { writeCniConfiguration } from "./cni.ts";
import { asked, batch } from "./ip-tool.ts";
import { hasLink } from "./links.ts";
import { remasquerade } from "./masquerade.ts";
import { freshHealth, judged, machineAnswers, type PeerHealth, type Step } from "./peer-health.ts";
import { type Attached, gatewayOf, type Peer, type Plan, peerOf, planOf, type Route, VXLAN } from "./peers.ts";
import { answers } from "./reach.ts";
import { attachedNetworks, tunnelMtu } from "./uplink.ts";
import { ensureNeighbours, ensureVxlan } from "./vxlan.ts";

export interface NodeRoutesOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  readonly paths: HomePaths;
  /** One range, or one of each family with a comma between. */
  readonly clusterCIDR: string;
  /** Tells people about a node that is not reached. */
  readonly report?: (node: Node, message: string) => void;
}

/** How our routes are known again: a routing protocol's number that nobody else has. */
const PROTOCOL = "77";
const GATHER_MS = 50;
/** How often it is looked whether the bridge has its address, without which no route can begin there. */
const BRIDGE_LOOK_MS = 250;
/** How often a route that somebody took away is missed. */
const LOOK_MS = 5_000;
/** The same, of the table that masquerades. */
const LOOK_AT_TABLE_MS = 60_000;

/** Resolves when the signal aborts. */
export async function runNodeRoutes(options: NodeRoutesOptions): Promise<void> {
  const { informers, clock, log, signal } = options;
  const nodes = informers.of("nodes");
  let wake = Promise.withResolvers<void>();
  const rouse = () => wake.resolve();
  const stop = nodes.subscribe(rouse);
  signal.addEventListener("abort", rouse, { once: true });
  const state: State = { wrapped: undefined, health: new Map(), applied: "", visit: undefined, tableAt: 0 };
  try {
    await nodes.synced(signal);
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      const timer = clock.after(LOOK_MS, rouse, { background: true });
      try {
        await converge(options, nodes, state, rouse);
      } catch (error) {
        if (signal.aborted) break;
        state.applied = "";
        log.error("the routes to other nodes could not be written", { error });
      }
      await wake.promise;
      timer.cancel();
      await clock.sleep(GATHER_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop();
    await state.visit;
  }
}

interface State {
  /** Peers on the link that are reached through the VXLAN all the same. */
  wrapped: Set<string> | undefined;
  readonly health: Map<string, PeerHealth>;
  /** What was written last. */
  applied: string;
  /** Peers are being asked. */
  visit: Promise<void> | undefined;
  /** When to look for the table that masquerades, by the monotonic clock. */
  tableAt: number;
}

async function converge(
  options: NodeRoutesOptions,
  nodes: Lister<Node>,
  state: State,
  rouse: () => void,
): Promise<void> {
  const own = nodes.get(options.nodeName);
  const self = own && peerOf(own);
  if (!self || self.ranges.length === 0 || self.addresses.length === 0) return;
  const others = nodes
    .list()
    .filter(({ metadata }) => metadata.name !== options.nodeName)
    .map(peerOf);
  const attached = attachedNetworks();
  state.wrapped ??= await wrappedBefore(self, others, attached);
  const plan = planOf(self, others, attached, state.wrapped);
  const text = JSON.stringify([self, plan.routes, plan.tunnel]);
  if (text !== state.applied || !stands(plan.routes)) {
    if (!(await isPrepared(plan.routes))) return void options.clock.after(BRIDGE_LOOK_MS, rouse, { background: true });
    await apply(options, self, plan);
    for (const problem of plan.problems) options.log.warn("a node is not reached", { problem });
    state.applied = text;
  }
  if (options.clock.monotonic() >= state.tableAt) {
    if (state.tableAt > 0 && (await remasquerade(self.ranges, options.clusterCIDR)))
      options.log.warn("somebody took away the table that masquerades: it is there again");
    state.tableAt = options.clock.monotonic() + LOOK_AT_TABLE_MS;
  }
  // A peer may take seconds to answer, and nothing else waits for it.
  state.visit ??= visit(options, nodes, { self, others, attached, plan }, state)
    .then((changed) => {
      if (changed) rouse();
    })
    .catch((error: unknown) => options.log.error("other nodes could not be asked", { error }))
    .finally(() => {
      state.visit = undefined;
    });
}

async function apply({ log, paths }: NodeRoutesOptions, self: Peer, plan: Plan): Promise<void> {
  if (plan.tunnel) {
    const mtu = await tunnelMtu(plan.tunnel.local);
    if (await ensureVxlan(plan.tunnel, mtu)) log.info("VXLAN made", { device: VXLAN, mtu, local: plan.tunnel.local });
    await writeCniConfiguration(paths, { podCIDRs: self.ranges, mtu });
    await ensureNeighbours(plan.tunnel.neighbours);
  } else if (hasLink(VXLAN)) await ensureNeighbours([]);
  const changes = changesOf(await ownRoutes(), plan.routes);
  if (changes.length === 0) return;
  await batch("ip", changes);
  log.info("routes to other nodes written", { routes: plan.routes.length, changes: changes.length });
}

/** Whether this machine has the addresses from which routes begin: the kubelet gives them to the bridge. */
async function isPrepared(routes: readonly Route[]): Promise<boolean> {
  if (routes.length === 0) return true;
  const links = await asked<{ readonly addr_info?: readonly { readonly local: string }[] }>("ip", "addr", "show");
  const own = new Set(links.flatMap(({ addr_info = [] }) => addr_info.map(({ local }) => local)));
  return routes.every(({ source }) => own.has(source));
}

interface RouteRow {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev: string;
  readonly prefsrc?: string;
}

/** One line for `ip -batch` for each route that differs. */
export function changesOf(has: readonly RouteRow[], wanted: readonly Route[]): string[] {
  const ranges = new Set(wanted.map(({ range }) => range));
  const known = new Map(has.map((row) => [row.dst, `${row.gateway} ${row.dev} ${row.prefsrc}`]));
  return [
    ...has.filter(({ dst }) => !ranges.has(dst)).map(({ dst }) => `route del ${dst} proto ${PROTOCOL}`),
    ...wanted
      .filter(({ range, via, device, source }) => known.get(range) !== `${via} ${device} ${source}`)
      .map(({ range, via, device, source }) => {
        const hop = `via ${via} dev ${device}${device === VXLAN ? " onlink" : ""}`;
        return `route replace ${range} ${hop} src ${source} proto ${PROTOCOL}`;
      }),
  ];
}

async function ownRoutes(): Promise<readonly RouteRow[]> {
  const [four, six] = await Promise.all([
    asked<RouteRow>("ip", "-4", "route", "show", "proto", PROTOCOL),
    asked<RouteRow>("ip", "-6", "route", "show", "proto", PROTOCOL),
  ]);
  return [...four, ...six];
}

/** Takes all of them away. */
export async function forgetRoutes(): Promise<void> {
  await batch("ip", changesOf(await ownRoutes(), []));
}

/** Whether the kernel has them still, asked without starting a program: a link that was down has lost its routes. */
function stands(routes: readonly Route[]): boolean {
  const four = routes.filter(({ range }) => !range.includes(":"));
  if (four.length === 0) return true;
  const rows = readFileSync("/proc/self/net/route", "utf8").split("\n");
  const there = new Set(rows.map((row) => row.split("\t").slice(0, 2).join(" ")));
  return four.every(({ range, device }) => there.has(`${device} ${hexOf(range)}`));
}

/** As the kernel writes an address there: bytes in reverse. */
function hexOf(range: string): string {
  const bytes = (range.split("/")[0] ?? "").split(".").reverse();
  return bytes.map((byte) => Number(byte).toString(16).padStart(2, "0").toUpperCase()).join("");
}

/** Which peers an agent before this one reached through the VXLAN though they are on the link: they stay so. */
async function wrappedBefore(self: Peer, others: readonly Peer[], attached: readonly Attached[]): Promise<Set<string>> {
  const through = new Set((await ownRoutes()).filter(({ dev }) => dev === VXLAN).map(({ dst }) => dst));
  const plain = planOf(self, others, attached, new Set()).routes.filter(({ device }) => device !== VXLAN);
  const bent = new Set(plain.filter(({ range }) => through.has(range)).map(({ range }) => range));
  return new Set(others.filter(({ ranges }) => ranges.some((range) => bent.has(range))).map(({ name }) => name));
}

interface Sight {
  readonly self: Peer;
  readonly others: readonly Peer[];
  readonly attached: readonly Attached[];
  readonly plan: Plan;
}

/** Asks the peers that are due, all at a time: there is one small packet for each. True when a way changes. */
async function visit(options: NodeRoutesOptions, nodes: Lister<Node>, sight: Sight, state: State): Promise<boolean> {
  const { wrapped = new Set() } = state;
  const { clock, signal } = options;
  const now = clock.monotonic();
  const there = new Set(sight.others.map(({ name }) => name));
  for (const name of state.health.keys()) if (!there.has(name)) state.health.delete(name);
  for (const name of wrapped) if (!there.has(name)) wrapped.delete(name);
  const from = sight.self.ranges.find((range) => !range.includes(":"));
  if (!from) return false;
  const before = [...wrapped].join();
  const due = sight.others.filter(({ name, alive }) => {
    if (!state.health.has(name)) state.health.set(name, freshHealth(now));
    return alive && sight.plan.ways.has(name) && (state.health.get(name)?.dueAt ?? 0) <= now;
  });
  await Promise.all(
    due.map(async (peer) => {
      const health = state.health.get(peer.name) as PeerHealth;
      const to = peer.ranges.find((range) => !range.includes(":"));
      if (!to) return;
      const good = await answers({ from: gatewayOf(from), to: gatewayOf(to) }, clock, signal);
      if (signal.aborted) return;
      const way = sight.plan.ways.get(peer.name) ?? "route";
      const onLink = planOf(sight.self, [peer], sight.attached, new Set()).ways.get(peer.name) === "route";
      let step = judged(health, { answers: good, way, onLink, now: clock.monotonic() });
      if (step.do === "ask the machine") {
        const alive = await answers({ to: peer.addresses[0] as string }, clock, signal);
        step = machineAnswers(health, alive, clock.monotonic());
      }
      act(options, nodes.get(peer.name), peer.name, step, wrapped);
    }),
  );
  return before !== [...wrapped].join();
}

function act(
  { log, report }: NodeRoutesOptions,
  node: Node | undefined,
  peer: string,
  step: Step,
  wrapped: Set<string>,
): void {
  const fields = { peer };
  if (step.do === "tell that it answers") log.info("the Pods of a node are reached again", fields);
  if (step.do === "wrap") {
    wrapped.add(peer);
    log.warn("the link does not pass on Pods' packets to a node: they go through the VXLAN from now on", fields);
  }
  if (step.do === "unwrap and tell") wrapped.delete(peer);
  if (step.do !== "tell" && step.do !== "unwrap and tell") return;
  log.warn("the Pods of a node are not reached", fields);
  if (!node) return;
  report?.(
    node,
    `the Pods of node ${peer} are not reached: let the Pod range pass between the machines, or UDP port 8472`,
  );
}
