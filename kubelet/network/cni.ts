/**
 * CNI: the configuration from which the runtime gives each Pod its interface and addresses.
 *
 * It tells of the node's own ranges and the size of packets; a change concerns Pods that begin later.
 * containerd watches the directory: the file appears whole, and only when it differs.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HomePaths } from "../../machinery/process/home.ts";

export const BRIDGE = "k8ts0";

export interface PodInterfaces {
  /** One a family. */
  readonly podCIDRs: readonly string[];
  readonly mtu: number;
}

/** The kernel's own masquerading is ours (ipMasq false); hairpin mode lets a Pod reach itself through its Service. */
export function cniConfiguration({ podCIDRs, mtu }: PodInterfaces, dataDir: string): string {
  const ranges = podCIDRs.map((subnet) => [{ subnet }]);
  const routes = podCIDRs.map((range) => ({ dst: range.includes(":") ? "::/0" : "0.0.0.0/0" }));
  const ipam = { type: "host-local", dataDir, ranges, routes };
  const bridge = { type: "bridge", bridge: BRIDGE, isGateway: true, ipMasq: false, hairpinMode: true, mtu, ipam };
  return `${JSON.stringify({ cniVersion: "0.4.0", name: "k8ts", plugins: [bridge] }, null, 2)}\n`;
}

export async function writeCniConfiguration(paths: HomePaths, interfaces: PodInterfaces): Promise<void> {
  const text = cniConfiguration(interfaces, paths.cniData);
  const file = join(paths.cniConfig, "10-k8ts.conflist");
  if ((await readFile(file, "utf8").catch(() => undefined)) === text) return; // not there yet: written below
  await mkdir(paths.cniConfig, { recursive: true });
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
