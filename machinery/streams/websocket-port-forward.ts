/**
 * Port-forward over plain WebSocket channels, as client libraries speak it: the request names its ports.
 *
 * The port at index i has channel 2i for data and 2i+1 for errors, each opened by the server with the
 * port's number (two bytes, low first). There is one connection per port; kubectl uses SPDY: spdy/port-forward.ts.
 */
import type { ForwardedConnection, PortForwardServerSession, StreamServices } from "./channels.ts";
import { createListeners } from "./listeners.ts";
import type { AcceptedWebSocket } from "./upgrade.ts";
import { closeSoon, createLink } from "./websocket-link.ts";

export const channelPortForwardProtocols = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io", "portforward.k8s.io"];

export function webSocketPortForwardServer(
  { ws, protocol }: AcceptedWebSocket,
  ports: readonly number[],
  { clock }: StreamServices,
): PortForwardServerSession {
  const link = createLink(ws, protocol.includes("base64"));
  const arrivals = createListeners<ForwardedConnection>();
  const ended = new AbortController();
  const streams = ports.map((_port, index) => link.duplex(2 * index));
  let left = ports.length;
  ws.once("close", () => {
    ended.abort(new Error("the client closed the connection"));
    for (const stream of streams) stream.destroy();
  });

  for (const [index, port] of ports.entries()) {
    const number = Buffer.from([port & 0xff, port >> 8]);
    link.send(2 * index, number);
    link.send(2 * index + 1, number);
    const data = streams[index]!;
    data.once("close", () => {
      left--;
      if (left === 0) closeSoon(ws, clock);
    });
    const fail = (message: string) => {
      link.send(2 * index + 1, Buffer.from(message));
      data.destroy();
    };
    arrivals.emit({ port, data, fail });
  }
  ws.resume();
  return { onConnection: arrivals.listen, signal: ended.signal, close: () => closeSoon(ws, clock) };
}
