/**
 * Gate: where a new Pod waits until policies bind it, before its first container starts.
 *
 * The API learns a Pod's addresses only after its sandbox is there; a Pod must not speak unbound in the
 * meantime, so the kubelet brings the addresses here itself. Shared by kubelet and policies in one process; where
 * they are two, a Pod is bound as soon as its status tells its address.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { isStatic } from "../static-pods/marks.ts";
import { type PolicyPod, policyPodOf, sameForPolicies } from "./policy-pod.ts";

export interface PolicyGate {
  /**
   * Resolves when policies bind the Pod at these addresses, or there are none; rejects when that cannot be
   * said in time. Asked again for the same Pod it resolves at once. A Pod of the node's own does not wait for an
   * API server that may need it.
   */
  pass(pod: Pod, addresses: readonly string[]): Promise<void>;

  /** For the loop that applies policies: somebody has come. */
  onArrival(rouse: () => void): () => void;
  waiting(): boolean;
  /** Pods that the cluster does not tell of yet; `bound` after they were taken into account. */
  arrivals(known: (key: string) => PolicyPod | undefined): { readonly pods: readonly PolicyPod[]; bound(): void };
  /** There are no policies: everybody may pass. */
  open(): void;
  /** Nobody looks after the gate any more. */
  close(): void;
}

interface Arrival {
  readonly key: string;
  readonly pod: PolicyPod;
  bound: boolean;
  readonly waiters: { resolve(): void; reject(error: Error): void }[];
}

const PATIENCE_MS = 10_000;

export function createPolicyGate(clock: Clock): PolicyGate {
  /** By uid. */
  const arrivals = new Map<string, Arrival>();
  const listeners = new Set<() => void>();
  let free = false;
  let policiesKnown = false;

  const add = (pod: Pod, found: PolicyPod): Arrival => {
    // Whoever had these addresses before is gone; and what was never heard of again is forgotten first.
    for (const [uid, other] of arrivals) {
      const taken = other.pod.addresses.some((address) => found.addresses.includes(address));
      if (!other.waiters.length && (taken || arrivals.size >= limits.policyArrivals)) arrivals.delete(uid);
    }
    const arrival: Arrival = {
      key: `${pod.metadata.namespace}/${pod.metadata.name}`,
      pod: found,
      bound: false,
      waiters: [],
    };
    arrivals.set(found.uid, arrival);
    return arrival;
  };

  return {
    pass(pod, addresses) {
      const found = policyPodOf(pod, addresses);
      if (free || !found) return Promise.resolve();
      const known = arrivals.get(found.uid);
      const same = known && known.pod.addresses.join() === addresses.join();
      if (same && known.bound) return Promise.resolve();
      const arrival = same ? known : add(pod, found);
      if (!policiesKnown && isStatic(pod)) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const timer = clock.after(PATIENCE_MS, () =>
          waiter.reject(new Error(`network policies were not applied within ${PATIENCE_MS / 1000} s`)),
        );
        const leave = () => {
          timer.cancel();
          arrival.waiters.splice(arrival.waiters.indexOf(waiter) >>> 0, 1);
        };
        const waiter = {
          resolve() {
            leave();
            resolve();
          },
          reject(error: Error) {
            leave();
            reject(error);
          },
        };
        arrival.waiters.push(waiter);
        for (const rouse of listeners) rouse();
      });
    },
    onArrival(rouse) {
      listeners.add(rouse);
      return () => void listeners.delete(rouse);
    },
    waiting: () => [...arrivals.values()].some(({ waiters }) => waiters.length),
    arrivals(known) {
      free = false;
      const now: Arrival[] = [];
      for (const [uid, arrival] of arrivals) {
        const told = known(arrival.key);
        // The cluster tells the same now, or of another Pod of this name: it is the one to go by.
        const over = told && (told.uid !== uid || sameForPolicies(told, { ...arrival.pod, labels: told.labels }));
        if (over && arrival.bound) arrivals.delete(uid);
        else now.push(arrival);
      }
      return {
        pods: now.map(({ pod }) => pod),
        bound() {
          policiesKnown = true;
          for (const arrival of now) {
            arrival.bound = true;
            for (const { resolve } of [...arrival.waiters]) resolve();
          }
        },
      };
    },
    open() {
      free = true;
      policiesKnown = true;
      for (const { waiters } of arrivals.values()) for (const { resolve } of [...waiters]) resolve();
      arrivals.clear();
    },
    close() {
      for (const { waiters } of arrivals.values())
        for (const { reject } of [...waiters]) reject(new Error("network policies are not looked after any more"));
      arrivals.clear();
    },
  };
}
