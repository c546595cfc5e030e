/** Groups that other API servers serve: registered, judged, discovered, and reached in the caller's name. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import WebSocket from "ws";
import {
  type AggregatedServer,
  API_SERVICES,
  availableUntil,
  json,
  localService,
  register,
  startAggregatedServer,
  testFrontProxy,
} from "../../e2e/harness/aggregated-server.ts";
import { podUntil, startNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import { joinTunnel } from "../../e2e/harness/tunnel.ts";

let pipeline: Pipeline;
let server: AggregatedServer;
beforeEach(async () => {
  const frontProxy = await testFrontProxy();
  pipeline = await startPipeline({ frontProxy, clientAuthority: frontProxy.authority });
  server = await startAggregatedServer(frontProxy);
  server.answers[ROOT] = {
    kind: "APIResourceList",
    groupVersion: "toys.example/v1",
    resources: [
      { name: "cars", singularName: "car", namespaced: true, kind: "Car", verbs: ["get", "list", "watch", "create"] },
      { name: "cars/wheels", singularName: "", namespaced: true, kind: "Wheels", verbs: ["get"] },
    ],
  };
});
afterEach(async () => {
  await pipeline.close();
  server.close();
});

const ROOT = "/apis/toys.example/v1";
const CARS = `${ROOT}/namespaces/default/cars`;
const NAME = "v1.toys.example";
const toys = () => ({ group: "toys.example", version: "v1", server });

async function available(): Promise<void> {
  await pipeline.client().create("services", localService as never);
  expect((await register(pipeline, toys())).status).toBe(201);
  await availableUntil(pipeline, NAME, /^True/);
}

/** As a component of the server's process reads it. */
const read = (path: string) => pipeline.transport().request({ method: "GET", path });
const post = (path: string, body: unknown) => pipeline.send({ method: "POST", path, body });

describe("an APIService", () => {
  test("stands for each group that the server serves itself", async () => {
    const { value } = await pipeline.send({ path: API_SERVICES, headers: { accept: TABLE } });
    const rows = value.rows.map(({ cells }: { cells: string[] }) => cells.slice(0, 3).join(" "));
    expect(rows).toContain("v1. Local True");
    expect(rows).toContain("v1.apps Local True");
    expect(rows).toContain("v2.autoscaling Local True");
    expect(rows).not.toContain("v1.apiregistration.k8s.io Local True");
    expect(await availableUntil(pipeline, "v1.apps", /./)).toBe("True Local Local APIServices are always available");
  });

  test("of custom kinds comes and goes with their definitions", async () => {
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const names = { plural: "things", singular: "thing", kind: "Thing", listKind: "ThingList" };
    const schema = { openAPIV3Schema: { type: "object" } };
    const versions = [{ name: "v1", served: true, storage: true, schema }];
    const made = await post(path, {
      metadata: { name: "things.example.org" },
      spec: { group: "example.org", scope: "Namespaced", names, versions },
    });
    expect(made.status).toBe(201);
    await availableUntil(pipeline, "v1.example.org", /^True Local/);
    await pipeline.send({ method: "DELETE", path: `${path}/things.example.org` });
    await availableUntil(pipeline, "v1.example.org", /^$/);
  });

  test.each([
    ["without a name that fits", { group: "other.example" }, 'spec.version+"."+spec.group`: "v1.other.example"'],
    [
      "without a priority",
      { groupPriorityMinimum: 0 },
      "spec.groupPriorityMinimum: Invalid value: 0: must be positive",
    ],
    ["without a namespace", { service: { name: "a" } }, "spec.service.namespace: Required value"],
    ["that trusts all and one", { insecureSkipTLSVerify: true }, "may not be true if caBundle is present"],
  ])("%s is refused", async (_what, change, why) => {
    const spec = {
      group: "toys.example",
      version: "v1",
      groupPriorityMinimum: 1,
      versionPriority: 1,
      service: { name: "adapter", namespace: "default" },
      caBundle: server.caBundle,
      ...change,
    };
    const { status, value } = await post(API_SERVICES, { metadata: { name: NAME }, spec });
    expect([status, value.message]).toEqual([422, expect.stringContaining(why)]);
  });

  test("tells step by step what it lacks", async () => {
    await register(pipeline, { ...toys(), port: 443 });
    const is = (wanted: RegExp) => availableUntil(pipeline, NAME, wanted);
    expect(await is(/./)).toBe('False ServiceNotFound service/adapter in "default" is not present');

    const service = (port: number) => ({
      metadata: { name: "adapter", namespace: "default" },
      spec: { ports: [{ name: "https", port, targetPort: server.port }] },
    });
    await post("/api/v1/namespaces/default/services", service(80));
    expect(await is(/Port/)).toBe('False ServicePortError service/adapter in "default" is not listening on port 443');
    await pipeline.send({ method: "DELETE", path: "/api/v1/namespaces/default/services/adapter" });
    await post("/api/v1/namespaces/default/services", service(443));
    expect(await is(/Endpoints/)).toBe(
      'False EndpointsNotFound cannot find endpointslices for service/adapter in "default"',
    );

    const slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    const slice = {
      metadata: { name: "adapter-1", labels: { "kubernetes.io/service-name": "adapter" } },
      addressType: "IPv4",
      ports: [{ name: "https", port: server.port }],
      endpoints: [{ addresses: ["192.0.2.7"], conditions: { ready: false } }],
    };
    await post(slices, slice);
    expect(await is(/Missing/)).toBe(
      'False MissingEndpoints endpointslices for service/adapter in "default" have no addresses with port name "https"',
    );
  });

  test("tells how the other server failed to answer", async () => {
    await pipeline.client().create("services", localService as never);
    server.answers[ROOT] = (_asked, response) => response.writeHead(500).end("broken");
    await register(pipeline, toys());
    const at = `https://localhost:${server.port}${ROOT}`;
    expect(await availableUntil(pipeline, NAME, /Failed/)).toBe(
      `False FailedDiscoveryCheck failing or missing response from ${at}: bad status from ${at}: 500`,
    );
    const { status, value } = await pipeline.send({ path: CARS });
    expect([status, value]).toEqual([503, "service unavailable\n"]);
    server.answers[ROOT] = {};
    await availableUntil(pipeline, NAME, /^True Passed all checks passed$/);
  });

  test("tells that the other server is not the one that is trusted", async () => {
    await pipeline.client().create("services", localService as never);
    await register(pipeline, { ...toys(), server: { ...server, caBundle: "" } });
    expect(await availableUntil(pipeline, NAME, /./)).toMatch(
      /^False FailedDiscoveryCheck .*: tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
    );
  });
});

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

describe("a request for what another server serves", () => {
  test("goes there in the caller's name, and the answer comes back as it is", async () => {
    await available();
    server.answers[CARS] = (_asked, response) =>
      response.writeHead(201, { "content-type": "application/json", warning: '299 - "slow"', etag: "x" }).end("{}");
    const headers = {
      authorization: "Bearer secret",
      "x-remote-user": "root",
      "x-remote-group": "system:masters",
      "impersonate-user": "jürgen",
      "impersonate-extra-example.org%2fteam": "blue",
    };
    const made = await pipeline.send({ method: "POST", path: `${CARS}?dryRun=All`, body: { kind: "Car" }, headers });
    expect([made.status, made.headers["warning"], made.headers["etag"]]).toEqual([403, undefined, undefined]);

    await post("/apis/rbac.authorization.k8s.io/v1/clusterroles", {
      metadata: { name: "driver" },
      rules: [{ apiGroups: ["toys.example"], resources: ["cars"], verbs: ["create"] }],
    });
    await post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
      metadata: { name: "driver" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "driver" },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "jürgen" }],
    });
    const again = await pipeline.send({ method: "POST", path: `${CARS}?dryRun=All`, body: { kind: "Car" }, headers });
    expect([again.status, again.headers["warning"], again.headers["etag"]]).toEqual([201, '299 - "slow"', "x"]);
    const { method, url, headers: told, body } = server.asked.at(-1)!;
    expect([method, url, body]).toEqual(["POST", `${CARS}?dryRun=All`, '{"kind":"Car"}']);
    expect(Buffer.from(String(told["x-remote-user"]), "latin1").toString()).toBe("jürgen");
    expect(told["x-remote-group"]).toBe("system:authenticated");
    expect(told["x-remote-extra-example.org%2fteam"]).toBe("blue");
    expect(told).not.toHaveProperty("authorization");
    expect(told).not.toHaveProperty("impersonate-user");
  });

  test("may be a watch, of a component in this process too", async () => {
    await available();
    server.answers[CARS] = (_asked, response) => {
      const event = { type: "ADDED", object: { kind: "Car", metadata: { name: "a" } } };
      response.writeHead(200, { "content-type": "application/json" }).end(`${JSON.stringify(event)}\n`);
    };
    const seen: unknown[] = [];
    const request = { method: "GET", path: CARS, query: { watch: "true" } } as const;
    for await (const batch of pipeline.transport().watch(request)) seen.push(...batch);
    expect(seen).toMatchObject([{ type: "ADDED", object: { metadata: { name: "a" } } }]);
  });

  test("is refused when that server has gone meanwhile", async () => {
    await available();
    server.close();
    const { status, value } = await pipeline.send({ path: CARS });
    expect([status, value]).toEqual([
      503,
      expect.stringMatching(/^error trying to reach service: dial tcp .*refused\n$/),
    ]);
    await availableUntil(pipeline, NAME, /^False FailedDiscoveryCheck/);
  }, 60_000);

  test("ends with the APIService", async () => {
    await available();
    server.answers[CARS] = { kind: "CarList" };
    expect((await pipeline.send({ path: CARS })).status).toBe(200);
    await pipeline.send({ method: "DELETE", path: `${API_SERVICES}/${NAME}` });
    for (let status = 0; status !== 404; ) status = (await pipeline.send({ path: CARS })).status;
  });
});

describe("discovery", () => {
  test("tells of the other server's resources beside our own", async () => {
    await available();
    const { value: groups } = await pipeline.send({ path: "/apis" });
    expect(groups.groups.map(({ name }: { name: string }) => name).slice(0, 2)).toEqual([
      "apiregistration.k8s.io",
      "apps",
    ]);
    expect((await pipeline.send({ path: "/apis/toys.example" })).value.preferredVersion.groupVersion).toBe(
      "toys.example/v1",
    );
    expect(await read(ROOT)).toMatchObject({ resources: [{ name: "cars" }, { name: "cars/wheels" }] });
    expect(await toysDiscovered()).toEqual({
      version: "v1",
      freshness: "Current",
      resources: [
        {
          resource: "cars",
          responseKind: { group: "toys.example", version: "v1", kind: "Car" },
          scope: "Namespaced",
          singularResource: "car",
          verbs: ["get", "list", "watch", "create"],
          subresources: [
            {
              subresource: "wheels",
              responseKind: { group: "toys.example", version: "v1", kind: "Wheels" },
              verbs: ["get"],
            },
          ],
        },
      ],
    });
  });

  test("knows of resources that another server tells only parts of", async () => {
    const hits = { name: "pods/hits", singularName: "", namespaced: true, kind: "MetricValueList", verbs: ["get"] };
    server.answers[ROOT] = { kind: "APIResourceList", resources: [hits] };
    await available();
    expect(await toysDiscovered()).toMatchObject({
      resources: [{ resource: "pods", responseKind: {}, subresources: [{ subresource: "hits" }] }],
    });
  });

  test("says that it is stale where the other server does not answer", async () => {
    await register(pipeline, toys());
    await availableUntil(pipeline, NAME, /^False/);
    expect(await toysDiscovered()).toEqual({ version: "v1", freshness: "Stale", resources: [] });
  });

  async function toysDiscovered() {
    const headers = { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" };
    const { body } = await pipeline.send({ path: "/apis", headers });
    const { items } = (body as unknown as { value(): { items: Item[] } }).value();
    return items.find(({ metadata }) => metadata.name === "toys.example")?.versions[0];
  }
  interface Item {
    readonly metadata: { readonly name: string };
    readonly versions: readonly unknown[];
  }
});

test("OpenAPI has the other server's documents", async () => {
  const car = {
    type: "object",
    "x-kubernetes-group-version-kind": [{ group: "toys.example", version: "v1", kind: "Car" }],
  };
  const address = "/openapi/v3/apis/toys.example/v1?hash=ABC";
  server.answers["/openapi/v3"] = { paths: { "apis/toys.example/v1": { serverRelativeURL: address } } };
  server.answers["/openapi/v3/apis/toys.example/v1"] = { openapi: "3.0.0", components: { schemas: { Car: car } } };
  server.answers["/openapi/v2"] = {
    paths: { [`${CARS}/{name}`]: {}, "/apis/other/v1/x": {} },
    definitions: { Car: car },
  };
  await available();
  const index = await pipeline.send({ path: "/openapi/v3" });
  expect(index.value.paths["apis/toys.example/v1"].serverRelativeURL).toBe(address);
  expect(index.value.paths).toHaveProperty("apis/apps/v1");
  const [path = ""] = address.split("?");
  expect((await pipeline.send({ path })).value.components.schemas).toEqual({ Car: car });
  const { value } = await pipeline.send({ path: "/openapi/v2" });
  expect(Object.keys(value.paths)).toContain(`${CARS}/{name}`);
  expect(Object.keys(value.paths)).not.toContain("/apis/other/v1/x");
  expect(value.definitions.Car).toEqual(car);
});

test("other servers are told whom to trust, once", async () => {
  const { value } = await pipeline.send({
    path: "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
  });
  expect(value.data).toMatchObject({
    "client-ca-file": expect.stringContaining("BEGIN CERTIFICATE"),
    "requestheader-client-ca-file": expect.stringContaining("BEGIN CERTIFICATE"),
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
  });
  const roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles";
  expect((await pipeline.send({ path: `${roles}/extension-apiserver-authentication-reader` })).status).toBe(200);
});

test("a server in a Pod is reached through the tunnel of its node, in both ways of HTTP", async () => {
  const served: Served = await serve(pipeline);
  const node = await startNode(pipeline, { address: "127.0.0.1" });
  const leave = await joinTunnel(pipeline, served, node);
  try {
    const ports = [{ name: "https", containerPort: server.port, hostPort: server.port }];
    await pipeline.client().create("pods", {
      metadata: { name: "adapter", namespace: "default" },
      spec: { nodeName: node.name, hostNetwork: true, containers: [{ name: "main", image: "busybox:1.36", ports }] },
    } as never);
    const pod = { namespace: "default", name: "adapter" };
    await podUntil(pipeline.client(), pod, (found) => found?.status?.podIP === "127.0.0.1");
    await post("/api/v1/namespaces/default/services", {
      metadata: { name: "adapter", namespace: "default" },
      spec: { ports: [{ name: "https", port: 443, targetPort: server.port }] },
    });
    await post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
      metadata: { name: "adapter-1", labels: { "kubernetes.io/service-name": "adapter" } },
      addressType: "IPv4",
      ports: [{ name: "https", port: server.port }],
      // an address that only the Pod network knows
      endpoints: [{ addresses: ["192.0.2.7"], nodeName: node.name, targetRef: { kind: "Pod", name: "adapter" } }],
    });
    await register(pipeline, { ...toys(), port: 443 });
    await availableUntil(pipeline, NAME, /^True/);
    server.answers[CARS] = (_asked, response) => json(response, 200, { kind: "CarList", items: [] });
    expect(await read(CARS)).toEqual({ kind: "CarList", items: [] });

    const socket = await served.connect("kubernetes-admin", ["system:masters"]);
    const url = `wss://127.0.0.1:${served.port}${CARS}/a/horn`;
    const horn = new WebSocket(url, { createConnection: () => socket });
    const heard = new Promise((resolve, reject) => {
      horn.on("open", () => horn.send("toot"));
      horn.on("message", (text) => resolve(String(text)));
      horn.on("error", reject);
    });
    expect(await heard).toBe("kubernetes-admin said toot");
    horn.terminate();
  } finally {
    await leave();
    await node.close();
    await served.close();
  }
}, 60_000);
