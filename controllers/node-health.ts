/**
 * Node health: when each node was last heard of, by this process's monotonic clock.
 *
 * A node's own times are never compared with ours; only that they changed counts. It does no I/O.
 */

import { findCondition } from "../machinery/objects/conditions.ts";
import type { Lease, Node } from "../machinery/objects/kinds.ts";

export interface NodeHealth {
  /** Notes the signs of life of a node's status or lease. True where they are new. */
  heard(node: string, kind: "lease" | "status", sign: string, now: number): boolean;
  /** Monotonic time of the last sign of life; the first question counts as one. */
  lastHeard(node: string, now: number): number;
  /** When the node is to be looked at again; a look that comes far too late says that we were stopped. */
  due(node: string, at: number): void;
  wasStopped(node: string, now: number): boolean;
  /** True where another node was heard of after `since`. */
  anyOther(node: string, since: number): boolean;
  forget(node: string): void;
}

/** A look that is later than this was not late by load. */
const STOPPED_MS = 5_000;

export function createNodeHealth(): NodeHealth {
  const seen = new Map<string, { readonly signs: Map<string, string>; at: number }>();
  const dueAt = new Map<string, number>();
  const entry = (node: string, now: number) => {
    const found = seen.get(node);
    if (found) return found;
    const fresh = { signs: new Map<string, string>(), at: now };
    seen.set(node, fresh);
    return fresh;
  };
  return {
    heard(node, kind, sign, now) {
      const one = entry(node, now);
      if (one.signs.get(kind) === sign) return false;
      one.signs.set(kind, sign);
      one.at = now;
      return true;
    },
    lastHeard: (node, now) => entry(node, now).at,
    due: (node, at) => void dueAt.set(node, at),
    wasStopped(node, now) {
      const planned = dueAt.get(node);
      dueAt.delete(node);
      if (planned === undefined || now - planned < STOPPED_MS) return false;
      entry(node, now).at = now;
      return true;
    },
    anyOther: (node, since) => [...seen].some(([name, { at }]) => name !== node && at > since),
    forget(node) {
      seen.delete(node);
      dueAt.delete(node);
    },
  };
}

export const signOfLease = ({ spec }: Lease): string => `${spec?.holderIdentity ?? ""} ${spec?.renewTime ?? ""}`;

/** A time that only the kubelet writes: a status that the controller wrote keeps it. */
export function signOfNode({ status }: Node): string {
  return findCondition(status?.conditions, "Ready")?.lastHeartbeatTime ?? "";
}
