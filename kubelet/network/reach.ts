/**
 * Reach: whether another node's Pod network answers.
 *
 * A connection from this node's bridge address to the other's is enough: refused is an answer too. Nothing
 * has to listen there for it.
 */
import { connect } from "node:net";
import type { Clock } from "../../machinery/process/clock.ts";

/** The name server of the node, when there is one. */
const PORT = 53;
const PATIENCE_MS = 3_000;
const LAST_LOOK_MS = 200;

/** Refused by the other end: the packet arrived, and so did the answer. */
const ANSWERS = new Set(["ECONNREFUSED", "ECONNRESET"]);

export function answers(
  { from, to }: { readonly from?: string; readonly to: string },
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port: PORT, ...(from ? { localAddress: from } : {}) });
    const end = (answer: boolean) => {
      patience.cancel();
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = () => end(false);
    // A process that was kept waiting sees the timer before the answer that came long ago: one more look.
    const lastLook = () => {
      patience = clock.after(LAST_LOOK_MS, () => end(false), { background: true });
    };
    let patience = clock.after(PATIENCE_MS, lastLook, { background: true });
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => end(true));
    socket.once("error", (error: NodeJS.ErrnoException) => end(ANSWERS.has(error.code ?? "")));
  });
}
