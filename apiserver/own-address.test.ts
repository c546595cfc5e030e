/** A server whose machine gets another address while it runs. */
import { expect, it } from "vitest";
import { startPipeline } from "../e2e/harness/pipeline.ts";
import { CLUSTER_INFO } from "../machinery/join/cluster-facts.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { followOwnAddress } from "./own-address.ts";

it("is told of once it was seen twice, and again until it could be told; no address at all is none", async () => {
  const clock = fakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  let now: string | undefined = "192.0.2.1";
  let refuses = true;
  const onMoved = async (address: string) => {
    told.push(address);
    if (refuses) throw new Error("not now");
  };
  let blind = false;
  const look = async () => {
    if (blind) throw new Error("interfaces cannot be read");
    return now;
  };
  const following = followOwnAddress({ first: "192.0.2.1", onMoved, look, clock, log: silent, signal: stop.signal });
  await clock.advance(30_000);
  now = undefined;
  await clock.advance(30_000);
  expect(told).toEqual([]);
  blind = true;
  await clock.advance(30_000);
  blind = false;
  now = "192.0.2.2";
  await clock.advance(10_000);
  expect(told).toEqual([]);
  await clock.advance(10_000);
  refuses = false;
  await clock.advance(30_000);
  expect(told).toEqual(["192.0.2.2", "192.0.2.2"]);
  stop.abort(new Error("over"));
  await following;
});

it("is where default/kubernetes and cluster-info lead from then on", async () => {
  const joining = { authority: "PEM", clusterCidr: "10.42.0.0/16" };
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.1", joining });
  await pipeline.apiserver.moved("192.0.2.2");
  const client = pipeline.client();
  const ref = { namespace: "default", name: "kubernetes" };
  const { endpoints } = await client.get("endpointslices", ref);
  expect(endpoints?.flatMap(({ addresses }) => addresses)).toEqual(["192.0.2.2"]);
  expect((await client.get("endpoints", ref)).subsets?.[0]?.addresses).toEqual([{ ip: "192.0.2.2" }]);
  expect((await client.get("configmaps", CLUSTER_INFO)).data?.["kubeconfig"]).toContain("server: https://192.0.2.2:");
  await pipeline.close();
});
