/**
 * Tunnel: lets a test's node hold a tunnel to a test's server, as agents do, for all that goes through it.
 */
import { runTunnelAgent } from "../../kubelet/tunnel/agent.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { TestNode } from "./node.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Served } from "./served.ts";

/** Resolves when the tunnel stands; the returned function ends it. */
export async function joinTunnel(pipeline: Pipeline, served: Served, node: TestNode): Promise<() => Promise<void>> {
  const { clock, apiserver } = pipeline;
  const stopping = new AbortController();
  const ended = runTunnelAgent({
    connect: () => served.connect(`system:node:${node.name}`, ["system:nodes"]),
    host: `127.0.0.1:${served.port}`,
    onConnection: (stream) => node.server().emit("connection", stream),
    clock,
    log: silent,
    signal: stopping.signal,
  });
  while (!apiserver.tunnels.nodes().includes(node.name)) await clock.sleep(5);
  return async () => {
    stopping.abort(new Error("the test ended the tunnel"));
    await ended;
  };
}
