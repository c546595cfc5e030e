/** Limit ranges: what Pods get from them, and in which words they refuse. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const send = (method: string, path: string, body?: unknown) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });

let namespaces = 0;
async function within(...limits: object[]): Promise<string> {
  const name = `ranged-${namespaces++}`;
  const base = `/api/v1/namespaces/${name}`;
  await send("POST", "/api/v1/namespaces", { metadata: { name } });
  await send("POST", `${base}/serviceaccounts`, { metadata: { name: "default" } });
  const { status } = await send("POST", `${base}/limitranges`, { metadata: { name: "r" }, spec: { limits } });
  expect(status).toBe(201);
  return base;
}
const pod = (...resources: object[]) => ({
  metadata: { name: "x" },
  spec: { containers: resources.map((one, index) => ({ name: `c${index}`, image: "i:1", resources: one })) },
});

test("a Pod gets the defaults that it does not say, and is told so", async () => {
  const base = await within({
    type: "Container",
    default: { cpu: "500m", memory: "512Mi" },
    defaultRequest: { cpu: "100m" },
  });
  const { value } = await send("POST", `${base}/pods`, {
    ...pod({ limits: { cpu: "1" } }),
    spec: { ...pod({ limits: { cpu: "1" } }).spec, initContainers: [{ name: "i", image: "i:1" }] },
  });
  expect(value.spec.containers[0].resources).toEqual({
    limits: { cpu: "1", memory: "512Mi" },
    requests: { cpu: "1", memory: "512Mi" },
  });
  expect(value.spec.initContainers[0].resources.requests.cpu).toBe("100m");
  expect(value.metadata.annotations["kubernetes.io/limit-ranger"]).toBe(
    "LimitRanger plugin set: memory request for container c0; memory limit for container c0; cpu, memory request for init container i; cpu, memory limit for init container i",
  );
});

test.each<[string, object, object, string]>([
  [
    "less than the least",
    { type: "Container", min: { memory: "100Mi" } },
    pod({ requests: { memory: "50Mi" } }),
    "minimum memory usage per Container is 100Mi, but request is 50Mi",
  ],
  [
    "no request where there is a least",
    { type: "Pod", min: { cpu: "1" } },
    pod({}),
    "minimum cpu usage per Pod is 1.  No request is specified",
  ],
  [
    "more than the most",
    { type: "Container", max: { cpu: "1" } },
    pod({ limits: { cpu: "2" } }),
    "maximum cpu usage per Container is 1, but limit is 2",
  ],
  [
    "no limit where there is a most",
    { type: "Pod", max: { memory: "1Gi" } },
    pod({}),
    "maximum memory usage per Pod is 1Gi.  No limit is specified",
  ],
  [
    "more than the most together",
    { type: "Pod", max: { cpu: "1" } },
    pod({ limits: { cpu: "600m" } }, { limits: { cpu: "600m" } }),
    "maximum cpu usage per Pod is 1, but limit is 1200m",
  ],
  [
    "too high a ratio",
    { type: "Container", maxLimitRequestRatio: { cpu: "2" } },
    pod({ requests: { cpu: "100m" }, limits: { cpu: "300m" } }),
    "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
  ],
  [
    "two of these",
    { type: "Container", min: { cpu: "1" }, max: { memory: "1Gi" } },
    pod({ requests: { cpu: "500m" }, limits: { memory: "2Gi" } }),
    "[minimum cpu usage per Container is 1, but request is 500m, maximum memory usage per Container is 1Gi, but limit is 2Gi]",
  ],
])("a Pod with %s is refused", async (_what, limit, body, message) => {
  const base = await within(limit);
  const { status, value } = await send("POST", `${base}/pods`, body);
  expect([status, value.message]).toEqual([403, `pods "x" is forbidden: ${message}`]);
});

test("a claim must ask for as much as the range says", async () => {
  const base = await within({ type: "PersistentVolumeClaim", min: { storage: "1Gi" }, max: { storage: "2Gi" } });
  const claim = (storage: string) => ({
    metadata: { name: "x" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
  });
  expect((await send("POST", `${base}/persistentvolumeclaims`, claim("3Gi"))).value.message).toBe(
    'persistentvolumeclaims "x" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
  );
  expect((await send("POST", `${base}/persistentvolumeclaims`, claim("1Gi"))).status).toBe(201);
});
