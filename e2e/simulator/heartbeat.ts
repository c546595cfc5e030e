/**
 * Heartbeat: a simulated machine registers its Node and renews its lease for as long as it lives.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Lease, Node } from "../../machinery/objects/kinds.ts";
import { DIRECTORY } from "../../machinery/objects/local-volumes.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { type Clock, wireMicroTime, wireTime } from "../../machinery/process/clock.ts";
import { nodeStatus } from "./pod-report.ts";
import { random } from "./random.ts";

export interface Beating {
  readonly name: string;
  readonly client: Client;
  /** On, and heard. */
  readonly works: () => boolean;
  /** Its Node is there and says that it is well, by what it has seen of it. */
  readonly isReady: () => boolean;
  /** The Node is there: from now on Pods are its own. */
  readonly registered: () => void;
}

export interface BeatOptions {
  readonly seed: number;
  readonly cpus: string;
  readonly pods: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const HEARTBEAT_MS = 16_000;
const RETRY_MS = 1_000;

export async function beat(machine: Beating, options: BeatOptions): Promise<void> {
  const { clock, signal, seed } = options;
  const dice = random(seed, "beat", machine.name);
  /** As it was last written: it is read only where that is not how it is any more. */
  let lease: Lease | undefined;
  while (!signal.aborted) {
    if (machine.works()) {
      try {
        if (!machine.isReady()) await register(machine, options);
        lease = await renew(machine, lease, clock);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        lease = undefined;
        await clock.sleep(RETRY_MS);
        continue;
      }
    }
    await clock.sleep(machine.works() ? HEARTBEAT_MS + dice.between(0, 500) : RETRY_MS);
  }
}

export const saysReady = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;

async function register({ client, name, registered }: Beating, { clock, cpus, pods }: BeatOptions): Promise<void> {
  const node = await client.find("nodes", { name });
  const now = wireTime(clock.now());
  if (!node) {
    const labels = { "kubernetes.io/hostname": name };
    const annotations = { [DIRECTORY]: "/volumes" };
    await client.create("nodes", { metadata: { name, labels, annotations }, status: nodeStatus(cpus, pods, now) });
  } else if (!saysReady(node))
    await client.updateStatus("nodes", { ...node, status: { ...node.status, ...nodeStatus(cpus, pods, now) } });
  registered();
}

async function renew({ client, name }: Beating, known: Lease | undefined, clock: Clock): Promise<Lease> {
  const ref = { namespace: "kube-node-lease", name };
  const lease = known ?? (await client.find("leases", ref));
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: wireMicroTime(clock.now()) };
  return lease ? client.update("leases", { ...lease, spec }) : client.create("leases", { metadata: ref, spec });
}
