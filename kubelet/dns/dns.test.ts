import type { NetworkInterfaceInfo } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import { eventually, freePort } from "../../e2e/harness/cluster.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { serve } from "../../e2e/harness/served.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import { code, dataOf, overUdp, question, startElsewhere } from "./dns.fixture.ts";
import { dnsComponent } from "./dns.ts";
import { keepDnsService } from "./dns-service.ts";
import { addressesChanged, ownAddresses, type ReadInterfaces } from "./own-addresses.ts";

const ending: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

const KUBE_DNS = { namespace: "kube-system", name: "kube-dns" };
const SLICE = { namespace: "kube-system", name: "kube-dns-one" };

async function start(): Promise<Pipeline> {
  const pipeline = await startPipeline();
  ending.push(() => pipeline.close());
  return pipeline;
}

describe("the kube-dns Service", () => {
  async function keeping(pipeline: Pipeline, addresses: readonly string[], port = 53) {
    const stop = new AbortController();
    const { signal } = stop;
    const client = pipeline.client("system:k8ts:dns", []);
    const informers = createInformers({ client, clock, log: silent, signal });
    const kept = keepDnsService({
      ...{ client, addresses, port, clock, log: silent, signal, clusterIP: "10.43.0.10", nodeName: "one" },
      services: informers.of("services"),
      slices: informers.of("endpointslices"),
    });
    const end = () => {
      stop.abort(new Error("ended"));
      return kept;
    };
    ending.push(end);
    return end;
  }

  test("leads to the server on this node, whose slices belong to the node and are mended", async () => {
    const pipeline = await start();
    const client = pipeline.client();
    const node = await client.create("nodes", { metadata: { name: "one" } });
    const end = await keeping(pipeline, ["10.42.0.1"]);
    const slice = () => eventually("the slice", () => client.get("endpointslices", SLICE), 10_000);
    expect((await slice()).metadata.ownerReferences).toMatchObject([{ kind: "Node", uid: node.metadata.uid }]);
    expect((await client.get("services", KUBE_DNS)).spec).toMatchObject({
      clusterIP: "10.43.0.10",
      internalTrafficPolicy: "Local",
    });
    await client.delete("endpointslices", SLICE);
    expect((await slice()).endpoints).toMatchObject([{ addresses: ["10.42.0.1"], nodeName: "one" }]);
    await end();
    await keeping(pipeline, ["10.42.7.1"], 5353);
    await eventually("the new address", async () => {
      const { endpoints, ports } = await client.get("endpointslices", SLICE);
      expect(endpoints?.[0]?.addresses).toEqual(["10.42.7.1"]);
      expect(ports?.map(({ port }) => port)).toEqual([5353, 5353]);
    });
  });

  test("of somebody else, with a selector, is left alone", async () => {
    const pipeline = await start();
    const client = pipeline.client();
    await client.create("services", {
      metadata: KUBE_DNS,
      spec: { clusterIP: "10.43.0.10", selector: { "k8s-app": "other" }, ports: [{ port: 53, protocol: "UDP" }] },
    });
    await keeping(pipeline, ["10.42.0.1"]);
    await client.create("services", { metadata: { ...KUBE_DNS, name: "kube-dns-more" }, spec: { clusterIP: "None" } });
    await clock.sleep(200); // long enough for what must not happen
    expect(await client.find("endpointslices", SLICE)).toBeUndefined();
  });
});

test("the name server answers from the cluster and from stub domains, and goes on without the API server", async () => {
  const pipeline = await start();
  const served = await serve(pipeline);
  let serving: Promise<void> | undefined;
  const endServing = () => (serving ??= served.close());
  ending.push(endServing);
  const client = pipeline.client();
  const elsewhere = await startElsewhere(() => ({
    answers: [{ type: "A", name: "www.acme.local", ttl: 60, data: "192.0.2.80" }],
  }));
  ending.push(() => elsewhere.close());
  await client.create("services", {
    metadata: { name: "web", namespace: "default" },
    spec: { clusterIP: "10.43.0.77", ports: [{ port: 80 }] },
  });

  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const port = await freePort();
  const running = dnsComponent.run(
    {
      ...{ kubeconfig: homePaths(served.directory).adminKubeconfig, "node-name": "one", interface: "k8ts0" },
      ...{
        listen: ["127.0.0.1"],
        port,
        "cluster-domain": "cluster.local",
        "cluster-dns": "10.43.0.10",
        upstream: ["127.0.0.1:9"],
      },
    },
    { clock, log: silent, signal: stop.signal, home: served.directory, ready: ready.resolve },
  );
  ending.push(() => {
    stop.abort(new Error("ended"));
    return running;
  });
  await ready.promise;
  const web = question("web.default.svc.cluster.local");
  const answered = () =>
    eventually("an answer", async () => expect(dataOf(await overUdp(port, web))).toEqual(["10.43.0.77"]), 10_000);
  await answered();
  expect(await eventually("the Service", () => client.get("services", KUBE_DNS), 10_000)).toBeDefined();

  const stubDomains = JSON.stringify({ "acme.local": [`127.0.0.1:${elsewhere.server.port}`] });
  await client.create("configmaps", { metadata: KUBE_DNS, data: { stubDomains } });
  await eventually("the stub domain", async () =>
    expect(dataOf(await overUdp(port, question("www.acme.local")))).toEqual(["192.0.2.80"]),
  );

  void endServing(); // takes no more calls; what is open may go on for a while
  await answered();
  expect(code(await overUdp(port, question("none.default.svc.cluster.local")))).toBe(3);
});

test("the server's addresses are waited for, and followed when the node gets others", async () => {
  const time = fakeClock();
  const { signal } = new AbortController();
  let interfaces: ReturnType<ReadInterfaces> = {};
  const read = () => interfaces;
  const bridge = (...addresses: string[]) => ({
    k8ts0: addresses.map(
      (address) => ({ address, family: address.includes(":") ? "IPv6" : "IPv4" }) as NetworkInterfaceInfo,
    ),
  });
  const first = ownAddresses("k8ts0", time, signal, read);
  interfaces = bridge("fe80::1");
  await time.advance(1_000);
  interfaces = bridge("fe80::1", "fd00::1", "10.42.0.1");
  await time.advance(1_000);
  expect(await first).toEqual(["10.42.0.1", "fd00::1"]);
  let changed = false;
  void addressesChanged("k8ts0", await first, time, signal, read).then(() => (changed = true));
  await time.advance(60_000);
  expect(changed).toBe(false);
  interfaces = bridge("10.42.3.1");
  await time.advance(6_000);
  expect(changed).toBe(true);
});
