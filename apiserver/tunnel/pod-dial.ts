/**
 * Pod dial: a byte stream to a port of a Pod, through the tunnel of the node that runs it.
 *
 * The agent's end is kubelet/server-connect.ts. An upgrade carries it, so that the kubelet's HTTP server needs no other door.
 */
import { request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Tunnels } from "./contract.ts";

export interface PodPort {
  readonly node: string;
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

export async function dialPod(
  tunnels: Pick<Tunnels, "dial">,
  { node, namespace, pod, port }: PodPort,
  signal: AbortSignal,
): Promise<Duplex> {
  const stream = await tunnels.dial(node, { signal });
  return new Promise((resolve, reject) => {
    const failed = (why: string) => {
      stream.destroy();
      reject(new ApiError("ServiceUnavailable", `error trying to reach service: ${why}`));
    };
    const asking = httpRequest({
      createConnection: () => stream,
      path: `/connect/${encodeURIComponent(namespace)}/${encodeURIComponent(pod)}/${port}`,
      headers: { host: "kubelet", connection: "Upgrade", upgrade: "tcp" },
      signal,
    });
    asking.once("error", (error) => failed(error.message));
    asking.once("upgrade", (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asking.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.once("end", () => failed(text || `the node answered ${response.statusCode}`));
      response.once("error", (error) => failed(error.message));
    });
    asking.end();
  });
}
