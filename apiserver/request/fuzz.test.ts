/** Whatever clients send: never a failure of the server, never a crash. Objects are bent at random, under a seed. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const container = {
  name: "c",
  image: "i:1",
  ports: [{ name: "http", containerPort: 80 }],
  env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  envFrom: [{ configMapRef: { name: "cm" } }],
  resources: { requests: { cpu: "100m" }, limits: { memory: "64Mi" } },
  livenessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 5 },
  lifecycle: { preStop: { exec: { command: ["true"] } } },
  volumeMounts: [{ name: "v", mountPath: "/v" }],
  securityContext: { runAsUser: 5, capabilities: { add: ["NET_ADMIN"] } },
};
const spec = {
  containers: [container],
  initContainers: [{ name: "i", image: "i:1" }],
  volumes: [
    { name: "v", emptyDir: { sizeLimit: "1Mi" } },
    { name: "p", projected: { sources: [{ secret: { name: "s" } }] } },
  ],
  tolerations: [{ key: "a", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] }],
      },
    },
  },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: "k", whenUnsatisfiable: "DoNotSchedule", labelSelector: { matchLabels: { a: "b" } } },
  ],
  nodeSelector: { a: "b" },
  terminationGracePeriodSeconds: 5,
};
const template = { metadata: { labels: { a: "b" } }, spec };
const selector = { matchLabels: { a: "b" } };

const samples: readonly (readonly [string, object])[] = [
  ["/api/v1/namespaces/default/pods", spec],
  [
    "/api/v1/namespaces/default/services",
    { type: "NodePort", selector: { a: "b" }, ports: [{ port: 80, targetPort: "http" }] },
  ],
  [
    "/apis/apps/v1/namespaces/default/deployments",
    {
      replicas: 1,
      selector,
      template,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 1 } },
    },
  ],
  ["/apis/apps/v1/namespaces/default/statefulsets", { replicas: 1, selector, template, serviceName: "x" }],
  ["/apis/apps/v1/namespaces/default/daemonsets", { selector, template }],
  [
    "/apis/batch/v1/namespaces/default/jobs",
    { template: { spec: { ...spec, restartPolicy: "Never" } }, completions: 1 },
  ],
  [
    "/apis/batch/v1/namespaces/default/cronjobs",
    { schedule: "* * * * *", jobTemplate: { spec: { template: { spec: { ...spec, restartPolicy: "Never" } } } } },
  ],
  ["/apis/policy/v1/namespaces/default/poddisruptionbudgets", { selector, minAvailable: "50%" }],
  [
    "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
    { scaleTargetRef: { kind: "Deployment", name: "x" }, minReplicas: 1, maxReplicas: 3 },
  ],
  [
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
    {
      rules: [
        {
          http: {
            paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "s", port: { number: 80 } } } }],
          },
        },
      ],
    },
  ],
  [
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
    { podSelector: selector, ingress: [{ from: [{ podSelector: {} }] }] },
  ],
  ["/api/v1/nodes", { podCIDR: "10.1.0.0/24", taints: [{ key: "a", effect: "NoSchedule" }] }],
  [
    "/api/v1/namespaces/default/persistentvolumeclaims",
    { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  ],
];

/** Values that are wrong nearly everywhere. */
const bent = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    "",
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 53,
    true,
    [],
    {},
    [null],
    [[]],
    [{}],
    { a: null },
    "x".repeat(300),
  ),
  fc.constantFrom<unknown>("-", "a b", "\u0000", "ä", "1e400", "25%%", "%", "10.0.0.0/33", "*", "/..", "$(A)"),
  fc.jsonValue({ maxDepth: 3 }),
);

/** All places of an object, as paths of keys. */
function placesOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, one]) => placesOf(one, [...path, key]))];
}

function bend(object: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const last = path.at(-1);
  let parent: unknown = object;
  for (const key of path.slice(0, -1)) parent = (parent as Record<string, unknown> | null | undefined)?.[key];
  if (last !== undefined && typeof parent === "object" && parent !== null)
    (parent as Record<string, unknown>)[last] = cloneJson(value);
}

describe.each(samples)("%s", (path, sample) => {
  const whole = { metadata: { labels: { a: "b" }, annotations: { c: "d" } }, spec: sample };
  const places = placesOf(whole).filter((place) => place.length > 0);
  const change = fc.array(fc.tuple(fc.constantFrom(...places), bent), { minLength: 1, maxLength: 3 });

  test("bent objects are refused or stored, and updated likewise", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(change, change, async (first, second) => {
        const object = cloneJson(whole) as Record<string, unknown>;
        for (const [place, value] of first) bend(object, place, value);
        const name = `f-${count++}`;
        const named = (one: Record<string, unknown>) => ({
          ...one,
          metadata: typeof one["metadata"] === "object" && one["metadata"] ? { ...one["metadata"], name } : { name },
        });
        const created = await pipeline.send({ method: "POST", path, body: named(object) });
        expect(created.value.message ?? "").not.toContain("Internal error");
        expect(created.status).toBeLessThan(500);
        if (created.status !== 201) return;

        const next = cloneJson(object);
        for (const [place, value] of second) bend(next, place, value);
        const updated = await pipeline.send({ method: "PUT", path: `${path}/${name}`, body: named(next) });
        expect(updated.value.message ?? "").not.toContain("Internal error");
        expect(updated.status).toBeLessThan(500);
        const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
        expect((await pipeline.send({ path: `${path}/${name}`, headers: table })).status).toBe(200);
        await pipeline.send({ method: "DELETE", path: `${path}/${name}`, body: { gracePeriodSeconds: 0 } });
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

test("text that is nearly JSON or YAML is 400 or read", async () => {
  const text = JSON.stringify({ metadata: { name: "t" }, data: { a: "b" } });
  const broken = fc
    .tuple(fc.nat(text.length), fc.nat(3), fc.string({ maxLength: 4, unit: "binary" }))
    .map(([at, cut, more]) => text.slice(0, at) + more + text.slice(at + cut));
  await fc.assert(
    fc.asyncProperty(broken, fc.constantFrom("application/json", "application/yaml"), async (body, type) => {
      const path = "/api/v1/namespaces/default/configmaps?dryRun=All";
      const { status } = await pipeline.send({ method: "POST", path, body, headers: { "content-type": type } });
      expect(status).toBeLessThan(500);
    }),
    { seed: 7, numRuns: 400 },
  );
});

test("bytes that are nearly protobuf are refused", async () => {
  const magic = "k8s\u0000";
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      const body = magic + Buffer.from(bytes).toString("latin1");
      const path = "/api/v1/namespaces/default/configmaps?dryRun=All";
      const headers = { "content-type": "application/vnd.kubernetes.protobuf" };
      const { status } = await pipeline.send({ method: "POST", path, body, headers });
      // an envelope may be whole and empty: then it is the object that lacks a name
      expect([400, 422]).toContain(status);
    }),
    { seed: 7, numRuns: 400 },
  );
});

test("paths and queries of any kind are answered with a Status at worst", async () => {
  const part = fc.constantFrom(
    "api",
    "apis",
    "v1",
    "apps",
    "namespaces",
    "default",
    "pods",
    "x",
    "watch",
    "proxy",
    "status",
    "..",
    "%2f",
    "%",
    "*",
    "k8ts",
    "history",
    "openapi",
    "v3",
    "readyz",
    "",
  );
  const path = fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join("/")}`);
  const query = fc.constantFrom(
    "",
    "limit=-1",
    "limit=x",
    "continue=e30",
    "labelSelector=,,",
    "fieldSelector==",
    "resourceVersion=x",
    "timeoutSeconds=x",
    "dryRun=x",
    "gracePeriodSeconds=x",
    "tailLines=x",
    "hash=x",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"),
      path,
      query,
      async (method, plain, asked) => {
        if (method === "DELETE") return;
        const stop = new AbortController();
        const { status, body, value } = await pipeline.send({
          method,
          path: asked ? `${plain}?${asked}` : plain,
          signal: stop.signal,
        });
        stop.abort();
        expect(status, `${method} ${plain}?${asked}: ${JSON.stringify(value)}`).not.toBe(500);
        if (status >= 400 && body.kind === "object") expect(value).toMatchObject({ kind: "Status", code: status });
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});
