import { readdirSync, readFileSync, readlinkSync, renameSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import type { Runtime } from "../../cri/contract.ts";
import type { ContainerConfig, PodSandboxConfig } from "../../cri/messages.ts";
import { logWriters } from "./container-logs.ts";
import {
  type ContainerdFixture,
  importTestImage,
  startContainerd,
  TEST_IMAGE,
  whyNoContainerd,
} from "./containerd.fixture.ts";
import { containerdLayout } from "./layout.ts";

const KILLS = Number(process.env["K8TS_LOG_KILLS"] ?? 8);

describe.skipIf(whyNoContainerd())("the log of a container", () => {
  let containerd: ContainerdFixture;
  let runtime: Runtime;
  let pods = 0;

  beforeAll(async () => {
    containerd = await startContainerd();
    runtime = await containerd.connect();
    await importTestImage(runtime);
  });
  afterEach(async () => {
    for (const { id } of (await runtime.listPodSandbox({})).items) await runtime.removePodSandbox({ podSandboxId: id });
    expect(readdirSync(layout().logs)).toEqual([]);
    await expect.poll(() => logWriters(layout())).toEqual([]);
  });
  afterAll(() => containerd?.stop());

  const layout = () => containerdLayout(containerd.paths);
  const make = async (script: string, extra: Partial<ContainerConfig> = {}) => {
    const name = `pod-${pods++}`;
    const sandboxConfig: PodSandboxConfig = {
      metadata: { name, uid: name, namespace: "default", attempt: 0 },
      logDirectory: join(containerd.paths.podLogs, name),
    };
    const { podSandboxId } = await runtime.runPodSandbox({ config: sandboxConfig });
    const config = {
      metadata: { name: "main", attempt: 0 },
      image: { image: TEST_IMAGE },
      command: ["sh", "-c", script],
      logPath: "main/0.log",
      ...extra,
    };
    const { containerId } = await runtime.createContainer({ podSandboxId, sandboxConfig, config });
    return { containerId, log: join(containerd.paths.podLogs, name, "main/0.log") };
  };
  const run = async (script: string, extra: Partial<ContainerConfig> = {}) => {
    const made = await make(script, extra);
    await runtime.startContainer({ containerId: made.containerId });
    return made;
  };
  const exited = (containerId: string) =>
    expect
      .poll(async () => (await runtime.containerStatus({ containerId })).status.state, { timeout: 15_000 })
      .toBe("CONTAINER_EXITED");
  const contents = (log: string) =>
    readFileSync(log, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /, ""));
  const killContainerd = async () => {
    await containerd.kill();
    await containerd.start();
  };

  test("loses and doubles no line at 100 lines a second, however often containerd is killed", async () => {
    const { containerId, log } = await run("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done");
    for (let kills = 0; kills < KILLS; kills++) {
      await systemClock.sleep(150 + ((kills * 37) % 100));
      await killContainerd();
    }
    await runtime.stopContainer({ containerId, timeout: 0 });
    const lines = contents(log);
    expect(lines.length).toBeGreaterThan(KILLS * 10);
    expect(lines).toEqual(lines.map((_, index) => `stdout F line ${index}`));
  }, 600_000);

  test("is whole after a flood, however often containerd is killed", async () => {
    const { containerId, log } = await run("seq 1 1000000");
    for (let kills = 0; kills < 3; kills++) await killContainerd();
    await exited(containerId);
    const lines = contents(log);
    expect(lines).toHaveLength(1_000_000);
    expect(lines.every((line, index) => line === `stdout F ${index + 1}`)).toBe(true);
  }, 60_000);

  test("is complete when the container is said to have ended", async () => {
    for (let turn = 0; turn < 5; turn++) {
      const { containerId, log } = await run("seq 1 2000; echo last >&2");
      await exited(containerId);
      expect(contents(log).filter((line) => line.startsWith("stdout"))).toHaveLength(2000);
      expect(contents(log)).toContain("stderr F last");
    }
  });

  test("tells both outputs apart, splits long lines, and marks what has no end", async () => {
    const long = "x".repeat(16_384);
    const { containerId, log } = await run(
      `echo ${long}; echo ${long}y; echo short; echo >&2 problem; sleep 0.2; printf 'no end'`,
    );
    await exited(containerId);
    const lines = contents(log);
    expect(lines.filter((line) => line.startsWith("stdout"))).toEqual([
      `stdout F ${long}`,
      `stdout P ${long}`,
      "stdout F y",
      "stdout F short",
      "stdout P no end",
    ]);
    expect(lines).toContain("stderr F problem");
  });

  test("goes on under its path after it was moved away, with no line between", async () => {
    const { containerId, log } = await run("i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done");
    await systemClock.sleep(300);
    renameSync(log, `${log}.1`);
    await runtime.reopenContainerLog({ containerId });
    expect((await runtime.containerStatus({ containerId })).status.logPath).toBe(log);
    await systemClock.sleep(300);
    await runtime.stopContainer({ containerId, timeout: 0 });
    const lines = [...contents(`${log}.1`), ...contents(log)];
    expect(lines).toEqual(lines.map((_, index) => `stdout F ${index}`));
    expect(contents(log).length).toBeGreaterThan(10);
  });

  test("goes on when its writer itself was killed", async () => {
    const { containerId, log } = await run("i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done");
    await expect.poll(() => logWriters(layout())).toHaveLength(1);
    const [writer = 0] = logWriters(layout());
    expect(readlinkSync(`/proc/${writer}/cwd`)).toBe(join(layout().logs, containerId));
    process.kill(writer, "SIGKILL");
    const again = await containerd.connect(); // as every ten seconds
    await expect.poll(() => logWriters(layout())).not.toEqual([]);
    const before = contents(log).length;
    await expect.poll(() => contents(log).length).toBeGreaterThan(before + 20);
    await again.stopContainer({ containerId, timeout: 0 });
  });

  test("is there for a container that was made before containerd was killed and started after", async () => {
    const { containerId, log } = await make("echo works");
    await killContainerd();
    await runtime.startContainer({ containerId });
    await exited(containerId);
    expect(contents(log)).toEqual(["stdout F works"]);
  });

  test("leaves no writer behind when the container does not start", async () => {
    const { containerId } = await make("", { command: ["/not/there"] });
    await expect(runtime.startContainer({ containerId })).rejects.toThrow("/not/there");
  });

  test("is shown to whoever attaches, also after containerd was killed", async () => {
    const { containerId } = await run("while :; do echo tick; sleep 0.05; done");
    await killContainerd();
    const stdout = new PassThrough();
    const gone = new AbortController();
    const attached = runtime.attach({ containerId }, { stdout, signal: gone.signal });
    const [chunk] = (await stdout.take(1).toArray()) as Buffer[];
    expect(String(chunk)).toContain("tick");
    gone.abort();
    await attached.catch(() => undefined); // it was left
  });
});
