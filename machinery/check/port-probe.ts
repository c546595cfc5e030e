/**
 * Port probe: whether the ports that k8ts opens are free, or its own already.
 *
 * An agent opens none but the overlay's: everything else comes through its tunnel.
 */
import { createSocket } from "node:dgram";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { HomePaths } from "../process/home.ts";
import { bad, type Finding, good, poor } from "./finding.ts";
import { mtuOf } from "./machine-facts.ts";

const OVERLAY_PORT = 8472;
const OVERLAY_DEVICE = "k8ts-vxlan";

export async function probePorts(paths: HomePaths, apiPort: number): Promise<readonly Finding[]> {
  const [api, overlay] = await Promise.all([tcpIsFree(apiPort), udpIsFree(OVERLAY_PORT)]);
  return [
    api
      ? good("server's port", `${apiPort} is free`)
      : runs(paths, "server") || runs(paths, "apiserver")
        ? good("server's port", `${apiPort} is this cluster's`)
        : bad(
            "server's port",
            `${apiPort} is taken by another program`,
            "stop it, or choose another with --port; an agent does not need it",
          ),
    overlay
      ? good("overlay's port", `UDP ${OVERLAY_PORT} is free`)
      : (await mtuOf(OVERLAY_DEVICE)) > 0
        ? good("overlay's port", `UDP ${OVERLAY_PORT} is this node's`)
        : poor(
            "overlay's port",
            `UDP ${OVERLAY_PORT} is taken`,
            "another overlay (flannel, Calico) runs here: remove it, or keep all nodes on one link, where none is needed",
          ),
  ];
}

function tcpIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
  });
}

function udpIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind(port, () => socket.close(() => resolve(true)));
  });
}

/** By the supervisor's record: see cluster/process-record.ts. */
function runs({ run }: HomePaths, name: string): boolean {
  try {
    const { pid } = JSON.parse(readFileSync(join(run, `${name}.pid`), "utf8")) as { pid: number };
    return existsSync(`/proc/${pid}`);
  } catch {
    return false; // never started
  }
}
