/** What a Pod's spec asks of the kernel, on real containers: cgroups, resize, users, profiles, namespaces, runtimes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podUntil } from "../e2e/harness/node.ts";
import { type RealNode, startRealNode } from "../e2e/harness/real-node.ts";
import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { createLogger } from "../machinery/process/logging.ts";
import { standardSettings } from "./configuration.ts";
import { cgroupDirectories } from "./runtime/containerd/cgroups.ts";
import { TEST_IMAGE, whyNoContainerd } from "./runtime/containerd/containerd.fixture.ts";

const log = process.env["K8TS_TEST_LOG"]
  ? createLogger({ component: "kubelet", clock: systemClock, write: (line) => process.stderr.write(line) })
  : undefined;
const MIB = 1024 * 1024;
const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
/** crun refuses machines that have controllers on both versions of cgroups. */
function crunRuns(): boolean {
  const mixed = "/sys/fs/cgroup/unified/cgroup.controllers";
  if (!existsSync("/usr/bin/crun")) return false;
  return unified || !existsSync(mixed) || readFileSync(mixed, "utf8").trim() === "";
}

type Spec = Partial<NonNullable<Pod["spec"]>>;

const ref = (name: string) => ({ namespace: "default", name });
const sleeps = (extra: object = {}, name = "main"): Container =>
  ({ name, image: TEST_IMAGE, command: ["sh", "-c", "sleep 1000 & wait"], ...extra }) as Container;
const says = (script: string, extra: object = {}, name = "main"): Container =>
  sleeps({ command: ["sh", "-c", script], ...extra }, name);
const size = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
const statuses = (pod: Pod | undefined) => [
  ...(pod?.status?.containerStatuses ?? []),
  ...(pod?.status?.initContainerStatuses ?? []),
];
const main = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];
const running = (pod: Pod | undefined) =>
  pod?.status?.phase === "Running" && statuses(pod).every(({ state }) => state?.running);
const ended = (pod: Pod | undefined) => pod?.status?.phase === "Succeeded" || pod?.status?.phase === "Failed";

/** File ► value, of a cgroup, as on version 1. */
function limitsOf(path: string) {
  const [cpu, memory] = ["cpu", "memory"].map((controller) =>
    cgroupDirectories(path).find((directory) => unified || directory.startsWith(`/sys/fs/cgroup/${controller}/`)),
  );
  const read = (directory: string | undefined, file: string) =>
    readFileSync(join(directory ?? "", file), "utf8").trim();
  if (unified) {
    const [quota] = read(cpu, "cpu.max").split(" ");
    return { quota: Number(quota), memory: Number(read(memory, "memory.max")) };
  }
  return {
    quota: Number(read(cpu, "cpu.cfs_quota_us")),
    memory: Number(read(memory, "memory.limit_in_bytes")),
  };
}

describe.skipIf(whyNoContainerd())("what a Pod asks of the kernel", () => {
  let real: RealNode;
  const create = (name: string, spec: Spec, metadata = {}) =>
    real.client.create("pods", {
      metadata: { ...ref(name), ...metadata },
      spec: { nodeName: "node-1", containers: [], terminationGracePeriodSeconds: 1, ...spec },
    });
  const until = (name: string, matches: (pod: Pod | undefined) => boolean) =>
    podUntil(real.client, ref(name), matches, 60_000) as Promise<Pod>;
  const up = async (name: string, spec: Spec) => {
    await create(name, spec);
    return until(name, running);
  };
  /** What a container that ends says. */
  const output = async (name: string, spec: Spec) => {
    await create(name, { restartPolicy: "Never", ...spec });
    return real.logOf(await until(name, ended));
  };
  const resize = (name: string, resources: object) =>
    real.client.patch(
      "pods",
      ref(name),
      { spec: { containers: [{ name: "main", resources }] } },
      { type: "strategic", subresource: "resize" },
    );
  const events = async (name: string) => {
    const { items } = await real.client.list("events", { namespace: "default" });
    return items.filter(({ involvedObject }) => involvedObject.name === name);
  };
  const podCgroup = ({ metadata: { uid } }: Pod, tier = "") =>
    join(real.containerd.paths.cgroup, "kubepods", tier, `pod${uid}`);
  const idOf = (pod: Pod) => main(pod)?.containerID?.replace("containerd://", "") ?? "";

  beforeAll(async () => {
    const settings = { ...standardSettings, podPidsLimit: 64, allowedUnsafeSysctls: ["kernel.msgmax"] };
    real = await startRealNode({ settings, ...(log ? { log } : {}) });
    const profiles = join(real.node.directory, "kubelet", "seccomp");
    mkdirSync(profiles, { recursive: true });
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
    writeFileSync(
      join(profiles, "no-mkdir.json"),
      JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }),
    );
  });
  afterAll(async () => {
    await real?.clear();
    await real?.close();
  });

  it("stands in the cgroup of its class, within its own limits and what the node has for Pods", async () => {
    const resources = { requests: { cpu: "50m", memory: "16Mi" }, limits: { cpu: "200m", memory: "32Mi" } };
    const pod = await up("burstable", { containers: [sleeps({ resources })] });
    const tree = join(real.containerd.paths.cgroup, "kubepods");
    expect(limitsOf(podCgroup(pod, "burstable"))).toEqual({ quota: 20_000, memory: 32 * MIB });
    expect(limitsOf(join(podCgroup(pod, "burstable"), idOf(pod)))).toEqual({ quota: 20_000, memory: 32 * MIB });
    expect(limitsOf(tree).memory).toBeGreaterThan(256 * MIB);
    const pids = cgroupDirectories(podCgroup(pod, "burstable")).map((directory) => join(directory, "pids.max"));
    expect(pids.filter(existsSync).map((file) => readFileSync(file, "utf8").trim())).toContain("64");
    if (unified) return;
    const shares = (path: string) => Number(readFileSync(join("/sys/fs/cgroup/cpu", path, "cpu.shares"), "utf8"));
    expect(shares(podCgroup(pod, "burstable"))).toBe(51);
    await expect.poll(() => shares(join(tree, "burstable"))).toBeGreaterThanOrEqual(51);
    expect(shares(join(tree, "besteffort"))).toBe(2);
  });

  it("is limited as a whole, its containers within that", async () => {
    const resources = { requests: { cpu: "100m" }, limits: { cpu: "300m", memory: "48Mi" } };
    const containers = [sleeps(), sleeps({ resources: { limits: { memory: "16Mi" } } }, "second")];
    const pod = await up("whole", { resources, containers } as Spec);
    const cgroup = podCgroup(pod, "burstable");
    const second = pod.status?.containerStatuses?.[1]?.containerID?.replace("containerd://", "") ?? "";
    expect(limitsOf(cgroup)).toEqual({ quota: 30_000, memory: 48 * MIB });
    expect(limitsOf(join(cgroup, idOf(pod)))).toEqual({ quota: 30_000, memory: 48 * MIB });
    expect(limitsOf(join(cgroup, second))).toEqual({ quota: 30_000, memory: 16 * MIB });

    const larger = { requests: { cpu: "100m" }, limits: { cpu: "400m", memory: "64Mi" } };
    await real.client.patch("pods", ref("whole"), { spec: { resources: larger } } as never, {
      type: "strategic",
      subresource: "resize",
    });
    await until("whole", (one) => one?.status?.resources?.limits?.["memory"] === "64Mi");
    expect(limitsOf(cgroup)).toEqual({ quota: 40_000, memory: 64 * MIB });
    expect(limitsOf(join(cgroup, idOf(pod)))).toEqual({ quota: 40_000, memory: 64 * MIB });
    expect(limitsOf(join(cgroup, second))).toEqual({ quota: 40_000, memory: 16 * MIB });
  });

  it("is resized while it runs, up and down, and never below what it uses", async () => {
    const before = await up("sized", { containers: [sleeps({ resources: size("100m", "32Mi") })] });
    const inPlace = (memory: string) => (pod: Pod | undefined) =>
      main(pod)?.resources?.limits?.["memory"] === memory &&
      !pod?.status?.conditions?.some(({ type }) => type === "PodResizeInProgress");
    for (const [cpu, memory, quota] of [
      ["250m", "64Mi", 25_000],
      ["50m", "24Mi", 5_000],
    ] as const) {
      await resize("sized", size(cpu, memory));
      const pod = await until("sized", inPlace(memory));
      expect(main(pod)).toMatchObject({ containerID: main(before)?.containerID, restartCount: 0 });
      const limits = { quota, memory: Number.parseInt(memory, 10) * MIB };
      expect(limitsOf(podCgroup(pod))).toEqual(limits);
      expect(limitsOf(join(podCgroup(pod), idOf(pod)))).toEqual(limits);
    }
    await real.exec(before, ["sh", "-c", "dd if=/dev/zero of=/dev/shm/full bs=1M count=12 2>/dev/null"]);
    await resize("sized", size("50m", "8Mi"));
    const stuck = await until(
      "sized",
      (pod) => pod?.status?.conditions?.some(({ reason }) => reason === "Error") ?? false,
    );
    expect(stuck.status?.conditions?.find(({ reason }) => reason === "Error")).toMatchObject({
      type: "PodResizeInProgress",
      message: expect.stringMatching(
        /^attempting to set container "main" memory limit \(8388608\) below current usage/,
      ),
    });
    await resize("sized", size("50m", "24Mi"));
    await until("sized", inPlace("24Mi"));
  });

  it("runs as the users and groups it names, with no more rights than it is given", async () => {
    const script = [
      "busybox id",
      "busybox grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | busybox tr '\\t\\n' '  '; echo",
      "busybox touch /file 2>/dev/null && echo written || echo read-only",
    ].join("; ");
    const securityContext = { fsGroup: 3000, supplementalGroups: [4000], runAsUser: 1, runAsGroup: 2 };
    const own = {
      runAsUser: 1000,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    };
    expect(await output("humble", { securityContext, containers: [says(script, { securityContext: own })] })).toEqual([
      "uid=1000 gid=2 groups=2,3000,4000",
      "CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 ",
      "read-only",
    ]);
    const group = { runAsGroup: 7 };
    expect(await output("grouped", { securityContext: group, containers: [says(script)] })).toMatchObject({
      0: expect.stringContaining("uid=0(root) gid=7"),
      1: expect.stringContaining("NoNewPrivs: 0 Seccomp: 0"),
      2: "written",
    });
  });

  it("is kept from system calls by a profile of the node's", async () => {
    const seccompProfile = { type: "Localhost", localhostProfile: "no-mkdir.json" };
    const script = "busybox mkdir /dir 2>&1; touch /file; echo done";
    const [refused] = await output("profiled", { securityContext: { seccompProfile }, containers: [says(script)] });
    expect(refused).toContain("Operation not permitted");
  });

  it("sees the parts of /proc that are hidden from it only when it is privileged", async () => {
    const script = "busybox grep -c ' /proc/sys proc ro' /proc/mounts; busybox grep -c ' /proc/keys ' /proc/mounts";
    expect(await output("masked", { containers: [says(script)] })).toEqual(["1", "1"]);
    const privileged = { securityContext: { privileged: true } };
    expect(await output("open", { containers: [says(script, privileged)] })).toEqual(["0", "0"]);
  });

  it("has sysctls of its own, if they are allowed", async () => {
    const sysctls = [
      { name: "net/ipv4/ip_unprivileged_port_start", value: "81" },
      { name: "kernel.msgmax", value: "12345" },
    ];
    const script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax";
    expect(await output("tuned", { securityContext: { sysctls }, containers: [says(script)] })).toEqual([
      "81",
      "12345",
    ]);
    await create("bold", {
      securityContext: { sysctls: [{ name: "kernel.sem", value: "1" }] },
      containers: [sleeps()],
    });
    expect((await until("bold", ended)).status).toMatchObject({
      reason: "SysctlForbidden",
      message: 'Pod was rejected: forbidden sysctl: "kernel.sem" not allowlisted',
    });
  });

  it("shares what it asks to share: processes among its containers, or with the host", async () => {
    const names = "cat /proc/[0-9]*/comm 2>/dev/null | busybox sort -u | busybox tr '\\n' ' '; echo; busybox hostname";
    const shared = await up("shared", {
      shareProcessNamespace: true,
      containers: [sleeps({}, "one"), sleeps({}, "two")],
    });
    expect(await real.exec(shared, ["cat", "/proc/1/comm"])).toBe("pause\n");
    const alone = await up("alone", { containers: [sleeps()] });
    expect(await real.exec(alone, ["cat", "/proc/1/comm"])).toBe("sh\n");
    const [processes = "", name] = await output("guest", {
      hostPID: true,
      hostIPC: true,
      hostNetwork: true,
      containers: [says(names)],
    });
    expect(processes).toContain("containerd");
    expect(name).toBe(hostname());
  });

  it("has the name that it asks for, and dies first when it asks for nothing", async () => {
    const script = "busybox hostname; tail -n 1 /etc/hosts; cat /proc/self/oom_score_adj";
    const named = { hostname: "a", subdomain: "web", setHostnameAsFQDN: true };
    expect(await output("named", { ...named, containers: [says(script)] })).toEqual([
      "a.web.default.svc.cluster.local",
      expect.stringMatching(/^10\.\d+\.\d+\.\d+\ta\.web\.default\.svc\.cluster\.local\ta$/),
      "1000",
    ]);
  });

  it("lets an ephemeral container look at the processes of its target", async () => {
    await up("target", { containers: [says("exec sleep 4321")] });
    const container = says("cat /proc/1/cmdline | busybox tr '\\0' ' '; echo", { targetContainerName: "main" }, "look");
    const { resources: _none, ...ephemeral } = container;
    await real.client.patch(
      "pods",
      ref("target"),
      { spec: { ephemeralContainers: [ephemeral] } },
      { type: "strategic", subresource: "ephemeralcontainers" },
    );
    const pod = await until("target", (one) =>
      Boolean(one?.status?.ephemeralContainerStatuses?.[0]?.state?.terminated),
    );
    expect(real.logOf(pod, "look")).toEqual(["sleep 4321 "]);
    expect(pod.status?.phase).toBe("Running");
  });

  it("takes environment variables from a file that its init container wrote", async () => {
    const volumeMounts = [{ name: "shared", mountPath: "/shared" }];
    const fileKeyRef = { volumeName: "shared", path: "env", key: "SHAPE" };
    const init = says(`echo "SHAPE='round'" > /shared/env`, { volumeMounts }, "init");
    const containers = [says("echo $SHAPE", { env: [{ name: "SHAPE", valueFrom: { fileKeyRef } }] })];
    const volumes = [{ name: "shared", emptyDir: {} }];
    expect(await output("filed", { initContainers: [init], containers, volumes })).toEqual(["round"]);
  });

  it("is not run with the host's users where it asks for its own and the runtime has none", async () => {
    const { status } = await real.client.get("nodes", { name: "node-1" });
    if (status?.runtimeHandlers?.some(({ features }) => features?.userNamespaces)) return;
    await create("own-users", { hostUsers: false, containers: [sleeps()] });
    await expect
      .poll(async () => (await events("own-users")).map(({ message }) => message), { timeout: 20_000 })
      .toContainEqual(expect.stringMatching(/^Failed to create pod sandbox: a user namespace needs containerd 2.0/));
  });

  it("runs under the runtime that its class names", async () => {
    const handlers = crunRuns() ? ["runc", "crun"] : ["runc"];
    for (const handler of [...handlers, "gone"]) {
      await real.client.create("runtimeclasses", { metadata: { name: `by-${handler}` }, handler } as never);
    }
    const { status } = await real.client.get("nodes", { name: "node-1" });
    expect(status?.runtimeHandlers?.map(({ name }) => name)).toEqual(expect.arrayContaining(["", ...handlers]));
    await create("by-gone", { runtimeClassName: "by-gone", containers: [sleeps()] });
    for (const handler of handlers) {
      const pod = await up(`by-${handler}`, {
        runtimeClassName: `by-${handler}`,
        containers: [sleeps({ resources: size("100m", "32Mi") })],
      });
      const state = join(real.containerd.paths.containerd, "state", handler, "k8s.io", idOf(pod));
      expect(existsSync(state)).toBe(true);
      expect(limitsOf(join(podCgroup(pod), idOf(pod)))).toEqual({ quota: 10_000, memory: 32 * MIB });
      expect(await real.exec(pod, ["echo", handler])).toBe(`${handler}\n`);
    }
    await expect
      .poll(async () => (await events("by-gone")).map(({ reason, message }) => `${reason}: ${message}`), {
        timeout: 25_000,
      })
      .toContainEqual(expect.stringMatching(/^FailedCreatePodSandBox: .*no runtime for "gone" is configured/));
  });
});
