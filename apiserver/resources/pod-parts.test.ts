import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const PODS = "/api/v1/namespaces/default/pods";
const json = (type: string) => ({ "content-type": `application/${type}+json` });

async function create(name: string, spec: object = {}): Promise<void> {
  const containers = [
    {
      name: "c",
      image: "nginx:1.27",
      resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "128Mi" } },
    },
  ];
  const body = { metadata: { name }, spec: { containers, ...spec } };
  expect((await pipeline.send({ method: "POST", path: PODS, body })).status).toBe(201);
}
const get = async (path: string) => (await pipeline.send({ path })).value;
const patch = (path: string, body: unknown, type = "strategic-merge-patch") =>
  pipeline.send({ method: "PATCH", path, headers: json(type), body });
const messages = (answer: { value: { details?: { causes?: { field: string; message: string }[] } } }) =>
  answer.value.details?.causes?.map(({ field, message }) => `${field}: ${message}`);

describe("ephemeral containers", () => {
  const debug = { name: "debug", image: "busybox", targetContainerName: "c", stdin: true, tty: true };

  test("are added through their subresource only, with defaults, and count a generation", async () => {
    await create("e1");
    const direct = await patch(`${PODS}/e1`, { spec: { ephemeralContainers: [debug] } });
    expect(direct.status).toBe(422);
    const added = await patch(`${PODS}/e1/ephemeralcontainers`, {
      metadata: { labels: { ignored: "yes" } },
      spec: { ephemeralContainers: [debug], nodeSelector: { ignored: "yes" } },
    });
    expect(added.status).toBe(200);
    const pod = await get(`${PODS}/e1/ephemeralcontainers`);
    expect(pod.spec.ephemeralContainers).toMatchObject([{ ...debug, imagePullPolicy: "Always" }]);
    expect(pod.spec.nodeSelector).toBeUndefined();
    expect(pod.metadata.labels).toBeUndefined();
    expect(pod.metadata.generation).toBe(2);
  });

  test("are neither changed nor taken away again", async () => {
    await create("e2");
    const path = `${PODS}/e2/ephemeralcontainers`;
    await patch(path, { spec: { ephemeralContainers: [debug] } });
    const changed = await patch(path, { spec: { ephemeralContainers: [{ ...debug, image: "other" }] } });
    expect(messages(changed)?.[0]).toContain('existing ephemeral containers "debug" may not be changed');
    const removed = await patch(path, { spec: { ephemeralContainers: null } }, "merge-patch");
    expect(messages(removed)).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n',
    ]);
  });

  test("have nothing that a service would rely on", async () => {
    await create("e3");
    const bad = { ...debug, ports: [{ containerPort: 1 }], livenessProbe: { exec: { command: ["x"] } }, name: "c" };
    const answer = await patch(`${PODS}/e3/ephemeralcontainers`, { spec: { ephemeralContainers: [bad] } });
    expect(messages(answer)).toEqual([
      'spec.ephemeralContainers[0].name: Duplicate value: "c"',
      "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
      "spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
    ]);
  });

  test("are not there at a Pod's creation", async () => {
    const body = {
      metadata: { name: "e4" },
      spec: { containers: [{ name: "c", image: "i:1" }], ephemeralContainers: [debug] },
    };
    const answer = await pipeline.send({ method: "POST", path: PODS, body });
    expect(messages(answer)).toEqual(["spec.ephemeralContainers: Forbidden: cannot be set on create"]);
  });
});

describe("resize", () => {
  const resources = (resources: object) => ({ spec: { containers: [{ name: "c", resources }] } });

  test("changes cpu and memory, and nothing else", async () => {
    await create("r1");
    const answer = await patch(`${PODS}/r1/resize`, {
      spec: { nodeSelector: { a: "b" }, ...resources({ requests: { cpu: "200m" }, limits: { memory: "1Gi" } }).spec },
    });
    expect(answer.status).toBe(200);
    const pod = await get(`${PODS}/r1`);
    expect(pod.spec.containers[0].resources).toEqual({
      requests: { cpu: "200m", memory: "64Mi" },
      limits: { memory: "1Gi" },
    });
    expect(pod.spec.nodeSelector).toBeUndefined();
    expect(pod.metadata.generation).toBe(2);
  });

  test.each([
    [
      "another class of service",
      resources({ limits: { cpu: "100m", memory: "64Mi" } }),
      "Pod QOS Class may not change",
    ],
    [
      "other resources",
      resources({ requests: { "ephemeral-storage": "1Gi" } }),
      "only cpu and memory resources are mutable",
    ],
    ["less than was asked for at all", resources({ limits: { memory: null } }), "resource limits cannot be removed"],
  ])("refuses %s", async (what, body, text) => {
    const name = `r-${what.length}`;
    await create(name);
    const answer = await patch(`${PODS}/${name}/resize`, body);
    expect(answer.status).toBe(422);
    expect(messages(answer)?.join()).toContain(text);
  });

  test("says so where the node cannot do it", async () => {
    await create("r3");
    const status = {
      containerStatuses: [{ name: "c", image: "i", imageID: "", ready: true, restartCount: 0, state: { running: {} } }],
    };
    await patch(`${PODS}/r3/status`, { status }, "merge-patch");
    const answer = await patch(`${PODS}/r3/resize`, resources({ requests: { cpu: "200m" } }));
    expect(messages(answer)).toEqual(["spec: Forbidden: Pod running on node without support for resize"]);
  });

  test("is the only way to another size", async () => {
    await create("r4");
    const answer = await patch(`${PODS}/r4`, resources({ requests: { cpu: "200m" } }));
    expect(messages(answer)?.[0]).toContain("pod updates may not change fields other than");
  });
});
