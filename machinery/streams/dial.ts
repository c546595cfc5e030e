/**
 * Dial: the client's door for exec, attach and port-forward.
 *
 * Exec goes over WebSocket; SPDY is for servers that cannot close stdin there (containerd's streaming
 * server). Port-forward goes over SPDY. Rejects with the server's ApiError when it refuses.
 */
import type { ExecClientSession, ExecOptions, PortForwardClientSession, StreamServices } from "./channels.ts";
import { EXEC_PROTOCOL, spdyExecClient } from "./spdy/exec.ts";
import { PORT_FORWARD_PROTOCOL, spdyPortForwardClient } from "./spdy/port-forward.ts";
import { dialUpgrade, dialWebSocket, type UpgradeTarget } from "./upgrade.ts";
import { clientExecProtocols, webSocketExecClient } from "./websocket.ts";

export interface DialTarget extends UpgradeTarget {
  /** Of exec and attach; WebSocket unless given. */
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
  return spdyPortForwardClient(await dialSpdy(target, PORT_FORWARD_PROTOCOL), services);
}

async function dialSpdy(target: DialTarget, protocol: string) {
  const headers = { upgrade: "SPDY/3.1", "x-stream-protocol-version": protocol };
  const { socket, head } = await dialUpgrade(target, headers);
  if (head.length > 0) socket.unshift(head);
  return socket;
}
