import { describe, expect, it } from "vitest";
import type { ConfigMap, Container, Secret, Service } from "../../machinery/objects/kinds.ts";
import { type EnvSources, environment } from "./env.ts";
import { expand } from "./expansion.ts";
import { podField, resourceField } from "./fields.ts";
import { aPod, container } from "./pod.fixture.ts";
import { serviceEnv } from "./service-env.ts";

const node = { nodeName: "node-1", hostIPs: ["192.0.2.10"], allocatable: { cpu: "4", memory: "8Gi" } };
const stored = (name: string, data: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "x",
  metadata: { name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" },
  data,
});
const base64 = (text: string) => Buffer.from(text).toString("base64");

const sources: EnvSources = {
  podIPs: ["10.42.0.2"],
  node,
  services: new Map([["DB_SERVICE_HOST", "10.43.0.7"]]),
  configMap: async (_ns, name) =>
    name === "settings" ? (stored(name, { colour: "blue", size: "$(X)" }) as ConfigMap) : undefined,
  secret: async (_ns, name) => (name === "key" ? (stored(name, { pass: base64("s3cret") }) as Secret) : undefined),
  file: async (volume, path) => (volume === "work" && path === "env" ? "SHAPE='round'\n" : undefined),
};

const envOf = async (extra: Partial<Container>) => {
  const list = await environment(aPod({}, { labels: { app: "web" } }), container("main", extra), sources);
  return Object.fromEntries(list.map(({ key, value }) => [key, value]));
};

describe("expansion", () => {
  const cases: readonly [string, string][] = [
    ["$(A)", "1"],
    ["x$(A)y$(B)", "x1y2"],
    ["$(C)", "$(C)"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$A", "$A"],
    ["$(A", "$(A"],
    ["$", "$"],
    ["", ""],
  ];
  it.each(cases)("%s becomes %s", (text, wanted) => {
    expect(expand(text, (name) => ({ A: "1", B: "2" })[name])).toBe(wanted);
  });
});

describe("environment", () => {
  it("takes keys of files that another container wrote", async () => {
    const from = (path: string, key: string, optional = false) => ({
      env: [{ name: "S", valueFrom: { fileKeyRef: { volumeName: "work", path, key, optional } } }],
    });
    expect(await envOf(from("env", "SHAPE"))).toMatchObject({ S: "round" });
    expect(await envOf(from("env", "NONE", true))).not.toHaveProperty("S");
    expect(await envOf(from("none", "SHAPE", true))).not.toHaveProperty("S");
    await expect(envOf(from("env", "NONE"))).rejects.toThrow('key "NONE" not found in file "env"');
    await expect(envOf(from("none", "SHAPE"))).rejects.toThrow('file "none" not found in volume "work"');
  });
  it("takes values, fields, resources and keys", async () => {
    const env = await envOf({
      resources: { requests: { memory: "64Mi" }, limits: { cpu: "250m" } },
      env: [
        { name: "A", value: "a" },
        { name: "B", value: "$(A)-$(DB_SERVICE_HOST)-$(LATER)" },
        { name: "LATER", value: "x" },
        { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
        { name: "LABEL", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
        { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "requests.memory", divisor: "1Mi" } } },
        { name: "NODE_MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
        { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
        { name: "PASS", valueFrom: { secretKeyRef: { name: "key", key: "pass" } } },
        { name: "NONE", valueFrom: { configMapKeyRef: { name: "settings", key: "none", optional: true } } },
      ],
    });
    expect(env).toEqual({
      A: "a",
      B: "a-10.43.0.7-$(LATER)",
      LATER: "x",
      NAME: "web",
      IP: "10.42.0.2",
      LABEL: "web",
      CPU: "250",
      MEMORY: "64",
      NODE_MEMORY: String(8 * 1024 ** 3),
      COLOUR: "blue",
      PASS: "s3cret",
      DB_SERVICE_HOST: "10.43.0.7",
    });
  });

  it("takes whole ConfigMaps and Secrets, which single entries overrule", async () => {
    const env = await envOf({
      envFrom: [
        { prefix: "CFG_", configMapRef: { name: "settings" } },
        { secretRef: { name: "key" } },
        { configMapRef: { name: "none", optional: true } },
      ],
      env: [
        { name: "pass", value: "own" },
        { name: "DB_SERVICE_HOST", value: "mine" },
      ],
    });
    expect(env).toEqual({ CFG_colour: "blue", CFG_size: "$(X)", pass: "own", DB_SERVICE_HOST: "mine" });
  });

  const errors: readonly [string, Partial<Container>, string][] = [
    ["a missing ConfigMap", { envFrom: [{ configMapRef: { name: "none" } }] }, 'configmap "none" not found'],
    [
      "a missing Secret",
      { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "none", key: "x" } } }] },
      'secret "none" not found',
    ],
    [
      "a missing key",
      { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "x" } } }] },
      "couldn't find key x in ConfigMap default/settings",
    ],
    [
      "a missing key of a Secret",
      { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "key", key: "x" } } }] },
      "couldn't find key x in Secret default/key",
    ],
  ];
  it.each(errors)("%s is an error in Kubernetes' words", async (_name, extra, message) => {
    await expect(envOf(extra)).rejects.toThrow(message);
  });
});

describe("fields", () => {
  it("of maps are lines, sorted and quoted", () => {
    const pod = aPod({}, { annotations: { b: 'x"y', a: "1\n2" } });
    expect(podField(pod, "metadata.annotations", [], node)).toBe('a="1\\n2"\nb="x\\"y"');
  });
  it("of other containers need their name", () => {
    const pod = aPod({ containers: [container("main"), container("side", { resources: { limits: { cpu: "2" } } })] });
    expect(resourceField(pod, undefined, { resource: "limits.cpu", containerName: "side" }, node)).toBe("2");
    expect(() => resourceField(pod, undefined, { resource: "limits.cpu", containerName: "none" }, node)).toThrow(
      "container none not found",
    );
  });
});

describe("service variables", () => {
  const service = (name: string, namespace: string, clusterIP: string, ports: object[]) =>
    ({ metadata: { name, namespace }, spec: { clusterIP, ports } }) as unknown as Service;
  const list = [
    service("kubernetes", "default", "10.43.0.1", [{ name: "https", port: 443, protocol: "TCP" }]),
    service("my-db", "shop", "10.43.0.9", [
      { name: "sql", port: 5432 },
      { name: "stats", port: 53, protocol: "UDP" },
    ]),
    service("headless", "shop", "None", [{ port: 80 }]),
    service("other", "elsewhere", "10.43.0.8", [{ port: 80 }]),
  ];

  it("name every Service of the namespace, and the API", () => {
    const env = Object.fromEntries(serviceEnv(list, "shop", true));
    expect(env).toMatchObject({
      KUBERNETES_SERVICE_HOST: "10.43.0.1",
      KUBERNETES_SERVICE_PORT_HTTPS: "443",
      MY_DB_SERVICE_HOST: "10.43.0.9",
      MY_DB_SERVICE_PORT: "5432",
      MY_DB_SERVICE_PORT_STATS: "53",
      MY_DB_PORT: "tcp://10.43.0.9:5432",
      MY_DB_PORT_53_UDP: "udp://10.43.0.9:53",
      MY_DB_PORT_53_UDP_PROTO: "udp",
      MY_DB_PORT_5432_TCP_ADDR: "10.43.0.9",
    });
    expect(Object.keys(env).some((name) => /HEADLESS|OTHER/.test(name))).toBe(false);
  });

  it("are the API's alone without links", () => {
    expect([...serviceEnv(list, "shop", false).keys()].every((name) => name.startsWith("KUBERNETES_"))).toBe(true);
  });
});
