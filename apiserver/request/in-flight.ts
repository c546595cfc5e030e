/**
 * In flight: how many requests are answered at a time, and how much of their bodies is in memory.
 *
 * Three shares, one above the other, so that a crowd of clients never keeps a node from saying that it lives: what
 * one class may use, every class above it may use too. Decided by what the transport knows, before a body is read.
 * A watch is in flight until it stands, an upgrade until it is accepted; both are then counted as connections.
 */
import type { Peer } from "../../machinery/client/transport/contract.ts";
import { limits } from "../../machinery/process/limits.ts";
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
}

export interface Arriving {
  readonly peer: Peer;
  readonly method: string;
  readonly path: string;
  /** What its body may take at most. */
  readonly bytes: number;
}

export interface InFlight {
  /** What to call when the request is answered; undefined when there is no room for it now. */
  enter(arriving: Arriving): (() => void) | undefined;
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
};

export function createInFlight({ requests, bodyBytes }: InFlightBounds = defaultBounds): InFlight {
  let running = 0;
  let held = 0;
  return {
    enter(arriving) {
      const share = shareOf(arriving);
      const { bytes } = arriving;
      if (running >= requests[share] || held + bytes > bodyBytes[share]) return undefined;
      running++;
      held += bytes;
      return () => {
        running--;
        held -= bytes;
      };
    },
  };
}

function shareOf({ peer, method, path }: Arriving): keyof Shares {
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
