/** Real Pods: the kubelet over a containerd of the test's own, against the real API server pipeline. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import type { Client } from "../machinery/client/client.ts";
import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { createLogger, silent } from "../machinery/process/logging.ts";
import { connectRuntime } from "./cri/client.ts";
import { type CriServer, serveRuntime } from "./cri/server.ts";
import { cgroupDirectories } from "./runtime/containerd/cgroups.ts";
import {
  type ContainerdFixture,
  importTestImage,
  startContainerd,
  TEST_IMAGE,
  whyNoContainerd,
} from "./runtime/containerd/containerd.fixture.ts";

const log = process.env["K8TS_TEST_LOG"]
  ? createLogger({ component: "kubelet", clock: systemClock, write: (line) => process.stderr.write(line) })
  : silent;

describe.skipIf(whyNoContainerd())("real Pods", () => {
  let containerd: ContainerdFixture;
  let server: CriServer;
  let pipeline: Pipeline;
  let node: TestNode;
  let client: Client;

  beforeAll(async () => {
    containerd = await startContainerd();
    const runtime = await containerd.connect();
    await importTestImage(runtime);
    server = await serveRuntime({ runtime, socket: containerd.paths.criSocket, clock: systemClock, log: silent });
    pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
    client = pipeline.client();
    const cri = connectRuntime({ socket: containerd.paths.criSocket });
    node = await startNode(pipeline, { runtime: cri, cgroupRoot: containerd.paths.cgroup, log });
  });

  afterEach(async () => {
    const { items } = await client.list("pods", { namespace: "default" });
    for (const { metadata } of items) await client.delete("pods", metadata, { gracePeriodSeconds: 1 });
    for (const { metadata } of items)
      await podUntil(client, { namespace: "default", name: metadata.name }, (pod) => !pod, 20_000);
  });

  afterAll(async () => {
    await node?.close();
    await pipeline?.close();
    await server?.close();
    await containerd?.stop();
  });

  const ref = (name: string) => ({ namespace: "default", name });
  const ready = (pod: Pod | undefined) =>
    pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  const running = (pod: Pod | undefined) =>
    pod?.status?.containerStatuses?.every(({ state }) => state?.running) ?? false;
  const main = (script: string, extra: Partial<Container> = {}): Container =>
    ({ name: "main", image: TEST_IMAGE, command: ["sh", "-c", script], ...extra }) as Container;
  const create = (name: string, spec: Partial<NonNullable<Pod["spec"]>>, metadata = {}) =>
    client.create("pods", {
      metadata: { name, namespace: "default", ...metadata },
      spec: { nodeName: "node-1", containers: [], ...spec },
    });
  const logOf = async (name: string) => {
    const pod = await client.get("pods", ref(name));
    const directory = join(node.directory, "logs", `default_${name}_${pod.metadata.uid}`, "main");
    return readdirSync(directory)
      .sort()
      .map((file) => readFileSync(join(directory, file), "utf8"))
      .join("")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ").slice(3).join(" "));
  };
  const exec = async (name: string, ...cmd: string[]) => {
    const pod = await client.get("pods", ref(name));
    const containerId = pod.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
    const answer = await node.runtime.execSync({ containerId, cmd, timeout: 5 });
    return Buffer.from(answer.stdout, "base64").toString() + Buffer.from(answer.stderr, "base64").toString();
  };

  it("sees environment, volumes, hosts, DNS and its token", async () => {
    await client.create("configmaps", { metadata: ref("settings"), data: { colour: "blue", "a.conf": "x=1" } });
    await client.create("secrets", { metadata: ref("key"), data: { pass: Buffer.from("s3cret").toString("base64") } });
    const script = [
      'echo "$COLOUR $PASS $POD $CPU $GREETING"',
      "cat /config/a.conf; echo",
      "cat /config/sub/deep; echo",
      "cat /secret/pass; echo",
      "cat /info/labels; echo",
      "cat /one.conf; echo",
      "ls -ld /scratch /memory | tail -n 2",
      "tail -n 1 /etc/hosts",
      "cat /etc/resolv.conf",
      "ls /var/run/secrets/kubernetes.io/serviceaccount",
      "sleep 1000",
    ].join("; ");
    await create(
      "sees",
      {
        securityContext: { fsGroup: 2000 },
        hostAliases: [{ ip: "10.9.9.9", hostnames: ["db"] }],
        containers: [
          main(script, {
            env: [
              { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
              { name: "PASS", valueFrom: { secretKeyRef: { name: "key", key: "pass" } } },
              { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
              { name: "GREETING", value: "hello-$(COLOUR)" },
            ],
            resources: { limits: { cpu: "1500m" } },
            volumeMounts: [
              { name: "config", mountPath: "/config" },
              { name: "secret", mountPath: "/secret" },
              { name: "info", mountPath: "/info" },
              { name: "config", mountPath: "/one.conf", subPath: "a.conf" },
              { name: "scratch", mountPath: "/scratch" },
              { name: "memory", mountPath: "/memory" },
            ],
          }),
        ],
        volumes: [
          {
            name: "config",
            configMap: {
              name: "settings",
              items: [
                { key: "a.conf", path: "a.conf" },
                { key: "colour", path: "sub/deep" },
              ],
            },
          },
          { name: "secret", secret: { secretName: "key" } },
          { name: "info", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
          { name: "scratch", emptyDir: {} },
          { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
        ],
      },
      { labels: { app: "sees" } },
    );
    await podUntil(client, ref("sees"), running);
    await expect.poll(async () => (await logOf("sees")).length, { timeout: 20_000 }).toBeGreaterThan(14);
    const lines = await logOf("sees");
    expect(lines.slice(0, 6)).toEqual(["blue s3cret sees 2 hello-blue", "x=1", "blue", "s3cret", 'app="sees"', "x=1"]);
    expect(lines[6]).toMatch(/^drwxrwsrwx .* root +2000 .*\/memory$/);
    expect(lines[8]).toBe("10.9.9.9\tdb");
    const text = lines.join("\n");
    expect(text).toContain("search default.svc.cluster.local svc.cluster.local cluster.local");
    expect(text).toContain("nameserver 10.43.0.10");
    expect(text).toContain("options ndots:5");
    expect(text).toContain("ca.crt\nnamespace\ntoken");

    await client.patch("configmaps", ref("settings"), { data: { "a.conf": "x=2" } });
    await expect.poll(() => exec("sees", "cat", "/config/a.conf"), { timeout: 20_000 }).toBe("x=2");
    expect(await exec("sees", "cat", "/one.conf")).toBe("x=1");
  });

  it("becomes Ready by an HTTP probe over the Pod network, and answers", async () => {
    const readinessProbe = { httpGet: { path: "/index.html", port: "web" }, periodSeconds: 1 };
    const ports = [{ name: "web", containerPort: 8080 }];
    const script = "echo hello > /srv.html; mkdir -p /srv; echo ok > /srv/index.html; httpd -f -p 8080 -h /srv";
    await create("web", { containers: [main(script, { readinessProbe, ports } as Partial<Container>)] });
    const pod = await podUntil(client, ref("web"), ready);
    const answer = await fetch(`http://${pod?.status?.podIP}:8080/index.html`);
    expect(await answer.text()).toBe("ok\n");
  });

  it("is restarted when its process is killed", async () => {
    await create("killed", { containers: [main("sleep 1000")] });
    const before = await podUntil(client, ref("killed"), running);
    const id = before?.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
    execFileSync("sh", ["-c", `grep -l ${id} /proc/[0-9]*/cgroup | cut -d/ -f3 | xargs kill -9`]);
    const after = await podUntil(
      client,
      ref("killed"),
      (pod) => pod?.status?.containerStatuses?.[0]?.restartCount === 1 && running(pod),
    );
    expect(after?.status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({
      exitCode: 137,
      reason: "Error",
    });
  });

  it("leaves its last words", async () => {
    await create("words", {
      restartPolicy: "Never",
      containers: [main("echo goodbye > /dev/termination-log; exit 4")],
    });
    const pod = await podUntil(client, ref("words"), (one) => one?.status?.phase === "Failed");
    expect(pod?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 4, message: "goodbye\n" });
  });

  it("runs its preStop hook before it is stopped, and leaves no trace", async () => {
    const lifecycle = { preStop: { exec: { command: ["sh", "-c", "echo stopping > /proc/1/fd/1"] } } };
    const script = "trap 'echo terminated; exit 0' TERM; while true; do sleep 0.05; done";
    const pod = await create("polite", {
      containers: [main(script, { lifecycle })],
      volumes: [{ name: "m", emptyDir: { medium: "Memory" } }],
    });
    await podUntil(client, ref("polite"), running);
    const { uid } = pod.metadata;
    expect(cgroupDirectories(join(containerd.paths.cgroup, "kubepods/besteffort", `pod${uid}`)).length).toBeGreaterThan(
      0,
    );
    const began = performance.now();
    await client.delete("pods", ref("polite"), {});
    await podUntil(client, ref("polite"), (one) => !one);
    expect(performance.now() - began).toBeLessThan(25_000); // its grace period is 30 s
    await expect.poll(() => existsSync(join(node.directory, "kubelet", "pods", uid)), { timeout: 20_000 }).toBe(false);
    expect(cgroupDirectories(join(containerd.paths.cgroup, "kubepods/besteffort", `pod${uid}`))).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(uid);
  });

  it("keeps its containers when containerd is killed, whatever its probes cannot find out", async () => {
    const livenessProbe = { exec: { command: ["true"] }, periodSeconds: 1, failureThreshold: 1 };
    await create("alive", { containers: [main("sleep 1000", { livenessProbe })] });
    const before = await podUntil(client, ref("alive"), ready);
    await containerd.kill();
    await systemClock.sleep(3_000);
    await containerd.start();
    await systemClock.sleep(3_000);
    const after = await client.get("pods", ref("alive"));
    expect(after.status?.containerStatuses?.[0]).toMatchObject({
      containerID: before?.status?.containerStatuses?.[0]?.containerID,
      restartCount: 0,
    });
    await podUntil(client, ref("alive"), ready);
  });

  it("tells how long a start takes beside the runtime alone: measured, not judged", async () => {
    const bare: number[] = [];
    for (let run = 0; run < 5; run++) {
      const began = performance.now();
      const metadata = { name: `bare-${run}`, namespace: "bare", uid: `bare-${run}`, attempt: 0 };
      const config = {
        metadata,
        logDirectory: join(node.directory, "bare"),
        linux: { cgroupParent: containerd.paths.cgroup },
      };
      const { podSandboxId } = await node.runtime.runPodSandbox({ config });
      const container = {
        metadata: { name: "main", attempt: 0 },
        image: { image: TEST_IMAGE },
        command: ["sleep", "1000"],
        logPath: "0.log",
      };
      const { containerId } = await node.runtime.createContainer({
        podSandboxId,
        config: container,
        sandboxConfig: config,
      });
      await node.runtime.startContainer({ containerId });
      bare.push(performance.now() - began);
      await node.runtime.stopPodSandbox({ podSandboxId });
      await node.runtime.removePodSandbox({ podSandboxId });
    }
    const own: number[] = [];
    for (let run = 0; run < 5; run++) {
      const began = performance.now();
      await create(`timed-${run}`, { containers: [main("sleep 1000")] });
      await podUntil(client, ref(`timed-${run}`), running);
      own.push(performance.now() - began);
    }
    const median = (list: number[]) => list.sort((a, b) => a - b)[2] as number;
    console.info(`bare ${median(bare).toFixed(0)} ms, through the kubelet ${median(own).toFixed(0)} ms`);
    expect(own).toHaveLength(bare.length);
  });
});
