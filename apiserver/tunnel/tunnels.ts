/**
 * Tunnels: the agents that are connected to this server, by node name.
 *
 * The contract, and what `dial` answers when there is none, is in contract.ts. Nothing here
 * authenticates: the pipeline says which node an upgrade request comes from.
 */
import type { Duplex } from "node:stream";
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { createMux, MUX_PROTOCOL, type Mux } from "../../machinery/streams/mux.ts";
import { acceptWebSocket, isWebSocketRequest } from "../../machinery/streams/upgrade.ts";
import type { Tunnels } from "./contract.ts";

export interface TunnelsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** A stream to the node through another server; undefined when none holds its tunnel. */
  readonly elsewhere?: ((node: string, signal?: AbortSignal) => Promise<Duplex | undefined>) | undefined;
}

export function createTunnels({ clock, log, elsewhere }: TunnelsOptions): Tunnels {
  /** The latest tunnel of each node last. */
  const muxes = new Map<string, readonly Mux[]>();
  const arrivals = new Set<() => void>();
  let closing = false;

  const find = (node: string) => muxes.get(node)?.findLast(({ signal }) => !signal.aborted);

  const add = (node: string, mux: Mux) => {
    const earlier = muxes.get(node) ?? [];
    const busy = earlier.filter(({ size }) => size > 0).slice(1 - limits.tunnelsPerNode);
    muxes.set(node, [...earlier, mux]);
    for (const one of earlier) if (!busy.includes(one)) one.close("a later tunnel of this node took over");
    log.info("tunnel open", { object: `nodes/${node}` });
    mux.signal.addEventListener("abort", () => {
      const rest = (muxes.get(node) ?? []).filter((other) => other !== mux);
      if (rest.length > 0) muxes.set(node, rest);
      else muxes.delete(node);
      log.info("tunnel closed", { object: `nodes/${node}`, error: mux.signal.reason });
    });
    for (const arrived of [...arrivals]) arrived();
  };

  const open = async (node: string, request: RequestRecord, socket: Duplex, head: Uint8Array) => {
    const { ws } = await acceptWebSocket({ method: "GET", headers: request.headers }, socket, head, [MUX_PROTOCOL]);
    // Agents only answer: a stream that one opens has nothing to reach here.
    const mux = createMux(ws, { clock, side: "server", onStream: (stream) => void stream.destroy() });
    if (closing) return mux.close("the server is stopping");
    add(node, mux);
  };

  /** Resolves when the node's tunnel came, or the time is over. */
  const awaitTunnel = (node: string, ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      const finish = () => {
        timer.cancel();
        arrivals.delete(onArrival);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const onArrival = () => {
        if (find(node) || closing) finish();
      };
      const timer = clock.after(ms, finish);
      signal?.addEventListener("abort", finish, { once: true });
      arrivals.add(onArrival);
    });

  const openHere = (node: string): Duplex | undefined => {
    try {
      return find(node)?.open("kubelet");
    } catch (error) {
      throw unreachable((error as Error).message);
    }
  };

  return {
    accept(nodeName, request): ResponseRecord {
      if (!request.upgrade || !isWebSocketRequest(request)) throw badRequest("the tunnel is a WebSocket");
      return {
        status: 101,
        headers: {},
        body: {
          kind: "upgrade",
          accept: (socket, head) => {
            open(nodeName, request, socket, head).catch((error: unknown) => {
              log.warn("tunnel refused", { object: `nodes/${nodeName}`, error });
            });
          },
        },
      };
    },
    async dial(nodeName, { signal } = {}) {
      const end = clock.monotonic() + limits.tunnelDialMs;
      for (;;) {
        const stream = openHere(nodeName) ?? (await elsewhere?.(nodeName, signal));
        if (stream) return stream;
        const left = end - clock.monotonic();
        if (closing || signal?.aborted || left <= 0) throw unreachable(`no tunnel to node ${JSON.stringify(nodeName)}`);
        // It may come to another server.
        await awaitTunnel(nodeName, elsewhere ? Math.min(left, limits.peerAskMs) : left, signal);
      }
    },
    openHere,
    nodes: () => [...muxes.keys()],
    async close() {
      closing = true;
      for (const arrived of [...arrivals]) arrived();
      for (const mux of [...muxes.values()].flat()) mux.close("the server is stopping");
    },
  };
}

function unreachable(why: string): ApiError {
  return new ApiError("ServiceUnavailable", `error dialing backend: ${why}`);
}
