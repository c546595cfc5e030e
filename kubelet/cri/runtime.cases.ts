/**
 * Runtime cases: what every runtime must do. Run by containerd and by the simulated one, each directly
 * and through server and client, with a fixture of its own.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { imageTar } from "../images/build.ts";
import type { Runtime } from "./contract.ts";
import { CriError } from "./errors.ts";
import { type ContainerConfig, type ContainerStatus, nanosToMs, type PodSandboxConfig } from "./messages.ts";

export interface RuntimeFixture {
  readonly runtime: Runtime;
  /** An image that is there and has a shell. */
  readonly image: string;
  stop(): Promise<void>;
}

export function runtimeCases(name: string, open: () => Promise<RuntimeFixture>): void {
  describe(`${name} runtime`, () => {
    let fixture: RuntimeFixture;
    let runtime: Runtime;
    let image: string;
    let pods = 0;
    const logs = mkdtempSync(join(tmpdir(), "runtime-cases-"));

    beforeAll(async () => {
      fixture = await open();
      ({ runtime, image } = fixture);
    });
    afterEach(async () => {
      for (const { id } of (await runtime.listPodSandbox({})).items)
        await runtime.removePodSandbox({ podSandboxId: id });
    });
    afterAll(async () => {
      await fixture?.stop();
      rmSync(logs, { recursive: true, force: true });
    });

    const sandbox = (extra: Partial<PodSandboxConfig> = {}): PodSandboxConfig => {
      const pod = `pod-${pods++}`;
      return {
        metadata: { name: pod, uid: `uid-${pod}`, namespace: "default", attempt: 0 },
        hostname: pod,
        logDirectory: join(logs, pod),
        labels: { app: "cases" },
        ...extra,
      };
    };
    const runPod = async (extra?: Partial<PodSandboxConfig>) => {
      const config = sandbox(extra);
      return { config, ...(await runtime.runPodSandbox({ config })) };
    };
    /** Says hello, then ends after some time with a code; the annotations tell the simulated one. */
    const ends = (seconds: number, exitCode: number) => ({
      command: ["sh", "-c", `echo hello; sleep ${seconds}; exit ${exitCode}`],
      annotations: {
        "simulated.k8ts.dev/run-seconds": String(seconds),
        "simulated.k8ts.dev/exit-code": String(exitCode),
      },
    });
    const create = (pod: { podSandboxId: string; config: PodSandboxConfig }, extra: Partial<ContainerConfig> = {}) =>
      runtime.createContainer({
        podSandboxId: pod.podSandboxId,
        sandboxConfig: pod.config,
        config: {
          metadata: { name: "main", attempt: 0 },
          image: { image },
          command: ["sh", "-c", "trap 'exit 0' TERM; echo hello; while true; do sleep 0.1; done"],
          envs: [{ key: "GREETING", value: "grüß dich" }],
          labels: { part: "main" },
          logPath: "main/0.log",
          ...extra,
        },
      });
    const runContainer = async (
      pod: { podSandboxId: string; config: PodSandboxConfig },
      extra?: Partial<ContainerConfig>,
    ) => {
      const { containerId } = await create(pod, extra);
      await runtime.startContainer({ containerId });
      return containerId;
    };
    const until = async (containerId: string, state: ContainerStatus["state"]): Promise<ContainerStatus> => {
      for (let tries = 0; tries < 500; tries++) {
        const { status } = await runtime.containerStatus({ containerId });
        if (status.state === state) return status;
        await systemClock.sleep(20);
      }
      throw new Error(`${containerId} did not become ${state}`);
    };
    const fails = async (code: CriError["code"], work: Promise<unknown>) => {
      const error = await work.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(CriError);
      expect((error as CriError).code).toBe(code);
      return (error as CriError).message;
    };

    test("tells its version, and that it and its network are ready", async () => {
      expect(await runtime.version({})).toMatchObject({ runtimeApiVersion: "v1" });
      const { status } = await runtime.status({});
      expect(status.conditions.map(({ type, status: ready }) => [type, ready])).toEqual([
        ["RuntimeReady", true],
        ["NetworkReady", true],
      ]);
    });

    describe("pods", () => {
      test("a sandbox runs, has an address and is found by its labels", async () => {
        const { podSandboxId, config } = await runPod({ labels: { app: "web" }, annotations: { note: "x" } });
        await runPod();
        const { status } = await runtime.podSandboxStatus({ podSandboxId });
        expect(status).toMatchObject({
          id: podSandboxId,
          state: "SANDBOX_READY",
          metadata: config.metadata,
          labels: { app: "web" },
        });
        expect(status.network?.ip).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
        expect(nanosToMs(status.createdAt)).toBeGreaterThan(systemClock.now() - 60_000);
        const found = await runtime.listPodSandbox({ filter: { labelSelector: { app: "web" } } });
        expect(found.items.map(({ id }) => id)).toEqual([podSandboxId]);
        expect((await runtime.listPodSandbox({})).items).toHaveLength(2);
      });

      test("two pods have different addresses", async () => {
        const one = await runPod();
        const other = await runPod();
        const ip = async (podSandboxId: string) =>
          (await runtime.podSandboxStatus({ podSandboxId })).status.network?.ip;
        expect(await ip(one.podSandboxId)).not.toBe(await ip(other.podSandboxId));
      });

      test("the same sandbox twice is refused", async () => {
        const { config } = await runPod();
        await fails("Unknown", runtime.runPodSandbox({ config }));
      });

      test("stopping ends its containers, and may be repeated; so may removing", async () => {
        const pod = await runPod();
        const containerId = await runContainer(pod);
        const { podSandboxId } = pod;
        await runtime.stopPodSandbox({ podSandboxId });
        await runtime.stopPodSandbox({ podSandboxId });
        const { status } = await runtime.podSandboxStatus({ podSandboxId });
        expect(status.state).toBe("SANDBOX_NOTREADY");
        expect(status.network?.ip).toBe("");
        await until(containerId, "CONTAINER_EXITED");
        await runtime.removePodSandbox({ podSandboxId });
        await runtime.removePodSandbox({ podSandboxId });
        await fails("NotFound", runtime.podSandboxStatus({ podSandboxId }));
        await fails("NotFound", runtime.containerStatus({ containerId }));
      });

      test("what is gone is stopped and removed already", async () => {
        await runtime.stopPodSandbox({ podSandboxId: "0".repeat(64) });
        await runtime.removePodSandbox({ podSandboxId: "0".repeat(64) });
        await runtime.stopContainer({ containerId: "0".repeat(64), timeout: 1 });
        await runtime.removeContainer({ containerId: "0".repeat(64) });
      });
    });

    describe("containers", () => {
      test("a container is created, runs, is stopped in time and removed", async () => {
        const pod = await runPod();
        const { containerId } = await create(pod);
        expect((await until(containerId, "CONTAINER_CREATED")).startedAt).toBe("0");
        await runtime.startContainer({ containerId });
        const running = await until(containerId, "CONTAINER_RUNNING");
        expect(running).toMatchObject({
          metadata: { name: "main", attempt: 0 },
          labels: { part: "main" },
          finishedAt: "0",
        });
        expect(nanosToMs(running.startedAt)).toBeGreaterThan(systemClock.now() - 60_000);
        await runtime.stopContainer({ containerId, timeout: 10 });
        const ended = await until(containerId, "CONTAINER_EXITED");
        expect(Number(ended.finishedAt)).toBeGreaterThanOrEqual(Number(ended.startedAt));
        await runtime.stopContainer({ containerId, timeout: 10 });
        await runtime.removeContainer({ containerId });
        await fails("NotFound", runtime.containerStatus({ containerId }));
      });

      test("one that ignores SIGTERM is killed after its time", async () => {
        const pod = await runPod({ annotations: { "simulated.k8ts.dev/stop-seconds": "60" } });
        const containerId = await runContainer(pod, {
          command: ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
        });
        await runtime.stopContainer({ containerId, timeout: 1 });
        expect((await until(containerId, "CONTAINER_EXITED")).exitCode).toBe(137);
      });

      test.each([
        [0, "Completed"],
        [3, "Error"],
      ])("one that ends by itself with %i has ended with it: %s", async (exitCode, reason) => {
        const { command, annotations } = ends(0.2, exitCode);
        const containerId = await runContainer(await runPod({ annotations }), { command });
        expect(await until(containerId, "CONTAINER_EXITED")).toMatchObject({ exitCode, reason });
      });

      test("its output is in its log file, in CRI's format", async () => {
        const { command, annotations } = ends(0.1, 0);
        const pod = await runPod({ annotations });
        const { logPath } = await until(await runContainer(pod, { command }), "CONTAINER_EXITED");
        expect(logPath).toBe(join(pod.config.logDirectory ?? "", "main/0.log"));
        // Copied beside the container's end: on a busy machine a moment later.
        const written = () => {
          const [line = ""] = readFileSync(logPath, "utf8").split("\n");
          expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) stdout F \S/);
        };
        await vi.waitFor(written, { timeout: 5_000 });
      });

      test("a list is narrowed by pod, state and labels", async () => {
        const one = await runPod();
        const other = await runPod();
        const running = await runContainer(one);
        const { containerId: created } = await create(other, { labels: { part: "side" } });
        const ids = async (filter: object) => (await runtime.listContainers({ filter })).containers.map(({ id }) => id);
        expect(await ids({ podSandboxId: one.podSandboxId })).toEqual([running]);
        expect(await ids({ state: { state: "CONTAINER_CREATED" } })).toEqual([created]);
        expect(await ids({ labelSelector: { part: "side" } })).toEqual([created]);
        expect(await ids({ id: running })).toEqual([running]);
        expect(await ids({})).toHaveLength(2);
      });

      test("an image that is not there is NotFound", async () => {
        await fails("NotFound", create(await runPod(), { image: { image: "k8ts.local/nowhere:1" } }));
      });

      test("a sandbox that is not there is NotFound", async () => {
        await fails("NotFound", create({ podSandboxId: "0".repeat(64), config: sandbox() }));
      });

      test("its resources change while it runs", async () => {
        const containerId = await runContainer(await runPod());
        await runtime.updateContainerResources({
          containerId,
          linux: { cpuShares: 512, memoryLimitInBytes: 32 * 1024 * 1024 },
        });
        await until(containerId, "CONTAINER_RUNNING");
      });

      test("its use of CPU and memory is measured", async () => {
        const pod = await runPod();
        const containerId = await runContainer(pod);
        const { stats } = await runtime.containerStats({ containerId });
        expect(stats.attributes.metadata.name).toBe("main");
        expect(stats.cpu?.usageCoreNanoSeconds?.value).toBeTypeOf("number");
        expect(stats.memory?.workingSetBytes?.value).toBeGreaterThan(0);
        const all = await runtime.listContainerStats({ filter: { podSandboxId: pod.podSandboxId } });
        expect(all.stats.map(({ attributes }) => attributes.id)).toEqual([containerId]);
        const { stats: podStats } = await runtime.podSandboxStats({ podSandboxId: pod.podSandboxId });
        expect(podStats.linux?.memory?.workingSetBytes?.value).toBeGreaterThan(0);
      });
    });

    describe("commands", () => {
      test("a command's output and exit code come back", async () => {
        const containerId = await runContainer(await runPod());
        const { stdout, exitCode } = await runtime.execSync({ containerId, cmd: ["echo", "one", "two"], timeout: 10 });
        expect(Buffer.from(stdout, "base64").toString()).toBe("one two\n");
        expect(exitCode).toBe(0);
        expect((await runtime.execSync({ containerId, cmd: ["false"], timeout: 10 })).exitCode).toBe(1);
      });

      test("the environment is the container's", async () => {
        const containerId = await runContainer(await runPod());
        const { stdout } = await runtime.execSync({ containerId, cmd: ["env"] });
        expect(Buffer.from(stdout, "base64").toString()).toContain("GREETING=grüß dich\n");
      });

      test("input flows in and out again to its end, however much it is", async () => {
        const containerId = await runContainer(await runPod());
        const input = Buffer.alloc(1_000_000, "0123456789");
        const stdout = new PassThrough();
        const output = stdout.toArray();
        const outcome = await runtime.exec({ containerId, cmd: ["cat"] }, { stdin: Readable.from([input]), stdout });
        expect(outcome).toEqual({ exitCode: 0 });
        expect(Buffer.concat((await output) as Buffer[]).equals(input)).toBe(true);
      });

      test("a program that is not there fails with its name", async () => {
        const containerId = await runContainer(await runPod());
        const stdout = new PassThrough().resume();
        const message = await fails("Unknown", runtime.exec({ containerId, cmd: ["no-such-program"] }, { stdout }));
        expect(message).toContain('"no-such-program": executable file not found in $PATH');
      });

      test("in a container that is not there it is NotFound", async () => {
        await fails("NotFound", runtime.execSync({ containerId: "0".repeat(64), cmd: ["true"] }));
      });
    });

    describe("events", () => {
      test("tell what happens to a container, in order, with its pod", async () => {
        const stop = new AbortController();
        const seen: string[] = [];
        const stream = runtime.getContainerEvents(stop.signal)[Symbol.asyncIterator]();
        expect((await stream.next()).value).toBeUndefined(); // it stands
        const listening = (async () => {
          for (let next = await stream.next(); !next.done; next = await stream.next())
            if (next.value)
              seen.push(
                `${next.value.podSandboxStatus?.metadata.name} ${next.value.containerId} ${next.value.containerEventType}`,
              );
        })();
        const pod = await runPod();
        const containerId = await runContainer(pod, {});
        await runtime.stopContainer({ containerId, timeout: 5 });
        await runtime.removeContainer({ containerId });
        const expected = ["CREATED", "STARTED", "STOPPED", "DELETED"].map(
          (type) => `${pod.config.metadata.name} ${containerId} CONTAINER_${type}_EVENT`,
        );
        await expect
          .poll(() => seen.filter((line) => line.includes(containerId)), { timeout: 15_000 })
          .toEqual(expected);
        stop.abort();
        await listening;
      });

      test("of an exit say so only when the status says it too", async () => {
        const stop = new AbortController();
        const stream = runtime.getContainerEvents(stop.signal)[Symbol.asyncIterator]();
        await stream.next();
        const { command, annotations } = ends(0.2, 7);
        const containerId = await runContainer(await runPod({ annotations }), { command });
        for (let next = await stream.next(); !next.done; next = await stream.next()) {
          if (next.value?.containerId !== containerId || next.value.containerEventType !== "CONTAINER_STOPPED_EVENT")
            continue;
          break;
        }
        expect((await runtime.containerStatus({ containerId })).status).toMatchObject({
          state: "CONTAINER_EXITED",
          exitCode: 7,
        });
        stop.abort();
      });
    });

    describe("images", () => {
      const imported = () =>
        imageTar({ name: "imported:1", architecture: "amd64", layers: [[{ path: "file", content: "x" }]], config: {} });

      test("an archive brings its image under the full name, which can be removed again", async () => {
        const full = "docker.io/library/imported:1";
        expect(await runtime.importImage(imported())).toEqual({ images: [full] });
        const { image: found } = await runtime.imageStatus({ image: { image: "imported:1" } });
        expect(found?.repoTags).toEqual([full]);
        expect(found?.id).toMatch(/^sha256:[0-9a-f]{64}$/);
        expect((await runtime.listImages({})).images.flatMap(({ repoTags }) => repoTags)).toContain(full);
        await runtime.removeImage({ image: { image: full } });
        await runtime.removeImage({ image: { image: full } });
        expect((await runtime.imageStatus({ image: { image: full } })).image).toBeUndefined();
      });

      test("what is no archive is refused", async () => {
        await fails(
          "InvalidArgument",
          runtime.importImage(Readable.from([Buffer.from("this is no archive of an image")])),
        );
      });

      test("a registry that cannot be reached is told by its name", async () => {
        const name = "registry.invalid/web:1";
        expect(await fails("Unknown", runtime.pullImage({ image: { image: name } }))).toContain("registry.invalid");
      });

      test("the space they take is known", async () => {
        const { imageFilesystems } = await runtime.imageFsInfo({});
        expect(imageFilesystems[0]?.usedBytes?.value).toBeTypeOf("number");
      });
    });
  });
}
