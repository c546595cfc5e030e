/** Node IPAM: blocks of both families, none of Services, and what happens when they run out. */
import { afterEach, expect, it } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());
const blocksOf = async (name: string) => (await cluster.client.get("nodes", { name })).spec?.podCIDRs;

it("gives each node a block of each family", async () => {
  cluster = await startControlled({ clusterCidr: "10.42.0.0/16,fd00:42::/56" });
  await cluster.create("nodes", { metadata: { name: "n2" } });
  await expect.poll(() => blocksOf("n2")).toHaveLength(2);
  const all = [await blocksOf(NODE), await blocksOf("n2")];
  expect(all).toEqual([
    ["10.42.0.0/24", "fd00:42::/64"],
    ["10.42.1.0/24", "fd00:42:0:1::/64"],
  ]);
});

it("leaves the Services' addresses and blocks of another size alone, and tells who gets none", async () => {
  cluster = await startControlled({ clusterCidr: "10.43.0.0/15", nodeIpv4Bits: 16, stopped: true });
  await cluster.create("nodes", { metadata: { name: "n2" }, spec: { podCIDR: "10.42.7.0/24" } });
  await cluster.restart();
  await expect
    .poll(() => cluster.events(NODE))
    .toContain(`Normal CIDRNotAvailable Node ${NODE} status is now: CIDRNotAvailable`);
  expect(await blocksOf(NODE)).toBeUndefined();
  await cluster.client.delete("nodes", { name: "n2" });
  await expect.poll(() => blocksOf(NODE), { timeout: 5_000 }).toEqual(["10.42.0.0/16"]);
});
