/**
 * Connect: one TCP connection to a port of a Pod of this node, for the API server's proxy to Pods and Services.
 *
 * It goes to the Pod's own address and nowhere else, so that whoever may ask for it reaches no other host.
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ApiError } from "../machinery/objects/status.ts";
import { limits } from "../machinery/process/limits.ts";
import { type Call, workerOf } from "./server.ts";

const ANSWER = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/** /connect/NAMESPACE/POD/PORT */
export async function serveConnect(call: Call, socket: Duplex, head: Buffer): Promise<void> {
  const [namespace = "", name = "", portText = ""] = call.parts;
  const worker = workerOf(call, namespace, name);
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port < 1 || port > 65_535)
    throw new ApiError("BadRequest", `invalid port ${JSON.stringify(portText)}`);
  const host = worker.status().podIP;
  if (!host) throw new ApiError("NotFound", `pod "${name}" has no address`);
  const backend = await connected({ host, port });
  socket.write(ANSWER);
  if (head.length > 0) backend.write(head);
  await Promise.allSettled([pipeline(socket, backend), pipeline(backend, socket)]);
}

function connected(target: { readonly host: string; readonly port: number }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const backend = connect({ ...target, allowHalfOpen: true, timeout: limits.proxyConnectMs });
    const failed = (why: string) => {
      backend.destroy();
      reject(new ApiError("ServiceUnavailable", `dial tcp ${target.host}:${target.port}: connect: ${why}`));
    };
    backend.once("error", (error: NodeJS.ErrnoException) =>
      failed(error.code === "ECONNREFUSED" ? "connection refused" : error.message),
    );
    backend.once("timeout", () => failed("i/o timeout"));
    backend.once("connect", () => {
      backend.setTimeout(0);
      backend.removeAllListeners("timeout");
      resolve(backend);
    });
  });
}
