/** Images built: what tests on machines run must be there before, for nothing can be had from there. Once a run of vitest. */
import { canRunContainers } from "./cluster.ts";
import { type ImageName, imageArchive, recipes } from "./images.ts";

export async function setup(): Promise<void> {
  if (canRunContainers) for (const name of Object.keys(recipes) as ImageName[]) await imageArchive(name);
}
