/**
 * To servers: a tunnel to each API server, so that any of them reaches this node, whichever is gone.
 *
 * Which servers there are is what default/kubernetes leads to. Where those addresses are not for this node to reach (a
 * load balancer stands before the servers), the address with which it joined serves instead, but never beside another:
 * two tunnels to one server would take turns in closing each other.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface TunnelRun {
  /** Ends at once. */
  readonly signal: AbortSignal;
  /** Opens no further tunnel; the open one may end what it carries. */
  readonly enough: AbortSignal;
  readonly onState: (open: boolean) => void;
}

export interface ServerTunnelsOptions {
  /** The servers that are known at the start: may be none. */
  readonly servers: readonly string[];
  /** Where this node joined. */
  readonly fallback: string;
  /** Keeps one tunnel to the server, until it is told to end. */
  readonly run: (server: string, until: TunnelRun) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface ServerTunnels {
  /** These are the servers now. */
  servers(now: readonly string[]): void;
  /** Resolves when the signal aborted and all tunnels are closed. */
  done(): Promise<void>;
}

/** How long none of the servers' own addresses may be reached before the fallback is used. */
const FALLBACK_MS = 5_000;

interface Tunnel {
  readonly enough: AbortController;
  open: boolean;
}

export function createServerTunnels(options: ServerTunnelsOptions): ServerTunnels {
  const { fallback, run, clock, log, signal } = options;
  const tunnels = new Map<string, Tunnel>();
  const running = new Set<Promise<void>>();
  let wanted: ReadonlySet<string> = new Set();

  const start = (server: string) => {
    const tunnel: Tunnel = { enough: new AbortController(), open: false };
    tunnels.set(server, tunnel);
    const onState = (open: boolean) => {
      tunnel.open = open;
      settle();
    };
    const work = run(server, { signal, enough: tunnel.enough.signal, onState }).catch((error: unknown) => {
      if (!signal.aborted) log.error("a tunnel was given up", { server, error });
    });
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  const retire = (server: string) => {
    tunnels.get(server)?.enough.abort();
    tunnels.delete(server);
  };
  /** The fallback is for when nothing else is open. */
  const settle = () => {
    if (wanted.has(fallback) || signal.aborted) return;
    const others = [...tunnels].some(([server, { open }]) => server !== fallback && open);
    if (others) retire(fallback);
    else if (!tunnels.has(fallback)) clock.after(FALLBACK_MS, resort, { background: true });
  };
  const resort = () => {
    const open = [...tunnels.values()].some((tunnel) => tunnel.open);
    if (!open && !tunnels.has(fallback) && !signal.aborted) start(fallback);
  };

  const servers = (now: readonly string[]) => {
    wanted = new Set(now.length > 0 ? now : [fallback]);
    for (const server of wanted) if (!tunnels.has(server)) start(server);
    for (const server of [...tunnels.keys()]) if (!wanted.has(server) && server !== fallback) retire(server);
    settle();
  };
  servers(options.servers);

  return {
    servers,
    async done() {
      if (!signal.aborted)
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      await Promise.all(running);
    },
  };
}
