import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { fakeClock } from "../../../machinery/process/fake-clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { connectRuntime } from "../../cri/client.ts";
import type { Runtime } from "../../cri/contract.ts";
import { runtimeCases } from "../../cri/runtime.cases.ts";
import { serveRuntime } from "../../cri/server.ts";
import { createSimulatedRuntime } from "./runtime.ts";

const image = "k8ts.local/busybox:test";

async function withImage(): Promise<Runtime> {
  const runtime = createSimulatedRuntime({ clock: systemClock, podCidr: "10.42.3.0/24" });
  await runtime.pullImage({ image: { image } });
  return runtime;
}

runtimeCases("simulated", async () => {
  const runtime = await withImage();
  return { runtime, image, stop: () => runtime.close() };
});

runtimeCases("simulated, over HTTP", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cri-"));
  const behind = await withImage();
  const socket = join(directory, "cri.sock");
  const server = await serveRuntime({ runtime: behind, socket, clock: systemClock, log: silent });
  return {
    runtime: connectRuntime({ socket }),
    image,
    async stop() {
      await server.close();
      await behind.close();
      rmSync(directory, { recursive: true });
    },
  };
});

describe("simulated runtime on a virtual clock", () => {
  const config = (annotations: Record<string, string>, logDirectory = "") => ({
    metadata: { name: "web", uid: "u1", namespace: "default", attempt: 0 },
    annotations,
    logDirectory,
  });
  const started = async (annotations: Record<string, string>, logDirectory = "", attempt = 0) => {
    const clock = fakeClock();
    const runtime = createSimulatedRuntime({ clock, podCidr: "10.42.3.0/24" });
    await runtime.pullImage({ image: { image } });
    const sandboxConfig = config(annotations, logDirectory);
    const { podSandboxId } = await runtime.runPodSandbox({ config: sandboxConfig });
    const { containerId } = await runtime.createContainer({
      podSandboxId,
      sandboxConfig,
      config: { metadata: { name: "main", attempt }, image: { image }, logPath: "main.log" },
    });
    const starting = runtime.startContainer({ containerId });
    const state = async () => (await runtime.containerStatus({ containerId })).status;
    return { clock, runtime, containerId, starting, state };
  };

  test("a start takes as long as the annotation says", async () => {
    const { clock, state, starting } = await started({ "simulated.k8ts.dev/start-seconds": "2" });
    await clock.advance(1999);
    expect((await state()).state).toBe("CONTAINER_CREATED");
    await clock.advance(1);
    await starting;
    expect((await state()).state).toBe("CONTAINER_RUNNING");
  });

  test("each restart takes its own exit code from a list", async () => {
    const annotations = { "simulated.k8ts.dev/run-seconds": "1", "simulated.k8ts.dev/exit-code": "1,0" };
    for (const [attempt, exitCode] of [
      [0, 1],
      [1, 0],
      [5, 0],
    ] as const) {
      const { clock, state } = await started(annotations, "", attempt);
      await clock.advance(1000);
      expect(await state()).toMatchObject({ state: "CONTAINER_EXITED", exitCode });
    }
  });

  test("an annotation for one container beats the one for all", async () => {
    const annotations = { "simulated.k8ts.dev/run-seconds": "5", "simulated.k8ts.dev/run-seconds.main": "1" };
    const { clock, state } = await started(annotations);
    await clock.advance(1000);
    expect((await state()).state).toBe("CONTAINER_EXITED");
  });

  test("an OOM kill is told as one", async () => {
    const { clock, state } = await started({
      "simulated.k8ts.dev/run-seconds": "1",
      "simulated.k8ts.dev/oom-killed": "true",
    });
    await clock.advance(1000);
    expect(await state()).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
  });

  test("exec probes fail until it is ready", async () => {
    const { clock, runtime, containerId } = await started({ "simulated.k8ts.dev/ready-after-seconds": "3" });
    const probe = async () => (await runtime.execSync({ containerId, cmd: ["/healthy"] })).exitCode;
    expect(await probe()).toBe(1);
    await clock.advance(3000);
    expect(await probe()).toBe(0);
  });

  test("it writes log lines as often as asked", async () => {
    const directory = mkdtempSync(join(tmpdir(), "logs-"));
    const { clock } = await started({ "simulated.k8ts.dev/log-every-seconds": "1" }, directory);
    await clock.advance(3000);
    const lines = readFileSync(join(directory, "main.log"), "utf8").trim().split("\n");
    expect(lines.slice(1).map((line) => line.split(" F ")[1])).toEqual(["line 1", "line 2", "line 3"]);
    rmSync(directory, { recursive: true });
  });

  test("an annotation that is no number is refused by name", async () => {
    await expect(started({ "simulated.k8ts.dev/run-seconds": "soon" })).rejects.toThrow(
      "simulated.k8ts.dev/run-seconds",
    );
  });

  test("a pull fails with the message of the annotation", async () => {
    const runtime = createSimulatedRuntime({ clock: fakeClock() });
    const sandboxConfig = config({ "simulated.k8ts.dev/pull-error": "manifest unknown" });
    const pull = runtime.pullImage({ image: { image: "nginx" }, sandboxConfig });
    await expect(pull).rejects.toMatchObject({
      code: "NotFound",
      message: expect.stringContaining("manifest unknown"),
    });
  });

  test("without a podCIDR the network is not ready, and a pod cannot start", async () => {
    const runtime = createSimulatedRuntime({ clock: fakeClock() });
    expect((await runtime.status({})).status.conditions[1]).toMatchObject({ type: "NetworkReady", status: false });
    await expect(runtime.runPodSandbox({ config: config({}) })).rejects.toMatchObject({ code: "Unavailable" });
    await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: "10.42.9.0/24" } } });
    const { podSandboxId } = await runtime.runPodSandbox({ config: config({}) });
    expect((await runtime.podSandboxStatus({ podSandboxId })).status.network?.ip).toBe("10.42.9.2");
  });

  test("thousands of pods fit a range, and one too many is told", async () => {
    const runtime = createSimulatedRuntime({ clock: fakeClock(), podCidr: "10.42.0.0/20" });
    const run = (index: number) =>
      runtime.runPodSandbox({
        config: { metadata: { name: `p${index}`, uid: `u${index}`, namespace: "default", attempt: 0 } },
      });
    for (let index = 0; index < 4093; index++) await run(index);
    await expect(run(4093)).rejects.toMatchObject({ code: "ResourceExhausted" });
    const [first] = (await runtime.listPodSandbox({})).items;
    await runtime.removePodSandbox({ podSandboxId: first?.id ?? "" });
    await run(4094);
  });
});
