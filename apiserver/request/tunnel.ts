/**
 * Tunnel: where a node's agent opens the connection through which the node is reached.
 *
 * Only a node may, and only for itself: its name comes from its identity, never from the request.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import { nodeNameOf } from "../auth/node-authorizer.ts";
import type { Exchange } from "./contract.ts";

export const TUNNEL_PATH = "/k8ts/v1/tunnel";

export function tunnel({ record, user, server }: Exchange): ResponseRecord {
  const node = nodeNameOf(user);
  if (node === undefined) throw new ApiError("Forbidden", `User ${JSON.stringify(user.name)} is not a node`, {});
  if (!server.tunnels) throw new ApiError("NotImplemented", "this server takes no tunnels");
  if (!record.upgrade) throw badRequest("a tunnel is a WebSocket: Upgrade is required");
  return server.tunnels.accept(node, record);
}
