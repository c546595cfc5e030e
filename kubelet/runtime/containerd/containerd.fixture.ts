/**
 * Containerd fixture: a containerd of a test's own, with a bridge of its own, that leaves nothing behind.
 *
 * For tests beside this file and for the cases of the runtime interface. It needs root on Linux and
 * the packages; `whyNoContainerd` says what is missing.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { arch } from "node:process";
import { systemClock } from "../../../machinery/process/clock.ts";
import { type HomePaths, homePaths } from "../../../machinery/process/home.ts";
import { silent } from "../../../machinery/process/logging.ts";
import type { Runtime } from "../../cri/contract.ts";
import { fileEntry, type ImageArchive, imageTar } from "../../images/build.ts";
import { architectureOf } from "../../images/pause.ts";
import { prepareContainerd } from "./daemon.ts";
import { createContainerdRuntime } from "./runtime.ts";
import { sweepContainerd } from "./sweep.ts";

export const TEST_IMAGE = "k8ts.local/busybox:test";

const NEEDED = ["/usr/bin/containerd", "/usr/sbin/runc", "/usr/lib/cni/bridge", "/bin/busybox"];

/** Undefined where containers can run. */
export function whyNoContainerd(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  const missing = NEEDED.filter((file) => !existsSync(file));
  return missing.length > 0 ? `needs ${missing.join(", ")}` : undefined;
}

export interface ContainerdFixture {
  readonly paths: HomePaths;
  /** A runtime on this containerd; closed with the fixture. */
  connect(): Promise<Runtime>;
  /** kill -9 of containerd itself; its containers live on. */
  kill(): Promise<void>;
  /** Starts it (again). Resolves when it answers. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startContainerd(): Promise<ContainerdFixture> {
  const paths = homePaths(mkdtempSync("/tmp/k8ts-"));
  const bridge = `k8t${randomInt(1_000_000)}`;
  const runtimes: Runtime[] = [];
  let daemon: ChildProcess | undefined;
  mkdirSync(paths.cniConfig, { recursive: true });
  writeFileSync(`${paths.cniConfig}/10-test.conflist`, JSON.stringify(network(bridge, paths.cniData)));

  const fixture: ContainerdFixture = {
    paths,
    async connect() {
      const runtime = await createContainerdRuntime({ paths, clock: systemClock, log: silent });
      runtimes.push(runtime);
      return runtime;
    },
    async start() {
      const { command, args } = await prepareContainerd({ paths, log: silent });
      const output = openSync(`${paths.root}/containerd.out`, "a");
      daemon = spawn(command, args, { stdio: ["ignore", output, output], detached: true });
      await answers(fixture);
    },
    async kill() {
      const ended = new Promise((resolve) => daemon?.once("exit", resolve));
      daemon?.kill("SIGKILL");
      await ended;
    },
    async stop() {
      for (const runtime of runtimes) await runtime.close();
      await sweepContainerd({ paths, clock: systemClock, log: silent, graceMs: 100 });
      if (existsSync(`/sys/class/net/${bridge}`)) execFileSync("ip", ["link", "delete", bridge]);
      rmSync(paths.root, { recursive: true, force: true });
    },
  };
  await fixture.start();
  return fixture;
}

/** containerd serves a moment before its CRI part does. */
async function answers({ paths }: ContainerdFixture): Promise<void> {
  const until = systemClock.monotonic() + 20_000;
  for (;;) {
    try {
      const runtime = await createContainerdRuntime({ paths, clock: systemClock, log: silent });
      return await runtime.close();
    } catch (error) {
      if (systemClock.monotonic() > until) throw error;
    }
    await systemClock.sleep(50);
  }
}

/** A bridge with a range that no cluster of ours uses. */
function network(bridge: string, dataDir: string) {
  const subnet = `10.${200 + randomInt(50)}.${randomInt(256)}.0/24`;
  const ipam = { type: "host-local", dataDir, ranges: [[{ subnet }]], routes: [{ dst: "0.0.0.0/0" }] };
  const plugin = { type: "bridge", bridge, isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  return { cniVersion: "0.4.0", name: `test-${bridge}`, plugins: [plugin] };
}

const APPLETS = [
  "cat",
  "dd",
  "echo",
  "env",
  "false",
  "hostname",
  "httpd",
  "ls",
  "nc",
  "printf",
  "seq",
  "sh",
  "sleep",
  "tail",
  "true",
];

/** busybox, as small as it can be. */
export function testImage(name = TEST_IMAGE): ImageArchive {
  const links = APPLETS.map((applet) => ({ path: `bin/${applet}`, symlink: "busybox" }));
  const passwd = { path: "etc/passwd", content: "root:x:0:0:root:/:/bin/sh\n" };
  return {
    name,
    architecture: architectureOf(arch),
    layers: [
      [{ path: "bin" }, fileEntry("/bin/busybox", "bin/busybox", 0o755), ...links],
      [{ path: "etc" }, passwd],
    ],
    config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
  };
}

export async function importTestImage(runtime: Runtime): Promise<void> {
  await runtime.importImage(imageTar(testImage()));
}
