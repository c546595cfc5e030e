/** All controllers as one: leadership, restarts, and rest. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";

let cluster: Controlled;
const start = async (options?: ControlledOptions) => {
  cluster = await startControlled({ rootCa: "PEM", ...options });
};
afterEach(() => cluster.close());

const web = {
  metadata: { namespace: "default", name: "web" },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "a:1" }] } },
  },
};

describe("the controllers", () => {
  it("write nothing while nothing changes, holding their lease, and also not after a restart", async () => {
    await start({ leadership: "hold" });
    await cluster.create("deployments", web);
    await cluster.create("services", {
      metadata: { namespace: "default", name: "web" },
      spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
    });
    await cluster.create("jobs", {
      metadata: { namespace: "default", name: "work" },
      spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "a:1" }] } } },
    });
    await cluster.settled();
    const before = await cluster.pipeline.store.revision();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await cluster.pipeline.store.revision()).toBe(before);
    await cluster.stop();
    await cluster.restart();
    await cluster.settled();
    const written = await cluster.pipeline.store.revision();
    expect(written - before).toBeLessThanOrEqual(1);
  });

  it("take up work again after they lost leadership to another and that one went away", async () => {
    await start({ leadership: "hold" });
    const ref = { namespace: "kube-system", name: "kube-controller-manager" };
    const lease = await cluster.client.get("leases", ref);
    await cluster.client.update("leases", {
      ...lease,
      spec: { ...lease.spec, holderIdentity: "another", leaseDurationSeconds: 1 },
    });
    await cluster.create("deployments", web);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await cluster.list("replicasets")).toEqual([]);
    await expect.poll(() => cluster.list("pods"), { timeout: 10_000 }).toHaveLength(2);
  });

  it("tell who caused what, from the Deployment to the Pod", async () => {
    await start();
    const deployment = await cluster.create("deployments", web);
    await cluster.settled();
    const [set] = await cluster.list("replicasets");
    const [pod] = await cluster.list("pods");
    const causes = async (path: string) =>
      JSON.stringify((await cluster.pipeline.send({ path: `/k8ts/v1/history${path}` })).value);
    const ofSet = await causes(`/apis/apps/v1/namespaces/default/replicasets/${set?.metadata.name}`);
    expect(ofSet).toContain('"deployment-controller"');
    expect(ofSet).toContain(`"${deployment.metadata.resourceVersion}"`);
    expect(await causes(`/api/v1/namespaces/default/pods/${pod?.metadata.name}`)).toContain('"replicaset-controller"');
  });
});
