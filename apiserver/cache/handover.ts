/**
 * Handover: objects that the pipeline is committing, on their way to the cache.
 *
 * When a commit's own event comes back, the cache takes the object that was written instead of parsing
 * its bytes. Bounded by the commits in flight: an offer goes when its event or its failure comes.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Revision } from "../store/contract.ts";
import { Version } from "./version.ts";

export interface Offer {
  /** The version that this write became; the same one for the writer and for the cache. */
  settle(revision: Revision, offset: number): Version;
  withdraw(): void;
}

export interface Handover {
  offer(key: string, value: Uint8Array, object: KubeObject): Offer;
  /** The version made of exactly these bytes, if this process wrote them. */
  take(key: string, value: Uint8Array, revision: Revision, offset: number): Version | undefined;
  clear(): void;
}

interface Waiting extends Offer {
  readonly value: Uint8Array;
}

export function createHandover(): Handover {
  const offers = new Map<string, Waiting[]>();

  const drop = (key: string, offer: Waiting): void => {
    const known = offers.get(key);
    if (!known || (known.length === 1 && known[0] === offer)) offers.delete(key);
    else
      offers.set(
        key,
        known.filter((one) => one !== offer),
      );
  };

  return {
    offer(key, value, object) {
      let version: Version | undefined;
      const offer: Waiting = {
        value,
        settle(revision, offset) {
          version ??= new Version(key, value, revision, String(revision + offset)).adopt(object);
          return version;
        },
        withdraw: () => drop(key, offer),
      };
      const others = offers.get(key);
      if (others) others.push(offer);
      else offers.set(key, [offer]);
      return offer;
    },
    take(key, value, revision, offset) {
      const offer = offers.get(key)?.find((one) => one.value === value || Buffer.compare(one.value, value) === 0);
      if (!offer) return undefined;
      drop(key, offer);
      return offer.settle(revision, offset);
    },
    clear: () => offers.clear(),
  };
}
