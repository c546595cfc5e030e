/** Configuration: environment, volumes and names that a Pod is given, on any runtime; as the kubelet lays them out. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { isReady, mainOf, type PodLab, stays, waitsFor } from "../../e2e/harness/pod-lab.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

export function configurationCases(lab: () => PodLab): void {
  describe("a Pod that is configured", { concurrent: true }, () => {
    it("has its environment from values, objects, fields and resources", async ({ expect }) => {
      const { create, until, exec, client, ref } = lab();
      const [settings, key] = [ref("settings"), ref("key")];
      await client.create("configmaps", { metadata: settings, data: { colour: "blue", "not-a-name": "kept" } });
      await client.create("secrets", { metadata: key, data: { pass: base64("s3cret") } });
      const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
      const container = stays({
        envFrom: [{ configMapRef: { name: settings.name }, prefix: "ALL_" }],
        env: [
          { name: "COLOUR", valueFrom: { configMapKeyRef: { name: settings.name, key: "colour" } } },
          { name: "PASS", valueFrom: { secretKeyRef: { name: key.name, key: "pass" } } },
          { name: "NONE", valueFrom: { secretKeyRef: { name: "none", key: "pass", optional: true } } },
          { name: "POD", ...field("metadata.name") },
          { name: "APP", ...field("metadata.labels['app']") },
          { name: "NODE", ...field("spec.nodeName") },
          { name: "IP", ...field("status.podIP") },
          { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
          { name: "MIB", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
          { name: "GREETING", value: "hello-$(COLOUR)-$$(COLOUR)-$(MISSING)" },
        ],
        resources: { limits: { cpu: "1500m", memory: "32Mi" } },
      });
      const pod = await until(await create("env", { containers: [container] }), isReady);
      const lines = (await exec(pod, "env")).split("\n");
      expect(lines).toEqual(
        expect.arrayContaining([
          "ALL_colour=blue",
          "ALL_not-a-name=kept",
          "COLOUR=blue",
          "PASS=s3cret",
          `POD=${pod.metadata.name}`,
          "APP=env",
          "NODE=node-1",
          `IP=${pod.status?.podIP}`,
          "CPU=2",
          "MIB=32",
          "GREETING=hello-blue-$(COLOUR)-$(MISSING)",
          "KUBERNETES_SERVICE_HOST=10.43.0.1",
        ]),
      );
      expect(lines.filter((line) => line.startsWith("NONE="))).toEqual([]);
    });

    it("finds objects, fields and a token in one volume", async ({ expect }) => {
      const { create, until, file, paths, client, ref } = lab();
      const [settings, key] = [ref("settings"), ref("key")];
      await client.create("configmaps", { metadata: settings, data: { colour: "blue" } });
      await client.create("secrets", {
        metadata: key,
        data: { pass: base64("sesame"), other: base64("not asked for") },
      });
      const sources = [
        { configMap: { name: settings.name } },
        { secret: { name: key.name, items: [{ key: "pass", path: "deep/pass" }] } },
        { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
        { serviceAccountToken: { path: "token", audience: "vault", expirationSeconds: 600 } },
      ];
      const spec = {
        containers: [stays({ volumeMounts: [{ name: "it", mountPath: "/it" }] })],
        volumes: [{ name: "it", projected: { sources } }],
      };
      const { metadata } = await until(await create("projected", spec), isReady);
      const read = (path: string) => file(join(paths.volume(metadata.uid, "it"), path));
      expect(["colour", "deep/pass", "labels"].map(read)).toEqual(["blue", "sesame", 'app="projected"\n'.trim()]);
      expect(() => read("other")).toThrow("ENOENT");
      const [, claims = ""] = read("token").split(".");
      expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
        aud: ["vault"],
        sub: "system:serviceaccount:default:default",
        "kubernetes.io": { pod: { name: metadata.name, uid: metadata.uid }, node: { name: "node-1" } },
      });
    });

    it("sees the changes of what it refers to, however many there are", async ({ expect }) => {
      const { create, until, file, paths, client, ref } = lab();
      const settings = ref("settings");
      await client.create("configmaps", { metadata: settings, data: { count: "0" } });
      const spec = {
        containers: [stays({ volumeMounts: [{ name: "v", mountPath: "/v" }] })],
        volumes: [{ name: "v", configMap: { name: settings.name } }],
      };
      const { metadata } = await until(await create("follows", spec), isReady);
      const read = () => file(join(paths.volume(metadata.uid, "v"), "count"));
      expect(read()).toBe("0");
      for (let count = 1; count <= 30; count++)
        await client.patch("configmaps", settings, { data: { count: String(count) } });
      await expect.poll(read, { timeout: 20_000 }).toBe("30");
    });

    it("waits for what its environment refers to", async ({ expect }) => {
      const { create, until, client, ref } = lab();
      const settings = ref("settings");
      const env = [{ name: "COLOUR", valueFrom: { configMapKeyRef: { name: settings.name, key: "colour" } } }];
      const pod = await create("waits", { containers: [stays({ env })] });
      const waiting = await until(pod, waitsFor("CreateContainerConfigError"));
      expect(mainOf(waiting)?.state?.waiting?.message).toBe(`configmap "${settings.name}" not found`);
      await client.create("configmaps", { metadata: settings, data: { colour: "blue" } });
      await until(pod, isReady);
    });

    it("waits for what its volume refers to", async ({ expect }) => {
      const { create, until, told, client, ref } = lab();
      const key = ref("key");
      const spec = {
        containers: [stays({ volumeMounts: [{ name: "it", mountPath: "/it" }] })],
        volumes: [{ name: "it", secret: { secretName: key.name } }],
      };
      const pod = await create("lacks", spec);
      await expect
        .poll(() => told(pod), { timeout: 30_000 })
        .toContain(`FailedMount MountVolume.SetUp failed for volume "it" : secret "${key.name}" not found`);
      expect(mainOf(await until(pod, waitsFor("ContainerCreating")))?.started).toBe(false);
      await client.create("secrets", { metadata: key, data: { pass: base64("sesame") } });
      await until(pod, isReady);
    });

    it("is told that a path of the host is not of the kind that it names", async ({ expect }) => {
      const { create, told } = lab();
      const spec = {
        containers: [stays({ volumeMounts: [{ name: "it", mountPath: "/it" }] })],
        volumes: [{ name: "it", hostPath: { path: tmpdir(), type: "File" } }],
      };
      const pod = await create("missing", spec);
      await expect
        .poll(() => told(pod), { timeout: 30_000 })
        .toMatch(
          /FailedMount MountVolume\.SetUp failed for volume "it" : hostPath type check failed: .* is not a file/,
        );
    });

    it("has the name that it asks for, and knows the hosts that it names", async ({ expect }) => {
      const { create, until, exec, file, paths } = lab();
      const named = { hostname: "a", subdomain: "web", setHostnameAsFQDN: true };
      const hostAliases = [{ ip: "10.9.9.9", hostnames: ["db", "store"] }];
      const pod = await until(await create("named", { ...named, hostAliases }), isReady);
      expect(await exec(pod, "hostname")).toBe("a.web.default.svc.cluster.local\n");
      const hosts = file(paths.hosts(pod.metadata.uid)).trim().split("\n");
      expect(hosts).toContain(`${pod.status?.podIP}\ta.web.default.svc.cluster.local\ta`);
      expect(hosts.at(-1)).toBe("10.9.9.9\tdb\tstore");
    });
  });
}
