/**
 * Three virtual machines with systemd and cgroup v2, as the README has people set them up: joined by services of
 * systemd, an application across them, limits that bite, one machine replaced, all rebooted.
 *
 * Its own command (npm run e2e:vm): emulated, it takes long. Needs root, qemu-system-x86, debootstrap and mke2fs.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { canRunContainers, eventually } from "../harness/cluster.ts";
import { ours, realKubectls } from "../harness/kubectls.ts";
import { createMachines, type Machines } from "../harness/machines.ts";
import { isReady, pod } from "../harness/pods.ts";
import { baseDisk, IMAGES } from "./disk.ts";
import { canVirtualize, startVm, type Vm } from "./vm.ts";

const exec = promisify(execFile);
const kubectl = realKubectls().at(-1) ?? ours;
/** Emulated processors are some 50 times slower. */
const PATIENCE = canVirtualize() ? 1 : 10;
const minutes = (count: number) => count * 60_000 * PATIENCE;

describe.skipIf(!canRunContainers)("virtual machines", () => {
  let directory: string;
  let machines: Machines;
  let server: Vm;
  const vms = new Map<string, Vm>();
  let boot: Awaited<ReturnType<typeof baseDisk>>;
  let kubeconfig: string;

  const run = async (...args: string[]) => {
    const [file = "", ...rest] = [...machines.outside, ...kubectl.command, "--kubeconfig", kubeconfig, ...args];
    return (await exec(file, rest, { maxBuffer: 64 * 1024 * 1024 })).stdout;
  };
  const apply = async (manifest: string) => {
    const file = join(directory, "manifest.yaml");
    writeFileSync(file, manifest);
    return run("apply", "-f", file);
  };
  const list = async <T>(...what: string[]) =>
    (JSON.parse(await run("get", ...what, "-o", "json")) as { items: T[] }).items;
  const start = async (name: string, number: number) => {
    const vm = await startVm({ machines, name, number, boot, directory });
    vms.set(name, vm);
    return vm;
  };
  const nodesReady = async (...names: string[]) =>
    eventually(
      `nodes ${names.join(", ")} to be Ready`,
      async () => {
        const ready = (await list<Node>("nodes"))
          .filter(({ status }) => status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"))
          .map(({ metadata }) => metadata.name);
        expect(ready).toEqual(expect.arrayContaining(names));
      },
      minutes(3),
    );
  const allReady = (count: number) =>
    eventually(
      `${count} Pods to be Ready`,
      async () => {
        const pods = await list<Pod>("pods");
        const living = pods.filter(
          ({ metadata, status }) =>
            !metadata.deletionTimestamp && status?.phase !== "Succeeded" && status?.phase !== "Failed",
        );
        expect(living.filter(isReady).map(({ metadata }) => metadata.name)).toHaveLength(count);
      },
      minutes(4),
    );
  const join_ = async (vm: Vm, token: string) => {
    await vm.run(`k8ts agent --server https://${server.address}:6443 --token ${token} --install`, minutes(5));
    await bringImages(vm);
  };
  const bringImages = (vm: Vm) => vm.run(`for file in ${IMAGES}/*.tar; do k8ts images import $file; done`, minutes(5));
  const token = async () => (await server.run("k8ts token create --print token", minutes(1))).trim();
  /** The guestbook answers on every living node's port. */
  const answers = (...on: Vm[]) =>
    eventually(
      "the guestbook to answer on every node",
      async () => {
        for (const { address } of on)
          expect(machines.onRouter("curl", "-sS", "--max-time", "10", `http://${address}:30080/`)).toBeDefined();
      },
      minutes(2),
    );

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "k8ts-vm-run-"));
    kubeconfig = join(directory, "kubeconfig");
    boot = await baseDisk(directory);
    machines = await createMachines();
    await Promise.all([start("server", 21), start("agent-1", 22), start("agent-2", 23)]);
    server = vms.get("server") as Vm;
  }, minutes(15));
  afterAll(async () => {
    for (const vm of vms.values()) await vm?.powerOff();
    await machines?.close();
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  test("a server is installed, and two agents join by what it prints", { timeout: minutes(20) }, async () => {
    expect(await server.run("stat -fc %T /sys/fs/cgroup")).toBe("cgroup2fs");
    await server.run("k8ts check", minutes(1));
    await server.run("k8ts server --install", minutes(6));
    const admin = await server.run("cat /root/.k8ts/admin.kubeconfig");
    writeFileSync(kubeconfig, admin.replace("127.0.0.1:6443", `${server.address}:6443`), { mode: 0o600 });
    await bringImages(server);
    const secret = await token();
    await Promise.all(["agent-1", "agent-2"].map((name) => join_(vms.get(name) as Vm, secret)));
    await nodesReady("server", "agent-1", "agent-2");
    for (const [name, unit] of [
      ["server", "k8ts-server"],
      ["agent-1", "k8ts-agent"],
    ] as const)
      expect((await vms.get(name)?.run(`systemctl is-active ${unit}`))?.trim()).toBe("active");
  });

  test("the guestbook runs across them", { timeout: minutes(10) }, async () => {
    await run("apply", "-f", join(import.meta.dirname, "..", "..", "manifests", "samples", "guestbook.yaml"));
    await allReady(6);
    expect(new Set((await list<Pod>("pods")).map(({ spec }) => spec?.nodeName)).size).toBe(3);
    await answers(...vms.values());
  });

  test("limits bite under cgroup v2", { timeout: minutes(6) }, async () => {
    const limits = { cpu: "200m", memory: "64Mi" };
    const files = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; sleep 86400 & wait";
    await apply(pod("limited", { containers: [{ command: ["sh", "-c", files], resources: { limits } }] }));
    const greedy = { command: ["sh", "-c", "tail -c 200000000 /dev/zero"], resources: { limits } };
    await apply(pod("greedy", { restartPolicy: "Never", containers: [greedy] }));
    await eventually(
      "the limits in the container",
      async () =>
        expect((await run("logs", "limited")).split("\n").slice(0, 2)).toEqual([
          "20000 100000",
          String(64 * 1024 * 1024),
        ]),
      minutes(1),
    );
    await eventually(
      "the greedy one to be killed",
      async () => {
        const [status] =
          (JSON.parse(await run("get", "pod", "greedy", "-o", "json")) as Pod).status?.containerStatuses ?? [];
        expect(status?.state?.terminated?.reason).toBe("OOMKilled");
      },
      minutes(1),
    );
    await run("delete", "pod", "greedy", "limited", "--grace-period=1");
  });

  test("restarting the service restarts no container", { timeout: minutes(6) }, async () => {
    const ids = async () =>
      Object.fromEntries(
        (await list<Pod>("pods")).map(({ metadata, status }) => [
          metadata.name,
          status?.containerStatuses?.map(({ containerID, restartCount }) => [containerID, restartCount]),
        ]),
      );
    const before = await ids();
    await vms.get("agent-1")?.run("systemctl restart k8ts-agent; sleep 5; systemctl is-active k8ts-agent", minutes(2));
    await nodesReady("agent-1");
    await allReady(6);
    expect(await ids()).toEqual(before);
  });

  test("a machine that lost its power is replaced by another", { timeout: minutes(15) }, async () => {
    await vms.get("agent-2")?.powerOff();
    vms.delete("agent-2");
    await run("delete", "node", "agent-2");
    await allReady(6);
    await join_(await start("agent-3", 24), await token());
    await nodesReady("server", "agent-1", "agent-3");
    await answers(...vms.values());
  });

  test("after a reboot of all machines everything is back", { timeout: minutes(15) }, async () => {
    await Promise.all([...vms.values()].map((vm) => vm.reboot()));
    await eventually("the server to answer", () => run("get", "--raw", "/readyz"), minutes(4));
    await nodesReady("server", "agent-1", "agent-3");
    await allReady(6);
    await answers(...vms.values());
  });
});
