/**
 * Faulty: what may happen between controllers and the server: watches lag, writes are refused or their answers lost,
 * and the process dies at a certain write. For tests of what holds all the same.
 */
import type { ClientRequest, Transport } from "../../machinery/client/transport/contract.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Controlled } from "./controlled.ts";

export type Fault = "none" | "refused" | "answer lost";

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const cut = () => new ApiError("ServiceUnavailable", "cannot reach the server: read ECONNRESET");

/** A transport whose watches lag, and to whose writes `fault` may do something. Events are no writes that matter. */
export function faulty(
  transport: Transport,
  lagMs: (path: string) => number,
  fault: (request: ClientRequest) => Fault,
): Transport {
  return {
    ...transport,
    async *watch(request) {
      for await (const batch of transport.watch(request)) {
        await sleep(lagMs(request.path));
        yield batch;
      }
    },
    async request(request) {
      const what = request.method === "GET" || request.path.includes("/events") ? "none" : fault(request);
      if (what === "refused") throw cut();
      const answer = await transport.request(request);
      if (what === "answer lost") throw cut();
      return answer;
    },
  };
}

/** How controllers end: after so many writes; what becomes of the last one; told when it was. */
export interface Fate {
  left: number;
  readonly how: Fault;
  died: PromiseWithResolvers<void>;
}

export const fateOf = (how: Fault, left = Number.POSITIVE_INFINITY): Fate => ({
  left,
  how,
  died: Promise.withResolvers(),
});

/** For `between`: the write that the fate names is the last one of this life; the next life is spared. */
export function mortal(fate: Fate, lagMs: number): (transport: Transport) => Transport {
  return (transport) => {
    let dead = false;
    const fault = (): Fault => {
      if (dead) return "refused";
      if (--fate.left > 0) return "none";
      dead = true;
      fate.left = Number.POSITIVE_INFINITY;
      fate.died.resolve();
      return fate.how;
    };
    return faulty(transport, () => lagMs, fault);
  };
}

/** Names the write at which the controllers will die. To be called before what makes them write. */
export function doom(fate: Fate, write: number): void {
  fate.died = Promise.withResolvers();
  fate.left = write;
}

/** Waits until they died, or had nothing more to write, and starts them again. */
export async function rebirth(fate: Fate, cluster: Controlled, waitMs: number): Promise<void> {
  await Promise.race([fate.died.promise, sleep(waitMs)]);
  fate.left = Number.POSITIVE_INFINITY;
  await cluster.stop();
  await cluster.restart();
}

/** Numbers between 0 and 1, the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Some writes fail while `on`, one in three: most of them lose their answer only. */
export function troubles(seed: number): { on: boolean; readonly next: () => number; fault(): Fault } {
  const next = random(seed);
  return {
    on: false,
    next,
    fault() {
      if (!this.on || next() > 0.3) return "none";
      return next() < 0.7 ? "answer lost" : "refused";
    },
  };
}

/** Calls `look` with the Pods that count, at every revision, until the signal aborts. */
export function atEveryRevision(
  cluster: Controlled,
  signal: AbortSignal,
  counts: (pod: Pod) => boolean,
  look: (pods: readonly Pod[]) => void,
): void {
  const alive = new Map<string, Pod>();
  const follow = async () => {
    for await (const batch of cluster.client.watch("pods", { signal }))
      for (const { type, object } of batch) {
        if (type === "DELETED" || !counts(object)) alive.delete(object.metadata.uid);
        else alive.set(object.metadata.uid, object);
        look([...alive.values()]);
      }
  };
  follow().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
