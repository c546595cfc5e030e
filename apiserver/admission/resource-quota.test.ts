/** Quotas: what is charged, in which words it is refused, and that writes at once never exceed together. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const send = (method: string, path: string, body?: unknown) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });

let namespaces = 0;
/** A namespace with a quota of which nothing is used yet, as its controller would have told. */
async function limited(hard: Record<string, string>, spec: object = {}, used: Record<string, string> = {}) {
  const name = `limited-${namespaces++}`;
  await send("POST", "/api/v1/namespaces", { metadata: { name } });
  const base = `/api/v1/namespaces/${name}`;
  await send("POST", `${base}/serviceaccounts`, { metadata: { name: "default" } });
  await addQuota(base, "q", hard, spec, used);
  return base;
}

async function addQuota(base: string, name: string, hard: Record<string, string>, spec = {}, used = {}) {
  const { value } = await send("POST", `${base}/resourcequotas`, { metadata: { name }, spec: { hard, ...spec } });
  const none = Object.fromEntries(Object.keys(hard).map((one) => [one, "0"]));
  const status = { hard, used: { ...none, ...used } };
  expect((await send("PUT", `${base}/resourcequotas/${name}/status`, { ...value, status })).status).toBe(200);
}

const pod = (name: string, resources: object = {}, spec: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: "c", image: "i:1", resources }], ...spec },
});
const usedOf = async (base: string, name = "q") =>
  (await send("GET", `${base}/resourcequotas/${name}`)).value.status.used;

describe("a quota of Pods", () => {
  test("is charged before each is stored, and refuses in Kubernetes' words", async () => {
    const base = await limited({ pods: "2", "count/pods": "5" });
    for (const name of ["a", "b"]) expect((await send("POST", `${base}/pods`, pod(name))).status).toBe(201);
    expect(await usedOf(base)).toEqual({ pods: "2", "count/pods": "2" });
    const { status, value } = await send("POST", `${base}/pods`, pod("c"));
    expect(status).toBe(403);
    expect(value.message).toBe(
      'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    );
    expect(value.reason).toBe("Forbidden");
    expect(await usedOf(base)).toEqual({ pods: "2", "count/pods": "2" });
  });

  test("is never exceeded by many at once, and lets in as many as there is room for", async () => {
    const base = await limited({ pods: "7", "requests.cpu": "1" });
    const asked = Array.from({ length: 30 }, (_, index) =>
      send("POST", `${base}/pods`, pod(`p${index}`, { requests: { cpu: "100m" } })),
    );
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(7);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(23);
    expect(await usedOf(base)).toEqual({ pods: "7", "requests.cpu": "700m" });
  });

  test("is charged by two servers on one store as by one", async () => {
    const base = await limited({ pods: "5" });
    const other = await startPipeline({ store: pipeline.store, withoutDefaultAccount: true });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? other : pipeline).send({ method: "POST", path: `${base}/pods`, body: pod(`p${index}`) }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(await usedOf(base)).toEqual({ pods: "5" });
    await other.apiserver.close();
  });

  test("is not charged by a dry run, which is refused all the same", async () => {
    const base = await limited({ pods: "1" });
    expect((await send("POST", `${base}/pods?dryRun=All`, pod("a"))).status).toBe(201);
    expect(await usedOf(base)).toEqual({ pods: "0" });
    await send("POST", `${base}/pods`, pod("a"));
    expect((await send("POST", `${base}/pods?dryRun=All`, pod("b"))).status).toBe(403);
  });
});

test("all quotas of a namespace are asked before any is charged", async () => {
  const base = await limited({ pods: "5" });
  await addQuota(base, "second", { pods: "1" });
  await send("POST", `${base}/pods`, pod("a"));
  const { value } = await send("POST", `${base}/pods`, pod("b"));
  expect(value.message).toContain("exceeded quota: second,");
  expect(await usedOf(base)).toEqual({ pods: "1" });
});

test("a quota whose use is not known yet lets nothing in that it counts", async () => {
  const base = await limited({ pods: "5" });
  const { value: quota } = await send("GET", `${base}/resourcequotas/q`);
  await send("PUT", `${base}/resourcequotas/q/status`, { ...quota, status: { hard: { pods: "5" } } });
  const { value } = await send("POST", `${base}/pods`, pod("a"));
  expect(value.message).toBe('pods "a" is forbidden: status unknown for quota: q, resources: pods');
});

describe("under a quota on cpu and memory", () => {
  test("every container must say what it asks for", async () => {
    const base = await limited({ "limits.cpu": "2", "requests.memory": "1Gi" });
    const containers = ["b", "a"].map((name) => ({ name, image: "i:1", resources: { requests: { memory: "1Mi" } } }));
    const { value } = await send("POST", `${base}/pods`, pod("x", {}, { containers }));
    expect(value.message).toBe('pods "x" is forbidden: failed quota: q: must specify limits.cpu for: a,b');
    const none = await send("POST", `${base}/pods`, pod("x"));
    expect(none.value.message).toBe(
      'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.memory for: c',
    );
  });

  test.each<[string, object, object, Record<string, string>]>([
    [
      "requests and limits",
      { requests: { cpu: "0.5" }, limits: { cpu: "1", memory: "1Gi" } },
      {},
      { cpu: "500m", "requests.cpu": "500m", "limits.cpu": "1", memory: "1Gi", "requests.memory": "1Gi" },
    ],
    [
      "the largest init container where that is more",
      { requests: { cpu: "1" } },
      { initContainers: [{ name: "i", image: "i:1", resources: { requests: { cpu: "3" } } }] },
      { cpu: "3", "requests.cpu": "3" },
    ],
    [
      "sidecars beside the containers",
      { requests: { cpu: "1" } },
      { initContainers: [{ name: "i", image: "i:1", restartPolicy: "Always", resources: { requests: { cpu: "3" } } }] },
      { cpu: "4", "requests.cpu": "4" },
    ],
    [
      "ephemeral storage, huge pages and devices",
      {
        requests: { cpu: "1", "ephemeral-storage": "1Gi", "example.com/gpu": "2" },
        limits: { "example.com/gpu": "2" },
      },
      {},
      { "requests.example.com/gpu": "2", "requests.ephemeral-storage": "1Gi" },
    ],
  ])("a Pod takes %s", async (_what, resources, spec, expected) => {
    const base = await limited(Object.fromEntries(Object.keys(expected).map((name) => [name, "100Gi"])));
    const { status, value } = await send("POST", `${base}/pods`, pod("x", resources, spec));
    expect([status, value.message]).toEqual([201, undefined]);
    expect(await usedOf(base)).toEqual(expected);
  });

  test("what is beyond it is told with all amounts", async () => {
    const base = await limited({ "requests.cpu": "1", "requests.memory": "1Gi" }, {}, { "requests.cpu": "600m" });
    const { value } = await send("POST", `${base}/pods`, pod("x", { requests: { cpu: "500m", memory: "2Gi" } }));
    expect(value.message).toBe(
      'pods "x" is forbidden: exceeded quota: q, requested: requests.cpu=500m,requests.memory=2Gi, used: requests.cpu=600m,requests.memory=0, limited: requests.cpu=1,requests.memory=1Gi',
    );
  });
});

describe("other objects", () => {
  const service = (name: string, spec: object) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });

  test("Services count with their ports and load balancers, also when their type changes", async () => {
    const base = await limited({ services: "5", "services.nodeports": "2", "services.loadbalancers": "1" });
    await send("POST", `${base}/services`, service("plain", {}));
    const { value } = await send("POST", `${base}/services`, service("np", { type: "NodePort" }));
    expect(await usedOf(base)).toEqual({ services: "2", "services.nodeports": "1", "services.loadbalancers": "0" });
    const lb = { ...value, spec: { ...value.spec, type: "LoadBalancer" } };
    expect((await send("PUT", `${base}/services/np`, lb)).status).toBe(200);
    expect(await usedOf(base)).toEqual({ services: "2", "services.nodeports": "1", "services.loadbalancers": "1" });
    const second = await send("POST", `${base}/services`, service("lb", { type: "LoadBalancer" }));
    expect(second.value.message).toContain(
      "exceeded quota: q, requested: services.loadbalancers=1, used: services.loadbalancers=1, limited: services.loadbalancers=1",
    );
  });

  test("claims count with their storage, in all and by class", async () => {
    const gold = "gold.storageclass.storage.k8s.io";
    const base = await limited({
      persistentvolumeclaims: "3",
      "requests.storage": "10Gi",
      [`${gold}/requests.storage`]: "2Gi",
      [`${gold}/persistentvolumeclaims`]: "3",
    });
    const claim = (name: string, storage: string, storageClassName: string) => ({
      metadata: { name },
      spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage } } },
    });
    expect((await send("POST", `${base}/persistentvolumeclaims`, claim("a", "1Gi", "gold"))).status).toBe(201);
    expect((await send("POST", `${base}/persistentvolumeclaims`, claim("b", "4Gi", "silver"))).status).toBe(201);
    expect(await usedOf(base)).toEqual({
      persistentvolumeclaims: "2",
      "requests.storage": "5Gi",
      [`${gold}/requests.storage`]: "1Gi",
      [`${gold}/persistentvolumeclaims`]: "1",
    });
    const { value } = await send("POST", `${base}/persistentvolumeclaims`, claim("c", "2Gi", "gold"));
    expect(value.message).toContain(`requested: ${gold}/requests.storage=2Gi`);
  });

  test("anything can be counted by its name and group", async () => {
    const base = await limited({ "count/configmaps": "1", configmaps: "1", "count/deployments.apps": "0" });
    expect((await send("POST", `${base}/configmaps`, { metadata: { name: "a" } })).status).toBe(201);
    expect((await send("POST", `${base}/configmaps`, { metadata: { name: "b" } })).value.message).toContain(
      "requested: configmaps=1,count/configmaps=1",
    );
    const template = { metadata: { labels: { a: "b" } }, spec: pod("x").spec };
    const deployment = { metadata: { name: "d" }, spec: { selector: { matchLabels: { a: "b" } }, template } };
    const apps = base.replace("/api/v1", "/apis/apps/v1");
    expect((await send("POST", `${apps}/deployments`, deployment)).value.message).toContain(
      'deployments.apps "d" is forbidden: exceeded quota: q, requested: count/deployments.apps=1',
    );
  });
});

describe("scopes", () => {
  const asks = { requests: { cpu: "1" } };
  test.each<[string, object, object, boolean]>([
    ["Terminating", { scopes: ["Terminating"] }, pod("x", {}, { activeDeadlineSeconds: 5 }), true],
    ["Terminating", { scopes: ["Terminating"] }, pod("x"), false],
    ["NotTerminating", { scopes: ["NotTerminating"] }, pod("x"), true],
    ["BestEffort", { scopes: ["BestEffort"] }, pod("x"), true],
    ["BestEffort", { scopes: ["BestEffort"] }, pod("x", asks), false],
    ["NotBestEffort", { scopes: ["NotBestEffort"] }, pod("x", asks), true],
    [
      "PriorityClass",
      {
        scopeSelector: {
          matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["system-node-critical"] }],
        },
      },
      pod("x", {}, { priorityClassName: "system-node-critical" }),
      true,
    ],
    [
      "PriorityClass",
      { scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "Exists" }] } },
      pod("x"),
      false,
    ],
    [
      "CrossNamespacePodAffinity",
      { scopes: ["CrossNamespacePodAffinity"] },
      pod(
        "x",
        {},
        {
          affinity: {
            podAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [
                { topologyKey: "a", namespaces: ["b"], labelSelector: {} },
              ],
            },
          },
        },
      ),
      true,
    ],
    ["CrossNamespacePodAffinity", { scopes: ["CrossNamespacePodAffinity"] }, pod("x"), false],
  ])("%s decides whether a Pod counts", async (_what, spec, body, counts) => {
    const base = await limited({ pods: "0" }, spec);
    expect((await send("POST", `${base}/pods`, body)).status).toBe(counts ? 403 : 201);
  });
});
