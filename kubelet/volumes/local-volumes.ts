/**
 * Local volumes: removes what the cluster wants removed of the volumes that lie on this node.
 *
 * The wish and the answer stand in annotations of the node (machinery/objects/local-volumes.ts). Only a
 * directory of a volume's name, right under the node's own directory, is ever removed, and none that a
 * Pod still uses. A wish stays until it is answered, so a kubelet that is killed loses nothing.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "../../machinery/client/client.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import { isVolumeName, type Removal, removalKey, removals } from "../../machinery/objects/local-volumes.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface LocalVolumesContext {
  readonly client: Pick<Client, "patch">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly directory: string;
  readonly inUse: (volume: string) => boolean;
}

const RETRY_MS = 2_000;
const FAILED_RETRY_MS = 30_000;

/** Call with each version of the node; it never throws. */
export function createLocalVolumes(context: LocalVolumesContext): (node: Node) => void {
  const { client, clock, log, signal, directory, inUse } = context;
  const busy = new Set<string>();
  let node: Node | undefined;

  function look(): void {
    if (!node || signal.aborted) return;
    for (const [volume, state] of removals(node)) if (state !== "done" && !busy.has(volume)) void serve(volume, state);
  }

  async function serve(volume: string, before: Removal): Promise<void> {
    busy.add(volume);
    const object = `persistentvolumes/${volume}`;
    let waitMs = RETRY_MS;
    try {
      const answer = inUse(volume) ? undefined : await remove(volume);
      if (answer === "done") log.info("a local volume is removed", { object });
      else waitMs = answer ? FAILED_RETRY_MS : RETRY_MS;
      if (answer && answer !== before) await tell(volume, answer);
      if (answer === "done") waitMs = 0;
    } catch (error) {
      if (!signal.aborted) log.warn("a removal could not be answered", { object, error });
    }
    if (waitMs === 0) busy.delete(volume);
    else
      clock.after(
        waitMs,
        () => {
          busy.delete(volume);
          look();
        },
        { background: true },
      );
  }

  async function remove(volume: string): Promise<Removal> {
    if (!isVolumeName(volume)) return "failed: this is no name of a local volume";
    try {
      await rm(join(directory, volume), { recursive: true, force: true });
      return "done";
    } catch (error) {
      return `failed: ${(error as Error).message}`;
    }
  }

  async function tell(volume: string, answer: Removal): Promise<void> {
    const { name, uid } = (node as Node).metadata;
    await client.patch("nodes", { name }, { metadata: { uid, annotations: { [removalKey(volume)]: answer } } });
  }

  return (current) => {
    node = current;
    look();
  };
}
