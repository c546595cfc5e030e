/**
 * Sweep: takes away every trace of the node network. For `down`, after all Pods are gone.
 *
 * Only names of ours are touched: the bridge and its ports, the tables k8ts and k8ts-proxy,
 * the marked rules in DOCKER-USER, the CNI files under the home directory.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { promisify } from "node:util";
import type { HomePaths } from "../../machinery/process/home.ts";
import { BRIDGE, TABLE } from "./bridge-network.ts";
import { forgetDockerForward } from "./docker.ts";
import { hasLink, portsOf } from "./links.ts";
import { environment, nft } from "./nft.ts";

const run = promisify(execFile);

export async function sweepNetwork(paths: HomePaths): Promise<void> {
  if (hasLink(BRIDGE)) {
    for (const port of await portsOf(BRIDGE)) await deleteLink(port);
    await deleteLink(BRIDGE);
  }
  for (const table of [TABLE, "k8ts-proxy"]) await nft(`add table ip ${table}\ndelete table ip ${table}\n`);
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
