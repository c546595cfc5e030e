/**
 * Read node: a node's /metrics/resource, through the tunnel that its agent holds.
 */
import { request as httpRequest } from "node:http";
import { limits } from "../../machinery/process/limits.ts";
import type { Tunnels } from "../tunnel/contract.ts";
import type { ReadNode } from "./contract.ts";

export function readNodeThrough(tunnels: Pick<Tunnels, "dial">): ReadNode {
  return async (node, signal) => {
    const stream = await tunnels.dial(node, { signal });
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => {
        stream.destroy();
        reject(error);
      };
      const asking = httpRequest({
        createConnection: () => stream,
        path: "/metrics/resource",
        headers: { host: "kubelet", connection: "close" },
        signal,
      });
      asking.once("error", failed);
      asking.once("response", (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
          if (text.length > limits.nodeMetricsChars) failed(new Error("the node tells too much"));
        });
        response.once("error", failed);
        response.once("end", () => {
          if (response.statusCode === 200) resolve(text);
          else failed(new Error(`the node answered ${response.statusCode}`));
        });
      });
      asking.end();
    });
  };
}
