/** Two API servers on one etcd: each sees at once what the other wrote, and both together give nothing out twice. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { type EtcdServer, hasEtcd, startEtcd } from "./store/etcd/etcd-server.ts";
import { openEtcdStore } from "./store/etcd/etcd-store.ts";

const namespace = "/api/v1/namespaces/default";

describe.skipIf(!hasEtcd())("two servers on one etcd", () => {
  let etcd: EtcdServer;
  let one: Pipeline;
  let other: Pipeline;
  beforeAll(async () => {
    etcd = await startEtcd();
    const start = (advertiseAddress: string) =>
      startPipeline({
        store: openEtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, log: silent }),
        shared: true,
        advertiseAddress,
      });
    [one, other] = await Promise.all([start("192.0.2.1"), start("192.0.2.2")]); // also the first start of a cluster may be by both
  });
  afterAll(async () => {
    await one?.close();
    await other?.close();
    await etcd?.stop();
  });

  const create = (server: Pipeline, resource: string, name: string, more: object = {}) =>
    server.send({ method: "POST", path: `${namespace}/${resource}`, body: { metadata: { name }, ...more } });

  test("each reads what the other has just written, by get and by list", async () => {
    for (let index = 0; index < 20; index++) {
      const [writer, reader] = index % 2 === 0 ? [one, other] : [other, one];
      const { value } = await create(writer, "configmaps", `map-${index}`);
      const found = await reader.send({ path: `${namespace}/configmaps/map-${index}` });
      expect(found.value.metadata?.resourceVersion).toBe(value.metadata.resourceVersion);
      const list = await reader.send({ path: `${namespace}/configmaps?limit=500` });
      expect(list.value.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toContain(
        `map-${index}`,
      );
    }
  });

  test("of two updates of the same version one is a conflict", async () => {
    const { value } = await create(one, "configmaps", "shared");
    const update = (server: Pipeline, data: string) =>
      server.send({ method: "PUT", path: `${namespace}/configmaps/shared`, body: { ...value, data: { data } } });
    const answers = await Promise.all([update(one, "a"), update(other, "b")]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
  });

  test("no address and no port is given out twice", async () => {
    const spec = { type: "NodePort", selector: { app: "x" }, ports: [{ port: 80 }] };
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        create(index % 2 === 0 ? one : other, "services", `svc-${index}`, { spec }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    const addresses = answers.map(({ value }) => value.spec.clusterIP);
    const ports = answers.map(({ value }) => value.spec.ports[0].nodePort);
    expect(new Set(addresses).size).toBe(60);
    expect(new Set(ports).size).toBe(60);
  });

  test("a watch on one brings what is written through the other", async () => {
    const gone = new AbortController();
    const watching = (async () => {
      const query = { watch: "true", fieldSelector: "metadata.name=seen" };
      const request = { method: "GET", path: `${namespace}/configmaps`, query, signal: gone.signal } as const;
      for await (const [event] of other.transport().watch(request)) return event?.object.metadata.name;
      return undefined;
    })();
    await create(one, "configmaps", "seen");
    expect(await watching).toBe("seen");
    gone.abort();
  });

  test("default/kubernetes leads to both, in order", async () => {
    const addresses = async () => {
      const { value } = await one.send({ path: `${namespace}/endpoints/kubernetes` });
      return value.subsets?.[0]?.addresses.map(({ ip }: { ip: string }) => ip);
    };
    await expect.poll(addresses, { timeout: 10_000 }).toEqual(["192.0.2.1", "192.0.2.2"]);
    const slices = `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes`;
    const { value } = await other.send({ path: slices });
    expect(value.endpoints.map((one: { addresses: string[] }) => one.addresses)).toEqual([
      ["192.0.2.1"],
      ["192.0.2.2"],
    ]);
  });

  test("what each server says of a policy it says once: the other finds it said", async () => {
    const path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    const rule = { apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["deployments"] };
    const spec = {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: "object.spec.replicas > 'x'" }],
    };
    await one.send({ method: "POST", path, body: { metadata: { name: "typed" }, spec } });
    const read = async () => (await other.send({ path: `${path}/typed` })).value;
    await expect.poll(async () => (await read()).status?.observedGeneration, { timeout: 5_000 }).toBe(1);
    const settled = (await read()).metadata.resourceVersion;
    await systemClock.sleep(500);
    expect((await read()).metadata.resourceVersion).toBe(settled);
  });

  test("a node that nobody has a tunnel of is not reached, and the answer says why", async () => {
    await one.send({ method: "POST", path: "/api/v1/nodes", body: { metadata: { name: "n1" } } });
    const pod = { spec: { nodeName: "n1", containers: [{ name: "main", image: "x" }] } };
    expect((await create(one, "pods", "far", pod)).status).toBe(201);
    const { status, value } = await other.send({ path: `${namespace}/pods/far/log` });
    expect(status).toBeGreaterThanOrEqual(500);
    expect(value.message).toContain("n1");
  });
});
