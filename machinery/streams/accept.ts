/**
 * Accept: the server's door for exec, attach and port-forward, whatever framing the client asks for.
 *
 * Takes what node's "upgrade" event brings. Writes the 101 answer itself; when the request cannot be
 * served it answers with an HTTP error, closes the socket and rejects with the same ApiError.
 */
import type { Duplex } from "node:stream";
import { ApiError } from "../objects/status.ts";
import type {
  ExecOptions,
  ExecServerSession,
  PortForwardServerSession,
  StreamServices,
  UpgradeRequest,
} from "./channels.ts";

/** Streams that a request to the kubelet asks for: its query has input, output, error and tty. */
export function execOptionsOf(query: URLSearchParams): ExecOptions {
  const has = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const tty = has("tty");
  return { stdin: has("input"), stdout: has("output"), stderr: has("error") && !tty, tty };
}

export async function acceptExec(
  _request: UpgradeRequest,
  _socket: Duplex,
  _head: Uint8Array,
  _options: ExecOptions,
  _services: StreamServices,
): Promise<ExecServerSession> {
  throw new ApiError("NotImplemented", "unable to upgrade: no framing is built");
}

export async function acceptPortForward(
  _request: UpgradeRequest,
  _socket: Duplex,
  _head: Uint8Array,
  _services: StreamServices,
): Promise<PortForwardServerSession> {
  throw new ApiError("NotImplemented", "unable to upgrade: no framing is built");
}
