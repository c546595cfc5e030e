import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { connectRuntime } from "../../cri/client.ts";
import type { Runtime } from "../../cri/contract.ts";
import { cgroupDirectories, processesIn } from "./cgroups.ts";
import {
  type ContainerdFixture,
  importTestImage,
  startContainerd,
  TEST_IMAGE,
  whyNoContainerd,
} from "./containerd.fixture.ts";
import { containerdLayout, shimSocket } from "./layout.ts";
import { sweepContainerd } from "./sweep.ts";

describe.skipIf(whyNoContainerd())("a node whose processes are killed", () => {
  let containerd: ContainerdFixture;
  let runtime: Runtime;
  let pods = 0;
  const sandboxes: string[] = [];

  beforeAll(async () => {
    containerd = await startContainerd();
    runtime = await containerd.connect();
    await importTestImage(runtime);
  });
  afterAll(async () => {
    const sockets = sandboxes.map((id) => shimSocket(containerdLayout(containerd.paths), id));
    await containerd?.stop();
    expect(sockets.filter((socket) => existsSync(socket))).toEqual([]);
  });

  const runPod = async (through: Runtime = runtime) => {
    const name = `pod-${pods++}`;
    const config = { metadata: { name, uid: name, namespace: "default", attempt: 0 } };
    const { podSandboxId } = await through.runPodSandbox({ config });
    sandboxes.push(podSandboxId);
    const container = {
      metadata: { name: "main", attempt: 0 },
      image: { image: TEST_IMAGE },
      command: ["sleep", "600"],
    };
    const { containerId } = await through.createContainer({ podSandboxId, sandboxConfig: config, config: container });
    await through.startContainer({ containerId });
    return { podSandboxId, containerId };
  };
  const state = async (containerId: string) => (await runtime.containerStatus({ containerId })).status.state;
  const shims = () => processesNaming(containerdLayout(containerd.paths).socket);
  const kill = (pids: readonly number[]) => {
    for (const pid of new Set(pids)) process.kill(pid, "SIGKILL"); // one may stand in the cgroups of many controllers
  };

  test("a runtime server killed with -9 is started again, and its clients and containers go on", async () => {
    const main = join(import.meta.dirname, "../../../main.ts");
    const serve = (): ChildProcess =>
      spawn(process.execPath, [main, "cri"], {
        env: { ...process.env, K8TS_HOME: containerd.paths.root },
        stdio: "ignore",
      });
    let server = serve();
    try {
      const client = connectRuntime({ socket: containerd.paths.criSocket, patienceMs: 20_000 });
      const { containerId } = await runPod(client);
      const { status } = await client.containerStatus({ containerId });
      for (let kills = 0; kills < 3; kills++) {
        server.kill("SIGKILL");
        server = serve();
        expect((await client.containerStatus({ containerId })).status).toEqual(status);
      }
    } finally {
      server.kill("SIGTERM");
    }
  }, 60_000);

  test("with its shims killed as well, containers have ended, and new pods run", async () => {
    const { podSandboxId, containerId } = await runPod();
    await containerd.kill();
    kill(shims());
    await containerd.start();
    await expect.poll(() => state(containerId), { timeout: 15_000 }).toBe("CONTAINER_EXITED");
    expect((await runtime.podSandboxStatus({ podSandboxId })).status.state).toBe("SANDBOX_NOTREADY");
    await runtime.removePodSandbox({ podSandboxId });
    expect(await state((await runPod()).containerId)).toBe("CONTAINER_RUNNING");
  }, 60_000);

  test("after a reboot its pods are gone, and its images are there", async () => {
    const { podSandboxId, containerId } = await runPod();
    await containerd.kill();
    kill(shims());
    kill(cgroupDirectories(containerd.paths.cgroup).flatMap(processesIn));
    writeFileSync(join(containerdLayout(containerd.paths).state, "boot-id"), "another boot\n");
    await containerd.start();
    expect((await runtime.podSandboxStatus({ podSandboxId })).status.state).toBe("SANDBOX_NOTREADY");
    expect(await state(containerId)).not.toBe("CONTAINER_RUNNING");
    await runtime.removePodSandbox({ podSandboxId });
    expect(await state((await runPod()).containerId)).toBe("CONTAINER_RUNNING");
  }, 60_000);

  test("a sweep leaves another cluster on the machine alone", async () => {
    const other = await startContainerd();
    try {
      await other.connect().then(importTestImage);
      const { containerId } = await runPod();
      await sweepContainerd({ paths: other.paths, clock: systemClock, log: silent, graceMs: 100 });
      expect(await state(containerId)).toBe("CONTAINER_RUNNING");
      expect(processesNaming(containerdLayout(other.paths).config)).toEqual([]);
    } finally {
      await other.stop();
    }
  }, 60_000);
});

function processesNaming(path: string): readonly number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(path))
    .map(Number);
}

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it ended meanwhile
  }
}
