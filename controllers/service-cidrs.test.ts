/** Service CIDRs: ready when made, used when others are full, kept while they are used; addresses are shown. */
import { afterEach, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const service = (name: string, clusterIP?: string) => ({
  metadata: { namespace: "default", name },
  spec: { ports: [{ port: 80 }], ...(clusterIP && { clusterIP }) },
});
const cidr = async (name: string) => cluster.client.find("servicecidrs", { name });

it("shows each address that a Service has, and only these", async () => {
  cluster = await startControlled({ rootCa: "PEM" });
  const web = await cluster.create("services", service("web"));
  const ip = web.spec?.clusterIP ?? "";
  const found = () => cluster.client.find("ipaddresses", { name: ip });
  await expect.poll(found, { timeout: 5_000 }).toMatchObject({
    metadata: {
      labels: {
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        "ipaddress.kubernetes.io/ip-family": "IPv4",
      },
    },
    spec: { parentRef: { resource: "services", namespace: "default", name: "web" } },
  });
  await cluster.client.delete("services", { namespace: "default", name: "web" });
  await expect.poll(found, { timeout: 5_000 }).toBeUndefined();
});

it("makes blocks ready, gives their addresses, and keeps them while they are used", async () => {
  cluster = await startControlled({ rootCa: "PEM" });
  await expect
    .poll(async () => (await cidr("kubernetes"))?.status?.conditions, { timeout: 5_000 })
    .toEqual([expect.objectContaining({ type: "Ready", status: "True", message: "Kubernetes Service CIDR is ready" })]);
  await expect(cluster.create("services", service("early", "10.99.0.7"))).rejects.toThrow("not in the valid range");
  await cluster.create("servicecidrs", { metadata: { name: "more" }, spec: { cidrs: ["10.99.0.0/24"] } });
  await expect.poll(async () => (await cidr("more"))?.metadata.finalizers, { timeout: 5_000 }).toHaveLength(1);
  await cluster.create("services", service("web", "10.99.0.7"));
  await cluster.client.delete("servicecidrs", { name: "more" });
  await expect
    .poll(async () => (await cidr("more"))?.status?.conditions?.[0]?.reason, { timeout: 5_000 })
    .toBe("Terminating");
  await expect(cluster.create("services", service("late", "10.99.0.8"))).rejects.toThrow("not in the valid range");
  await cluster.client.delete("services", { namespace: "default", name: "web" });
  await expect.poll(() => cidr("more"), { timeout: 8_000 }).toBeUndefined();
});

it("lets people reserve an address", async () => {
  cluster = await startControlled({ rootCa: "PEM" });
  const parentRef = { resource: "configmaps", namespace: "default", name: "mine" };
  await cluster.create("ipaddresses", { metadata: { name: "10.43.0.77" }, spec: { parentRef } });
  await expect(cluster.create("services", service("web", "10.43.0.77"))).rejects.toThrow("already allocated");
});
