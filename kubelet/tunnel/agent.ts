/**
 * Tunnel agent: keeps one WebSocket to an API server open, with back-off between attempts.
 *
 * See contract.ts for what it is given. A tunnel that ends is opened again for as long as `signal` lasts;
 * an API server that is down costs an attempt every few seconds and nothing else.
 */
import type { Duplex } from "node:stream";
import { limits } from "../../machinery/process/limits.ts";
import { createMux, MUX_PROTOCOL } from "../../machinery/streams/mux.ts";
import { dialWebSocket } from "../../machinery/streams/upgrade.ts";
import type { RunTunnelAgent, TunnelAgentOptions } from "./contract.ts";

export const TUNNEL_PATH = "/k8ts/v1/tunnel";

const FIRST_BACKOFF_MS = 100;
/** How often a tunnel that is not wanted any more is looked at. */
const IDLE_LOOK_MS = 5_000;

export const runTunnelAgent: RunTunnelAgent = async (options) => {
  const { clock, log, signal, enough } = options;
  const over = enough ? AbortSignal.any([signal, enough]) : signal;
  let backoff = FIRST_BACKOFF_MS;
  while (!over.aborted) {
    try {
      await session(options, () => {
        backoff = FIRST_BACKOFF_MS;
      });
    } catch (error) {
      if (!over.aborted) log.warn("tunnel failed", { error });
    }
    if (over.aborted) return;
    // Spread, so that the agents of a server that restarted do not all come at once.
    await clock.sleep(backoff * (0.5 + clock.random()), over).catch(() => {});
    backoff = Math.min(2 * backoff, limits.tunnelMaxBackoffMs);
  }
};

/** One tunnel, from its opening to its end. */
async function session(options: TunnelAgentOptions, onOpen: () => void): Promise<void> {
  const { connect, host, headers = {}, onConnection, onState, clock, log, signal, enough } = options;
  const ws = await withDeadline(options, (attempt) =>
    dialWebSocket({ connect: () => connect(attempt), host, path: TUNNEL_PATH, headers, signal: attempt }, [
      MUX_PROTOCOL,
    ]),
  );
  const mux = createMux(ws, { clock, side: "client", onStream: (stream: Duplex) => onConnection(stream) });
  log.info("tunnel open");
  onOpen();
  onState?.(true);
  const stop = () => mux.close("the agent is stopping");
  /** What it still carries may end. */
  const retire = () => {
    if (mux.size === 0) mux.close("this tunnel is not wanted any more");
    else clock.after(IDLE_LOOK_MS, retire, { background: true });
  };
  signal.addEventListener("abort", stop, { once: true });
  enough?.addEventListener("abort", retire, { once: true });
  if (enough?.aborted) retire();
  await new Promise<void>((resolve) => mux.signal.addEventListener("abort", () => resolve(), { once: true }));
  signal.removeEventListener("abort", stop);
  enough?.removeEventListener("abort", retire);
  onState?.(false);
  log.info("tunnel closed", { error: mux.signal.reason });
}

/** A server that accepts the connection and then says nothing must not hold an attempt for ever. */
async function withDeadline<T>(
  { clock, signal }: TunnelAgentOptions,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const given = new AbortController();
  const stop = () => given.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const timer = clock.after(limits.tunnelDeadMs, () => given.abort(new Error("the server does not answer")));
  try {
    return await attempt(given.signal);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", stop);
  }
}
