/**
 * In flight: how many requests are answered at a time, and how much of their bodies is in memory.
 *
 * Three shares, one above the other, so that a crowd of clients never keeps a node from saying that it lives: what
 * one class may use, every class above it may use too. Decided by what the transport knows, before a body is read.
 * Who finds no room waits a while, by flows that take turns: many requests of one user hold up few of another. A list
 * is in flight until it is written, or for so long that it is its reader who is slow.
 * A watch is in flight until it stands, an upgrade until it is accepted; both are then counted as connections.
 */
import type { Peer } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Metrics } from "../../machinery/process/metrics.ts";
import { MASTERS, NODES } from "../auth/contract.ts";

/** Each is what the class may use of the whole, those below it included. */
export interface Shares {
  readonly everyone: number;
  readonly system: number;
  readonly vital: number;
}

export interface InFlightBounds {
  readonly requests: Shares;
  readonly bodyBytes: Shares;
  /** Requests that may wait for room, of each share and of one flow in it. */
  readonly waiting: { readonly all: number; readonly ofOne: number };
}

export interface Arriving {
  readonly peer: Peer;
  readonly method: string;
  readonly path: string;
  /** What its body may take at most. */
  readonly bytes: number;
  /** Who asks, as far as it is known before authentication: requests of one flow wait for each other, not for others. */
  readonly flow: string;
}

/** What to call when the request is answered; harmless when called again. */
export type Leave = () => void;

export interface InFlight {
  /** Undefined when there is no room, also none to wait in, or when waiting took too long. */
  enter(arriving: Arriving): Leave | undefined | Promise<Leave | undefined>;
}

interface Waiting {
  readonly share: keyof Shares;
  readonly bytes: number;
  take(leave: Leave | undefined): void;
}

export const defaultBounds: InFlightBounds = {
  requests: {
    everyone: limits.requestsInFlight,
    system: limits.requestsInFlight + limits.requestsInFlightSystem,
    vital: limits.requestsInFlight + limits.requestsInFlightSystem + limits.requestsInFlightVital,
  },
  bodyBytes: {
    everyone: limits.bodiesInFlightBytes,
    system: limits.bodiesInFlightBytes + limits.bodiesInFlightSystemBytes,
    vital: limits.bodiesInFlightBytes + limits.bodiesInFlightSystemBytes + limits.bodiesInFlightVitalBytes,
  },
  waiting: { all: limits.requestsWaiting, ofOne: limits.requestsWaitingOfOne },
};

export interface InFlightParts {
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
  readonly bounds?: InFlightBounds | undefined;
}

export function createInFlight({ clock, metrics, bounds = defaultBounds }: InFlightParts): InFlight {
  const { requests, bodyBytes, waiting: most } = bounds;
  const told = metrics && tellers(metrics);
  const queues = { vital: createQueue(), system: createQueue(), everyone: createQueue() } as const;
  let running = 0;
  let held = 0;

  const hasRoom = (share: keyof Shares, bytes: number): boolean =>
    running < requests[share] && held + bytes <= bodyBytes[share];

  const begin = (share: keyof Shares, bytes: number): Leave => {
    running++;
    held += bytes;
    told?.running(share, 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      running--;
      held -= bytes;
      told?.running(share, -1);
      letIn();
    };
  };

  /** The most important first, and of those the flows in turn. */
  const letIn = (): void => {
    for (const share of SHARES) {
      for (let next = queues[share].peek(); next && hasRoom(share, next.bytes); next = queues[share].peek())
        queues[share].shift()?.take(begin(share, next.bytes));
    }
  };

  const wait = (flow: string, share: keyof Shares, bytes: number): Promise<Leave | undefined> =>
    new Promise((resolve) => {
      const waiting: Waiting = {
        share,
        bytes,
        take(leave) {
          timer.cancel();
          resolve(leave);
        },
      };
      const timer = clock.after(
        limits.requestWaitMs,
        () => {
          queues[share].remove(flow, waiting);
          told?.refused(share, "time-out");
          resolve(undefined);
        },
        { background: true },
      );
      queues[share].add(flow, waiting);
    });

  return {
    enter(arriving) {
      const share = shareOf(arriving);
      const { bytes, flow } = arriving;
      if (queues[share].length === 0 && hasRoom(share, bytes)) return begin(share, bytes);
      if (queues[share].length < most.all && queues[share].lengthOf(flow) < most.ofOne) return wait(flow, share, bytes);
      told?.refused(share, "queue-full");
      return undefined;
    },
  };
}

const SHARES: readonly (keyof Shares)[] = ["vital", "system", "everyone"];

interface Queue {
  readonly length: number;
  lengthOf(flow: string): number;
  add(flow: string, waiting: Waiting): void;
  remove(flow: string, waiting: Waiting): void;
  peek(): Waiting | undefined;
  /** Takes the first of the flow whose turn it is; that flow comes last then. */
  shift(): Waiting | undefined;
}

function createQueue(): Queue {
  const flows = new Map<string, Waiting[]>();
  /** Each flow once, the one whose turn it is at `head`; one that has nobody left is passed over. */
  let turns: string[] = [];
  let head = 0;
  let length = 0;

  const first = (): Waiting | undefined => {
    for (; head < turns.length; head++) {
      const flow = turns[head] as string;
      const waiting = flows.get(flow)?.[0];
      if (waiting) return waiting;
      flows.delete(flow);
    }
    return undefined;
  };
  /** The dead front goes when it is half of all. */
  const tidy = () => {
    if (head < 64 || head * 2 < turns.length) return;
    turns = turns.slice(head);
    head = 0;
  };

  return {
    get length() {
      return length;
    },
    lengthOf: (flow) => flows.get(flow)?.length ?? 0,
    add(flow, waiting) {
      const others = flows.get(flow);
      if (others) others.push(waiting);
      else {
        flows.set(flow, [waiting]);
        turns.push(flow);
      }
      length++;
    },
    remove(flow, waiting) {
      const others = flows.get(flow);
      const at = others?.indexOf(waiting) ?? -1;
      if (!others || at < 0) return;
      others.splice(at, 1);
      length--;
    },
    peek: first,
    shift() {
      const taken = first();
      if (!taken) return undefined;
      const flow = turns[head++] as string;
      const others = flows.get(flow) as Waiting[];
      others.shift();
      if (others.length > 0) turns.push(flow);
      else flows.delete(flow);
      length--;
      tidy();
      return taken;
    },
  };
}

/** Under the names by which Kubernetes tells of priority and fairness. */
function tellers(metrics: Metrics) {
  const LEVEL = ["priority_level"] as const;
  const executing = metrics.gauge(
    "apiserver_flowcontrol_current_executing_requests",
    "Requests being answered.",
    LEVEL,
  );
  const rejected = metrics.counter("apiserver_flowcontrol_rejected_requests_total", "Requests refused.", [
    ...LEVEL,
    "reason",
  ]);
  const levels = { vital: executing.of("vital"), system: executing.of("system"), everyone: executing.of("everyone") };
  return {
    running(share: keyof Shares, change: 1 | -1) {
      levels[share].value += change;
    },
    refused(share: keyof Shares, reason: string) {
      rejected.of(share, reason).value++;
    },
  };
}

function shareOf({ peer, method, path }: Pick<Arriving, "peer" | "method" | "path">): keyof Shares {
  if (PROBES.test(path)) return "vital";
  if (peer.kind === "anonymous") return "everyone";
  if (peer.groups.includes(MASTERS)) return "vital";
  if (!peer.user.startsWith("system:")) return "everyone";
  return method !== "GET" && isHeartbeat(peer.groups, path) ? "vital" : "system";
}

const PROBES = /^\/(healthz|livez|readyz)(\/|$)/;
const NODE_STATUS = /^\/api\/v1\/nodes\/[^/]+\/status$/;
const LEASES = /^\/apis\/coordination\.k8s\.io\/v1\/namespaces\/(kube-node-lease|kube-system)\/leases(\/|$)/;

/** A node's sign of life, or a component's hold on its leadership. */
const isHeartbeat = (groups: readonly string[], path: string): boolean =>
  LEASES.test(path) || (groups.includes(NODES) && NODE_STATUS.test(path));
