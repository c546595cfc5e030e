/**
 * Two servers as processes on one etcd, with an agent that joined at one of them: either serves everything, and when one
 * is killed the other leads within seconds, and the agent goes on with it.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { type EtcdServer, hasEtcd, startEtcd } from "../store/etcd/etcd-server.ts";

const MAIN = join(import.meta.dirname, "../../main.ts");
const root = mkdtempSync(join(tmpdir(), "k8ts-two-"));
const children: ChildProcess[] = [];

interface Server {
  readonly child: ChildProcess;
  readonly home: string;
  readonly port: number;
  kubectl(...args: string[]): Promise<{ code: number; text: string }>;
}

function k8ts(home: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, K8TS_HOME: home }, stdio: "ignore" });
  children.push(child);
  return child;
}

async function text(home: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, K8TS_HOME: home, HOME: home };
  return (await promisify(execFile)(process.execPath, [MAIN, ...args], { env, timeout: 120_000 })).stdout.trim();
}

function kubectl(home: string, args: readonly string[]): Promise<{ code: number; text: string }> {
  const env = { ...process.env, K8TS_HOME: home, KUBECONFIG: homePaths(home).adminKubeconfig, HOME: home };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "kubectl", ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? 1 : 0, text: stdout + stderr });
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startServer(name: string, etcd: EtcdServer, more: readonly string[] = []): Promise<Server> {
  const home = join(root, name);
  const port = await freePort();
  const flags = ["--port", String(port), "--store", "etcd", "--etcd-servers", etcd.endpoint, "--node-name", "n1"];
  const child = k8ts(home, ["server", "--no-agent", ...flags, ...more]);
  const server = { child, home, port, kubectl: (...args: string[]) => kubectl(home, args) };
  await eventually(async () => (await server.kubectl("get", "--raw", "/readyz")).text === "ok");
  return server;
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const end = systemClock.monotonic() + POLL.timeout;
  while (!(await holds())) {
    if (systemClock.monotonic() > end) throw new Error(`it never came: ${holds}`);
    await systemClock.sleep(POLL.interval);
  }
}

const POLL = { timeout: 120_000, interval: 500 };

describe.skipIf(!hasEtcd())("two servers", () => {
  let etcd: EtcdServer;
  let one: Server;
  let other: Server;
  beforeAll(async () => {
    etcd = await startEtcd();
    one = await startServer("one", etcd);
    const server = `https://127.0.0.1:${one.port}`;
    const forServers = await text(one.home, ["token", "create", "--servers", "--print", "token"]);
    other = await startServer("other", etcd, ["--server", server, "--token", forServers]);
    const token = await text(one.home, ["token", "create", "--print", "token"]);
    k8ts(join(root, "agent"), ["agent", "--server", server, "--token", token, "--simulated", "--node-name", "w1"]);
    await eventually(async () => /w1 +Ready/.test((await other.kubectl("get", "nodes")).text));
  }, 400_000);
  afterAll(async () => {
    await text(join(root, "agent"), ["down"]);
    for (const child of children) child.kill("SIGKILL");
    await etcd?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const ports = async (server: Server): Promise<number[]> => {
    const path = "jsonpath={.subsets[*].ports[*].port}";
    const { text } = await server.kubectl("get", "endpoints", "kubernetes", "-o", path);
    return text.trim().split(" ").map(Number).sort();
  };
  let pod = "";

  test("default/kubernetes leads to both", async () => {
    for (const server of [one, other]) expect(await ports(server)).toEqual([one.port, other.port].sort());
    const slices = await one.kubectl(
      "get",
      "endpointslices",
      "-l",
      "kubernetes.io/service-name=kubernetes",
      "-o",
      "name",
    );
    expect(slices.text.trim().split("\n")).toHaveLength(2);
  });

  test("logs, exec and the node's proxy are answered by either, wherever the node's tunnel is", async () => {
    await other.kubectl("create", "deployment", "web", "--image", "web:1");
    const pods = async (field: string) =>
      (await one.kubectl("get", "pods", "-l", "app=web", "-o", `jsonpath={.items[*].${field}}`)).text;
    await expect.poll(() => pods("status.phase"), POLL).toBe("Running");
    pod = await pods("metadata.name");
    for (const server of [one, other]) {
      expect(await server.kubectl("logs", pod)).toMatchObject({ code: 0 });
      expect(await server.kubectl("exec", pod, "--", "echo", "hello")).toEqual({ code: 0, text: "hello\n" });
      expect(await server.kubectl("get", "--raw", "/api/v1/nodes/w1/proxy/healthz")).toEqual({ code: 0, text: "ok" });
    }
  });

  test("a port is forwarded through the server that has no tunnel", async () => {
    const port = await freePort();
    const env = { ...process.env, KUBECONFIG: homePaths(other.home).adminKubeconfig };
    const forward = spawn(process.execPath, [MAIN, "kubectl", "port-forward", `pod/${pod}`, `${port}:80`], { env });
    children.push(forward);
    const said = await new Promise<string>((resolve) => forward.stdout.once("data", (data) => resolve(String(data))));
    expect(said).toContain(`Forwarding from 127.0.0.1:${port}`);
    forward.kill("SIGKILL");
  });

  test("without the one that leads, the other takes over, and the endpoints forget it", async () => {
    const leader = async (lease: string) =>
      (await other.kubectl("get", "lease", "-n", "kube-system", lease, "-o", "jsonpath={.spec.holderIdentity}")).text;
    const before = await Promise.all(["kube-controller-manager", "kube-scheduler"].map(leader));
    one.child.kill("SIGKILL"); // it was first, so it leads
    const killed = systemClock.monotonic();
    const forgotten = expect
      .poll(() => ports(other), POLL)
      .toEqual([other.port])
      .then(() => systemClock.monotonic() - killed);
    await other.kubectl("create", "deployment", "late", "--image", "web:1", "--replicas", "1");
    const placed = async () =>
      (await other.kubectl("get", "pods", "-l", "app=late", "-o", "jsonpath={.items[*].spec.nodeName}")).text;
    await expect.poll(placed, POLL).toBe("w1");
    const after = await Promise.all(["kube-controller-manager", "kube-scheduler"].map(leader));
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
    expect(await forgotten).toBeLessThan(60_000);
  }, 300_000);

  test("the agent that joined at the one that is gone goes on with the other", async () => {
    const phases = async () =>
      (await other.kubectl("get", "pods", "-l", "app=late", "-o", "jsonpath={.items[*].status.phase}")).text;
    await expect.poll(phases, POLL).toBe("Running");
    expect(await other.kubectl("exec", pod, "--", "echo", "still here")).toEqual({ code: 0, text: "still here\n" });
    expect((await other.kubectl("get", "nodes", "w1")).text).toMatch(/w1 +Ready/);
    const events = await other.kubectl(
      "get",
      "events",
      "--field-selector",
      "reason=NodeNotReady,source=node-controller",
      "-o",
      "name",
    );
    expect(events.text).toBe("");
  }, 300_000);

  test("a server that stops in order is forgotten at once", async () => {
    const third = await startServer("one", etcd);
    expect(await ports(other)).toEqual([other.port, third.port].sort());
    const ended = new Promise((resolve) => third.child.once("close", resolve));
    third.child.kill("SIGTERM");
    await ended;
    expect(await ports(other)).toEqual([other.port]);
  }, 300_000);
});
