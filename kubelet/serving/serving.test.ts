/** The kubelet's own port: with a certificate of the cluster, for those who may. */
import { createServer } from "node:http";
import { type RequestOptions, request } from "node:https";
import { hostname } from "node:os";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { freePort } from "../../e2e/harness/cluster.ts";
import { type Joinable, startJoinable } from "../../e2e/harness/joinable.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { targetFromFile } from "../../machinery/client/kubeconfig.ts";
import { httpsTransport } from "../../machinery/client/transport/https.ts";
import { joinCluster } from "../../machinery/join/join.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import { rightsFor } from "./access.ts";
import { serveDirectly } from "./serving.ts";

test.each([
  ["GET", "/metrics/resource", "get", ["metrics"]],
  ["GET", "/stats/summary?only_cpu_and_memory=true", "get", ["stats"]],
  ["GET", "/pods", "get", ["pods", "proxy"]],
  ["GET", "/healthz", "get", ["healthz", "proxy"]],
  ["POST", "/exec/default/web/c", "create", ["proxy"]],
  ["GET", "/containerLogs/default/web/c", "get", ["proxy"]],
  ["DELETE", "/constructor", "delete", ["proxy"]],
  ["GET", "/", "get", ["proxy"]],
])("%s %s takes the right to %s nodes/%j", (method, path, verb, subresources) => {
  expect(rightsFor(method, path)).toEqual({ verb, subresources });
});

describe("a kubelet that listens", () => {
  let cluster: Joinable;
  let port: number;
  const stop = new AbortController();
  let running: Promise<void>;

  beforeAll(async () => {
    cluster = await startJoinable();
    const paths = homePaths(await cluster.directory());
    const token = await cluster.token("create", "--print", "token");
    const context = { clock: systemClock, log: silent, signal: stop.signal };
    await joinCluster({ ...context, paths, server: cluster.server, token, nodeName: "n1", hostName: hostname() });
    await cluster.admin.create("nodes", { metadata: { name: "n1" } });
    const addresses = [
      { type: "InternalIP", address: "127.0.0.1" },
      { type: "Hostname", address: "n1" },
    ];
    await cluster.admin.patch("nodes", { name: "n1" }, { status: { addresses } }, { subresource: "status" });
    const { access } = await targetFromFile(paths.kubeconfig("kubelet"));
    const client = createClient(httpsTransport({ access, clock: systemClock }));
    const server = createServer((incoming, response) => response.end(`hello ${incoming.url}`));
    port = await freePort();
    const own = { server, port, authority: access.ca, nodeName: "n1", addresses: ["127.0.0.1"] };
    running = serveDirectly({ ...context, ...own, client, paths });
  }, 60_000);
  afterAll(async () => {
    stop.abort(new Error("over"));
    await running;
    await cluster.close();
  });

  const ask = (path: string, more: RequestOptions = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path, ca: cluster.authority, agent: false as const, ...more };
      request(options, (response) => {
        response.toArray().then((chunks) => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
        }, reject);
      })
        .on("error", reject)
        .end();
    });
  const certificateOf = async (component: string) => {
    const paths = homePaths(cluster.home);
    const file = component === "admin" ? paths.adminKubeconfig : paths.kubeconfig(component);
    const { access } = await targetFromFile(file);
    return { cert: access.cert, key: access.key } as RequestOptions;
  };

  it("serves under its node's names with a certificate of the cluster, and knows who asks", async () => {
    const admin = await certificateOf("admin");
    await expect.poll(() => ask("/metrics", admin).catch(() => undefined), { timeout: 20_000 }).toBeTruthy();
    expect(await ask("/metrics", admin)).toEqual({ status: 200, text: "hello /metrics" });
    expect(await ask("/healthz", { ...admin, servername: "n1" })).toMatchObject({ status: 200 });
    expect(await ask("/metrics")).toEqual({ status: 401, text: "Unauthorized\n" });
    const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    expect(await ask("/metrics", bearer("nonsense"))).toMatchObject({ status: 401 });
    expect(await ask("/metrics", await certificateOf("dns"))).toEqual({
      status: 403,
      text: "Forbidden (user=system:k8ts:dns, verb=get, resource=nodes, subresource(s)=[metrics])\n",
    });
  });

  it("lets a scraper in whose account may", async () => {
    const name = "scraper";
    const group = "rbac.authorization.k8s.io";
    await cluster.admin.create("serviceaccounts", { metadata: { namespace: "default", name } });
    const rules = [{ verbs: ["get"], apiGroups: [""], resources: ["nodes/metrics"] }];
    await cluster.admin.create("clusterroles", { metadata: { name }, rules });
    await cluster.admin.create("clusterrolebindings", {
      metadata: { name },
      roleRef: { apiGroup: group, kind: "ClusterRole", name },
      subjects: [{ kind: "ServiceAccount", namespace: "default", name }],
    });
    const made = await cluster.admin.createSub("serviceaccounts", { namespace: "default", name }, "token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    });
    const { token } = made["status"] as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    expect(await ask("/metrics/resource", { headers })).toMatchObject({ status: 200 });
    expect(await ask("/containerLogs/default/web/c", { headers })).toMatchObject({ status: 403 });
  });
});
