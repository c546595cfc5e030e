/**
 * Port-forward over SPDY: for each connection an error stream and a data stream with the same request id.
 *
 * The bytes may come straight from an upgraded connection or out of a WebSocket that carries SPDY
 * (`SPDY/3.1+portforward.k8s.io`). Plain WebSocket channels: ../websocket-port-forward.ts.
 */
import type { Duplex } from "node:stream";
import { limits } from "../../process/limits.ts";
import type {
  ForwardedConnection,
  PortForwardClientSession,
  PortForwardServerSession,
  StreamServices,
} from "../channels.ts";
import { createListeners } from "../listeners.ts";
import { createSpdy } from "./connection.ts";

export const PORT_FORWARD_PROTOCOL = "portforward.k8s.io";
export const TUNNELED_PORT_FORWARD = "SPDY/3.1+portforward.k8s.io";

interface Pair {
  error?: Duplex;
  data?: Duplex;
}

export function spdyPortForwardServer(socket: Duplex, { clock }: StreamServices): PortForwardServerSession {
  const pairs = new Map<string, Pair>();
  const arrivals = createListeners<ForwardedConnection>();
  const connection = createSpdy(socket, {
    clock,
    side: "server",
    onStream: (stream, headers) => {
      const port = Number(headers["port"]);
      const type = headers["streamtype"];
      const id = headers["requestid"] ?? String(port);
      if ((type !== "error" && type !== "data") || !isPort(port)) return void stream.destroy();
      const pair = pairs.get(id) ?? {};
      pairs.set(id, pair);
      pair[type] = stream;
      if (type === "error") {
        stream.resume();
        clock.after(limits.streamSetupMs, () => abandon(pairs, id, pair), { background: true });
      }
      if (!pair.error || !pair.data) return;
      pairs.delete(id);
      arrivals.emit(forwarded(port, pair.error, pair.data));
    },
  });
  return { onConnection: arrivals.listen, signal: connection.signal, close: () => connection.close() };
}

/** A pair whose other half never came. */
function abandon(pairs: Map<string, Pair>, id: string, pair: Pair): void {
  if (pairs.get(id) !== pair) return;
  pairs.delete(id);
  pair.error?.destroy();
  pair.data?.destroy();
}

function forwarded(port: number, error: Duplex, data: Duplex): ForwardedConnection {
  data.once("close", () => error.end());
  return {
    port,
    data,
    fail: (message) => {
      error.end(message);
      data.destroy();
    },
  };
}

export function spdyPortForwardClient(socket: Duplex, { clock }: StreamServices): PortForwardClientSession {
  const connection = createSpdy(socket, { clock, side: "client", onStream: (stream) => void stream.destroy() });
  let requests = 0;
  return {
    connect: async (port) => {
      const headers = { port: String(port), requestid: String(requests++) };
      const error = await connection.open({ ...headers, streamtype: "error" }, { fin: true });
      const data = await connection.open({ ...headers, streamtype: "data" });
      let message = "";
      error.on("data", (chunk: Buffer) => {
        if (message.length < 4_096) message += chunk.toString("utf8");
      });
      error.once("end", () => {
        if (message !== "") data.destroy(new Error(message));
      });
      return data;
    },
    signal: connection.signal,
    close: () => connection.close(),
  };
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}
