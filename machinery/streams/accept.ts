/**
 * Accept: the server's door for exec, attach and port-forward, whatever framing the client asks for.
 *
 * Takes what node's "upgrade" event brings. Writes the 101 answer itself; when the request cannot be
 * served it answers with an HTTP error, closes the socket and rejects with the same ApiError.
 */
import type { Duplex } from "node:stream";
import { createWebSocketStream } from "ws";
import { ApiError, badRequest } from "../objects/status.ts";
import type {
  ExecOptions,
  ExecServerSession,
  PortForwardServerSession,
  StreamServices,
  UpgradeRequest,
} from "./channels.ts";
import { EXEC_PROTOCOL, spdyExecServer } from "./spdy/exec.ts";
import { isPort, PORT_FORWARD_PROTOCOL, spdyPortForwardServer, TUNNELED_PORT_FORWARD } from "./spdy/port-forward.ts";
import { acceptWebSocket, isWebSocketRequest, listed, refuse } from "./upgrade.ts";
import { execProtocols, webSocketExecServer } from "./websocket.ts";
import { channelPortForwardProtocols, webSocketPortForwardServer } from "./websocket-port-forward.ts";

/** Streams that a request to the kubelet asks for: its query has input, output, error and tty. */
export function execOptionsOf(query: URLSearchParams): ExecOptions {
  const has = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const tty = has("tty");
  return { stdin: has("input"), stdout: has("output"), stderr: has("error") && !tty, tty };
}

export async function acceptExec(
  request: UpgradeRequest,
  socket: Duplex,
  head: Uint8Array,
  options: ExecOptions,
  services: StreamServices,
): Promise<ExecServerSession> {
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw refuse(socket, badRequest("you must specify at least 1 of stdin, stdout, stderr"));
  }
  if (isWebSocketRequest(request)) {
    const accepted = await acceptWebSocket(request, socket, head, Object.keys(execProtocols));
    return webSocketExecServer(accepted, options, services);
  }
  acceptSpdy(request, socket, head, EXEC_PROTOCOL);
  return spdyExecServer(socket, options, services);
}

export async function acceptPortForward(
  request: UpgradeRequest,
  socket: Duplex,
  head: Uint8Array,
  services: StreamServices,
): Promise<PortForwardServerSession> {
  if (!isWebSocketRequest(request)) {
    acceptSpdy(request, socket, head, PORT_FORWARD_PROTOCOL);
    return spdyPortForwardServer(socket, services);
  }
  const tunneled = listed(request.headers["sec-websocket-protocol"]).includes(TUNNELED_PORT_FORWARD);
  const ports = tunneled ? [] : portsOf(request, socket);
  const protocols = tunneled ? [TUNNELED_PORT_FORWARD] : ["", ...channelPortForwardProtocols];
  const accepted = await acceptWebSocket(request, socket, head, protocols);
  if (tunneled) return spdyPortForwardServer(createWebSocketStream(accepted.ws), services);
  return webSocketPortForwardServer(accepted, ports, services);
}

const MAX_PORTS = 100;

function portsOf({ url = "/" }: UpgradeRequest, socket: Duplex): number[] {
  const given = new URL(url, "http://kubelet").searchParams.getAll("port");
  const ports = given.flatMap((value) => value.split(",")).map(Number);
  if (ports.length === 0) throw refuse(socket, badRequest('query parameter "port" is required'));
  if (ports.length > MAX_PORTS || !ports.every(isPort)) {
    throw refuse(socket, badRequest(`query parameter "port" has invalid values: ${given.join(",")}`));
  }
  return ports;
}

/** Answers a SPDY upgrade; the client lists the protocols that it speaks inside. */
function acceptSpdy(request: UpgradeRequest, socket: Duplex, head: Uint8Array, protocol: string): void {
  if (!/^spdy\/3\.1$/i.test(String(request.headers["upgrade"] ?? ""))) {
    throw refuse(socket, badRequest("Upgrade request required"));
  }
  if (!listed(request.headers["x-stream-protocol-version"]).includes(protocol)) {
    const message = `unable to upgrade: unable to negotiate protocol: the server accepts [${protocol}]`;
    const error = new ApiError("Forbidden", message);
    throw refuse(socket, error, [`x-accepted-stream-protocol-versions: ${protocol}`]);
  }
  request.resume?.();
  const answer = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: SPDY/3.1"];
  socket.write(`${answer.join("\r\n")}\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
  if (head.length > 0) socket.unshift(Buffer.from(head));
}
