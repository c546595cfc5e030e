/**
 * Dial: the client's door for exec, attach and port-forward.
 *
 * WebSocket is for our own servers and any modern one; SPDY for those that cannot close stdin over
 * WebSocket (containerd's streaming server). Rejects with the server's ApiError when it refuses.
 */
import { createWebSocketStream } from "ws";
import type { ExecClientSession, ExecOptions, PortForwardClientSession, StreamServices } from "./channels.ts";
import { EXEC_PROTOCOL, spdyExecClient } from "./spdy/exec.ts";
import { PORT_FORWARD_PROTOCOL, spdyPortForwardClient, TUNNELED_PORT_FORWARD } from "./spdy/port-forward.ts";
import { dialUpgrade, dialWebSocket, type UpgradeTarget } from "./upgrade.ts";
import { clientExecProtocols, webSocketExecClient } from "./websocket.ts";

export interface DialTarget extends UpgradeTarget {
  /** WebSocket unless given. */
  readonly framing?: "websocket" | "spdy";
}

export async function dialExec(
  target: DialTarget,
  options: ExecOptions,
  services: StreamServices,
): Promise<ExecClientSession> {
  if (target.framing !== "spdy") {
    return webSocketExecClient(await dialWebSocket(target, clientExecProtocols), options, services);
  }
  return spdyExecClient(await dialSpdy(target, EXEC_PROTOCOL), options, services);
}

export async function dialPortForward(target: DialTarget, services: StreamServices): Promise<PortForwardClientSession> {
  if (target.framing === "spdy") {
    return spdyPortForwardClient(await dialSpdy(target, PORT_FORWARD_PROTOCOL), services);
  }
  const ws = await dialWebSocket(target, [TUNNELED_PORT_FORWARD]);
  return spdyPortForwardClient(createWebSocketStream(ws), services);
}

async function dialSpdy(target: DialTarget, protocol: string) {
  const headers = { upgrade: "SPDY/3.1", "x-stream-protocol-version": protocol };
  const { socket, head } = await dialUpgrade(target, headers);
  if (head.length > 0) socket.unshift(head);
  return socket;
}
