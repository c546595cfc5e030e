/**
 * Sweep: takes away every trace of the node network. For `down`, after all Pods are gone.
 *
 * Only what is ours is touched: the bridge and its ports, the VXLAN, the routes with our mark, the tables k8ts and
 * k8ts-*, the marked rules in DOCKER-USER, the CNI files under the home directory.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import type { HomePaths } from "../../machinery/process/home.ts";
import { BRIDGE } from "./cni.ts";
import { forgetDockerForward } from "./docker.ts";
import { hasLink, portsOf } from "./links.ts";
import { environment, nft, ownTables } from "./nft.ts";
import { forgetRoutes } from "./node-routes.ts";
import { VXLAN } from "./peers.ts";

const run = promisify(execFile);

export async function sweepNetwork(paths: HomePaths): Promise<void> {
  if (hasLink(BRIDGE)) {
    for (const port of await portsOf(BRIDGE)) await deleteLink(port);
    await deleteLink(BRIDGE);
  }
  await forgetRoutes();
  if (hasLink(VXLAN)) await deleteLink(VXLAN);
  for (const table of await ownTables()) await nft(`delete table ${table}\n`);
  await forgetDockerForward(BRIDGE);
  await rm(paths.cniData, { recursive: true, force: true });
  await rm(paths.cniConfig, { recursive: true, force: true });
}

/** A Pod's end that vanished by itself meanwhile is as good. */
async function deleteLink(name: string): Promise<void> {
  try {
    await run("ip", ["link", "delete", name], { env: environment() });
  } catch (error) {
    if (hasLink(name)) throw error;
  }
}
