/**
 * Local nodes: the nodes of a cluster that `up --nodes` makes of one computer, each a machine with a home below the cluster's.
 *
 * Names, addresses and paths only: process-table.ts keeps them running, kubelet/machine-bridge.ts joins them.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type HomePaths, homePaths } from "../process/home.ts";
import type { MachineSpec } from "./boot.ts";

/** The link between them and this computer, which is their router. */
export const NODES_LINK = { bridge: "k8ts-nodes", cidr: "10.44.0.0/24", bits: 24, gateway: "10.44.0.1" } as const;

/** As many as there are addresses, less the first few. */
export const MOST_NODES = 200;
const FIRST_ADDRESS = 11;

export interface LocalNode {
  readonly name: string;
  readonly address: string;
  readonly paths: HomePaths;
  readonly machine: Omit<MachineSpec, "runs">;
}

/** node-1, node-2 … */
export function localNodes({ root }: Pick<HomePaths, "root">, count: number): readonly LocalNode[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `node-${index + 1}`;
    const home = join(root, "nodes", name);
    const address = `10.44.0.${FIRST_ADDRESS + index}`;
    return {
      name,
      address,
      paths: homePaths(home),
      machine: {
        name,
        directory: join(home, "machine"),
        address: `${address}/${NODES_LINK.bits}`,
        gateway: NODES_LINK.gateway,
        cable: { bridge: NODES_LINK.bridge, port: `k8ts-n${index + 1}` },
      },
    };
  });
}

/** Homes of the nodes that were made below this one, by name. */
export function homesOfNodes({ root }: Pick<HomePaths, "root">): readonly HomePaths[] {
  const directory = join(root, "nodes");
  if (!existsSync(directory)) return [];
  const nodes = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const number = (name: string) => Number(name.split("-").at(-1));
  return nodes.toSorted((a, b) => number(a.name) - number(b.name)).map(({ name }) => homePaths(join(directory, name)));
}

/** What the nodes join with; written by `up`. */
export const joinTokenPath = ({ root }: Pick<HomePaths, "root">) => join(root, "nodes", "token");
