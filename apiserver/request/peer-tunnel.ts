/**
 * Peer tunnel: another API server asks for a stream through a tunnel that this one holds. See ../servers/peers.ts.
 *
 * It has authorized what goes through; only servers may ask, and a node that is not here is not looked for elsewhere.
 */
import type { Duplex } from "node:stream";
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import { MASTERS } from "../auth/contract.ts";
import { PEER_PROTOCOL } from "../servers/peers.ts";
import { splice } from "../tunnel/proxy.ts";
import type { Exchange } from "./contract.ts";

export function peerTunnel({ record, user, server }: Exchange): ResponseRecord {
  if (!user.groups.includes(MASTERS))
    throw new ApiError("Forbidden", `User ${JSON.stringify(user.name)} is not an API server`, {});
  if (!record.upgrade) throw badRequest(`Upgrade to ${PEER_PROTOCOL} is required`);
  const node = record.query.get("node") ?? "";
  const stream = server.tunnels?.openHere(node);
  if (!stream) throw new ApiError("NotFound", `no tunnel to node ${JSON.stringify(node)}`);
  return {
    status: 101,
    headers: {},
    body: { kind: "upgrade", accept: (socket, head) => accept(stream, socket, head) },
  };
}

function accept(stream: Duplex, socket: Duplex, head: Uint8Array): void {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${PEER_PROTOCOL}\r\n\r\n`);
  if (head.length > 0) stream.write(head);
  splice(socket, stream);
}
