/**
 * Volumes of simulated machines: when a Pod's are there, and the removal of those that are wanted no more.
 *
 * As a kubelet does it: a Pod waits for claims that are bound to volumes and not on their way out, by the
 * server's word; a volume that something still uses is not removed.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { removalKey, removals } from "../../machinery/objects/local-volumes.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { claimNames } from "../../machinery/objects/volume-claims.ts";
import type { Clock } from "../../machinery/process/clock.ts";

const RETRY_MS = 1_000;

/** The names of the Pod's volumes, or undefined while one is not there. */
export async function volumesOf(pod: Pod, client: Client): Promise<readonly string[] | undefined> {
  const { namespace } = pod.metadata;
  const found: string[] = [];
  for (const { name } of claimNames(pod)) {
    const claim = await client.find("persistentvolumeclaims", { namespace, name });
    const volume = claim?.spec?.volumeName;
    if (!volume || claim.metadata.deletionTimestamp || claim.status?.phase !== "Bound") return undefined;
    const object = await client.find("persistentvolumes", { name: volume });
    if (object?.spec?.claimRef?.uid !== claim.metadata.uid) return undefined;
    found.push(volume);
  }
  return found;
}

export interface Removing {
  readonly client: Client;
  readonly works: () => boolean;
  readonly inUse: (volume: string) => boolean;
}

/** Answers what the Node is asked to remove, until it is answered. */
export function createRemover({ client, works, inUse }: Removing, clock: Clock): (node: Node | undefined) => void {
  const busy = new Set<string>();
  let latest: Node | undefined;
  const look = () => {
    if (!latest || !works()) return;
    for (const [volume, state] of removals(latest)) if (state !== "done" && !busy.has(volume)) void remove(volume);
  };
  const remove = async (volume: string) => {
    busy.add(volume);
    let answered = false;
    await clock.sleep(50);
    try {
      if (latest && works() && !inUse(volume)) {
        const { name, uid } = latest.metadata;
        await client.patch("nodes", { name }, { metadata: { uid, annotations: { [removalKey(volume)]: "done" } } });
        answered = true;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    const over = () => {
      busy.delete(volume);
      look();
    };
    if (answered) busy.delete(volume);
    else clock.after(RETRY_MS, over);
  };
  return (node) => {
    latest = node;
    look();
  };
}
