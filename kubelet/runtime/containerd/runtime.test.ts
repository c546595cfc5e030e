import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { connectRuntime } from "../../cri/client.ts";
import type { Runtime } from "../../cri/contract.ts";
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from "../../cri/messages.ts";
import { runtimeCases } from "../../cri/runtime.cases.ts";
import { serveRuntime } from "../../cri/server.ts";
import {
  type ContainerdFixture,
  importTestImage,
  startContainerd,
  TEST_IMAGE,
  whyNoContainerd,
} from "./containerd.fixture.ts";
import { PAUSE_IMAGE } from "./layout.ts";
import { mountsUnder } from "./mounts.ts";
import { sweepContainerd } from "./sweep.ts";

describe.skipIf(whyNoContainerd())("with a real containerd", () => {
  runtimeCases("containerd, over HTTP", async () => {
    const containerd = await startContainerd();
    const behind = await containerd.connect();
    await importTestImage(behind);
    const socket = containerd.paths.criSocket;
    const server = await serveRuntime({ runtime: behind, socket, clock: systemClock, log: silent });
    return {
      runtime: connectRuntime({ socket }),
      image: TEST_IMAGE,
      async stop() {
        await server.close();
        await containerd.stop();
      },
    };
  });

  describe("containerd runtime", () => {
    let containerd: ContainerdFixture;
    let runtime: Runtime;
    let pods = 0;

    beforeAll(async () => {
      containerd = await startContainerd();
      runtime = await containerd.connect();
      await importTestImage(runtime);
    });
    afterEach(async () => {
      for (const { id } of (await runtime.listPodSandbox({})).items)
        await runtime.removePodSandbox({ podSandboxId: id });
    });
    afterAll(() => containerd?.stop());

    const run = async (script: string, extra: Partial<ContainerConfig> = {}, linux?: PodSandboxConfig["linux"]) => {
      const name = `pod-${pods++}`;
      const config: PodSandboxConfig = {
        metadata: { name, uid: name, namespace: "default", attempt: 0 },
        logDirectory: join(containerd.paths.podLogs, name),
        ...(linux && { linux }),
      };
      const { podSandboxId } = await runtime.runPodSandbox({ config });
      const { containerId } = await runtime.createContainer({
        podSandboxId,
        sandboxConfig: config,
        config: {
          metadata: { name: "main", attempt: 0 },
          image: { image: TEST_IMAGE },
          command: ["sh", "-c", script],
          logPath: "main.log",
          ...extra,
        },
      });
      await runtime.startContainer({ containerId });
      return { podSandboxId, containerId, log: join(containerd.paths.podLogs, name, "main.log") };
    };
    const status = async (containerId: string): Promise<ContainerStatus> =>
      (await runtime.containerStatus({ containerId })).status;
    const state = async (containerId: string) => (await status(containerId)).state;
    const exited = (containerId: string) =>
      expect.poll(() => state(containerId), { timeout: 15_000 }).toBe("CONTAINER_EXITED");

    test("containers outlive a killed containerd with their ids, and are stopped by the next one", async () => {
      const { podSandboxId, containerId } = await run("while true; do sleep 0.1; done");
      const before = await status(containerId);
      await containerd.kill();
      await containerd.start();
      expect(await status(containerId)).toEqual(before);
      expect((await runtime.podSandboxStatus({ podSandboxId })).status.state).toBe("SANDBOX_READY");
      await runtime.stopContainer({ containerId, timeout: 0 });
      expect((await status(containerId)).exitCode).toBe(137);
    });

    test("a container that ended while containerd was away has ended, with its exit code", async () => {
      const { containerId } = await run("sleep 0.5; exit 9");
      await containerd.kill();
      await systemClock.sleep(1000);
      await containerd.start();
      await exited(containerId);
      expect((await status(containerId)).exitCode).toBe(9);
    });

    test("no log line is lost or doubled at 100 lines a second while containerd is killed again and again", async () => {
      const { containerId, log } = await run(
        "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); sleep 0.01; done",
      );
      for (let kills = 0; kills < 5; kills++) {
        await systemClock.sleep(1000 + kills * 137);
        await containerd.kill();
        await systemClock.sleep(kills * 150);
        await containerd.start();
      }
      await exited(containerId);
      const lines = readFileSync(log, "utf8").trim().split("\n");
      expect(lines.map((line) => line.split(" F ")[1])).toEqual(
        Array.from({ length: 1000 }, (_, index) => `line ${index}`),
      );
    }, 60_000);

    test("events go on after containerd was killed, and tell what happened meanwhile", async () => {
      const stop = new AbortController();
      const seen: string[] = [];
      const stream = runtime.getContainerEvents(stop.signal)[Symbol.asyncIterator]();
      await stream.next();
      const listening = (async () => {
        for (let next = await stream.next(); !next.done; next = await stream.next())
          if (next.value) seen.push(`${next.value.containerId} ${next.value.containerEventType}`);
      })();
      const { containerId } = await run("sleep 1");
      await containerd.kill();
      await systemClock.sleep(1200);
      await containerd.start();
      await expect.poll(() => seen, { timeout: 20_000 }).toContain(`${containerId} CONTAINER_STOPPED_EVENT`);
      stop.abort();
      await listening;
    });

    test("memory beyond its limit is an OOM kill", async () => {
      const linux = { resources: { memoryLimitInBytes: 16 * 1024 * 1024 } };
      const { containerId } = await run("tail /dev/zero", { linux });
      await exited(containerId);
      expect(await status(containerId)).toMatchObject({ reason: "OOMKilled", exitCode: 137 });
    });

    test("containers lie in the pod's cgroup under our root, and a parent of our making goes with the pod", async () => {
      const { podSandboxId, containerId } = await run("while true; do sleep 1; done");
      const cgroup = join(
        "/sys/fs/cgroup/memory",
        containerd.paths.cgroup,
        `pod${(await status(containerId)).metadata.name && (await runtime.podSandboxStatus({ podSandboxId })).status.metadata.uid}`,
      );
      const unified = cgroup.replace("/sys/fs/cgroup/memory", "/sys/fs/cgroup");
      const directory = existsSync(cgroup) ? cgroup : unified;
      expect(readdirSync(directory)).toContain(containerId);
      await runtime.removePodSandbox({ podSandboxId });
      expect(existsSync(directory)).toBe(false);
    });

    test("attach shows the output and feeds the input of a terminal", async () => {
      const { containerId } = await run("read line; echo got $line; sleep 60", { stdin: true, tty: true });
      const stdin = new PassThrough();
      const stdout = new PassThrough();
      const leave = new AbortController();
      let output = "";
      stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      const attached = runtime.attach({ containerId, tty: true }, { stdin, stdout, signal: leave.signal });
      stdin.write("hello\n");
      await expect.poll(() => output, { timeout: 10_000 }).toContain("got hello");
      leave.abort();
      await expect(attached).rejects.toMatchObject({ code: "Canceled" });
      expect(await state(containerId)).toBe("CONTAINER_RUNNING");
    });

    test("a terminal of exec has the size it was given", async () => {
      const { containerId } = await run("sleep 60");
      const stdout = new PassThrough();
      const output = stdout.toArray();
      async function* resize() {
        yield { width: 97, height: 31 };
      }
      const cmd = ["sh", "-c", "sleep 0.5; busybox stty size"];
      await runtime.exec({ containerId, cmd, tty: true }, { stdout, resize: resize() });
      expect(
        Buffer.concat((await output) as Buffer[])
          .toString()
          .trim(),
      ).toBe("31 97");
    });

    test("a command that ends before its input loses none of its output", async () => {
      const { containerId } = await run("sleep 60");
      for (let round = 0; round < 5; round++) {
        const stdin = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(65_536, "x")));
        const stdout = new PassThrough();
        const output = stdout.toArray();
        const cmd = ["sh", "-c", "dd bs=10 count=1; seq 20000"];
        expect(await runtime.exec({ containerId, cmd }, { stdin, stdout })).toEqual({ exitCode: 0 });
        const text = Buffer.concat((await output) as Buffer[]).toString();
        expect(text.slice(0, 12)).toBe("xxxxxxxxxx1\n");
        expect(text.slice(-6)).toBe("20000\n");
      }
    });

    test("standard output and standard error come apart, and the exit code with them", async () => {
      const { containerId } = await run("sleep 60");
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const [output, errors] = [stdout.toArray(), stderr.toArray()];
      const cmd = ["sh", "-c", "echo out; echo err >&2; exit 5"];
      expect(await runtime.exec({ containerId, cmd }, { stdout, stderr })).toEqual({ exitCode: 5 });
      expect(Buffer.concat((await output) as Buffer[]).toString()).toBe("out\n");
      expect(Buffer.concat((await errors) as Buffer[]).toString()).toBe("err\n");
    });

    test("exec that is left kills its process", async () => {
      const { containerId } = await run("sleep 60");
      const leave = new AbortController();
      const stdout = new PassThrough().resume();
      const running = runtime.exec({ containerId, cmd: ["sleep", "4321"] }, { stdout, signal: leave.signal });
      running.catch(() => undefined);
      const find = () =>
        readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes("sleep\x004321"));
      await expect.poll(find, { timeout: 10_000 }).toHaveLength(1);
      leave.abort();
      await expect(running).rejects.toMatchObject({ code: "Canceled" });
      await expect.poll(find, { timeout: 10_000 }).toHaveLength(0);
    });

    test("a port inside the pod is reached on its loopback", async () => {
      const { podSandboxId } = await run("echo answer > /index.html; exec httpd -f -h / -p 127.0.0.1:8080");
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        runtime.portForward({ podSandboxId, port: 8080 }, socket).catch(() => socket.destroy());
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      const ask = async () => {
        const socket = connect(port, "127.0.0.1");
        socket.write("GET / HTTP/1.0\r\n\r\n");
        const answer = new PassThrough();
        const read = answer.toArray();
        await pipeline(socket, answer).catch(() => undefined);
        return Buffer.concat((await read.catch(() => [])) as Buffer[]).toString();
      };
      await expect.poll(ask, { timeout: 10_000 }).toMatch(/^HTTP\/1.. 200 OK.*answer\n$/s);
      server.close();
    });

    test("a pause image that someone removed comes back with the next pod", async () => {
      await runtime.removeImage({ image: { image: PAUSE_IMAGE } });
      await run("true");
      expect((await runtime.imageStatus({ image: { image: PAUSE_IMAGE } })).image).toBeDefined();
    });

    test("what this containerd lacks is refused by its name", async () => {
      await expect(run("true", { stopSignal: "SIGQUIT" })).rejects.toMatchObject({
        code: "Unimplemented",
        message: expect.stringContaining("a stop signal needs containerd 2.1"),
      });
    });
  });

  test("after a sweep nothing is left, and the next start knows its images and that its pods are gone", async () => {
    const containerd = await startContainerd();
    const { paths } = containerd;
    try {
      const runtime = await containerd.connect();
      await importTestImage(runtime);
      const config = { metadata: { name: "left", uid: "left", namespace: "default", attempt: 0 } };
      const { podSandboxId } = await runtime.runPodSandbox({ config });
      const container = {
        metadata: { name: "main", attempt: 0 },
        image: { image: TEST_IMAGE },
        command: ["sleep", "600"],
      };
      const { containerId } = await runtime.createContainer({ podSandboxId, sandboxConfig: config, config: container });
      await runtime.startContainer({ containerId });

      await sweepContainerd({ paths, clock: systemClock, log: silent, graceMs: 100 });
      expect(processesNaming(paths.root)).toEqual([]);
      expect(mountsUnder(paths.root)).toEqual([]);
      expect(execFileSync("find", ["/sys/fs/cgroup", "-name", paths.cgroup.slice(1)]).toString()).toBe("");
      expect(existsSync("/run/containerd/s") ? readdirSync("/run/containerd/s") : []).not.toContain(podSandboxId);

      await containerd.start();
      const { status } = await runtime.podSandboxStatus({ podSandboxId });
      expect(status.state).toBe("SANDBOX_NOTREADY");
      expect((await runtime.imageStatus({ image: { image: TEST_IMAGE } })).image).toBeDefined();
      await runtime.removePodSandbox({ podSandboxId });
      await runtime.runPodSandbox({ config });
    } finally {
      await containerd.stop();
    }
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}

function processesNaming(text: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(text));
}
