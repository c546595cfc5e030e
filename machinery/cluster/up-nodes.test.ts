/** Fewer nodes than before: those that are not asked for any more are none. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startPipeline } from "../../e2e/harness/pipeline.ts";
import { homePaths } from "../process/home.ts";
import { forgetNodes } from "./up-nodes.ts";

test("`up` with fewer nodes deletes those that it had made, and no others", async () => {
  const paths = homePaths(mkdtempSync(join(tmpdir(), "k8ts-up-")));
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  const client = pipeline.client();
  for (const name of ["node-1", "node-2", "node-3", "node-4"])
    mkdirSync(join(paths.root, "nodes", name), { recursive: true });
  for (const name of ["node-1", "node-2", "node-3", "elsewhere"]) await client.create("nodes", { metadata: { name } });
  expect(await forgetNodes(client, paths, ["node-1"])).toEqual(["node-2", "node-3"]); // the fourth never joined
  const { items } = await client.list("nodes");
  expect(items.map(({ metadata }) => metadata.name)).toEqual(["elsewhere", "node-1"]);
  await pipeline.close();
  rmSync(paths.root, { recursive: true, force: true });
});
