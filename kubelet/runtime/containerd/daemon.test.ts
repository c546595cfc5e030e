/** What is made ready before containerd starts: after a reboot nothing of before counts, without one everything does. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type HomePaths, homePaths } from "../../../machinery/process/home.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { prepareContainerd } from "./daemon.ts";
import { containerdLayout } from "./layout.ts";

/** A home in which a Pod had an address and a task, under the boot of this id. */
async function afterBoot(bootId: string, check: (paths: HomePaths, traces: readonly string[]) => void): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "k8ts-daemon-"));
  try {
    const paths = homePaths(root);
    const { state } = containerdLayout(paths);
    const traces = [join(paths.cniData, "k8ts", "10.42.0.5"), join(state, "task")];
    for (const trace of traces) {
      mkdirSync(join(trace, ".."), { recursive: true });
      writeFileSync(trace, "");
    }
    writeFileSync(join(state, "boot-id"), `${bootId}\n`);
    await prepareContainerd({ paths, log: silent, cniBin: "/usr/lib/cni" });
    check(paths, traces);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test.skipIf(process.platform !== "linux")("after a reboot tasks and the addresses of Pods are forgotten", () =>
  afterBoot("another", (_paths, traces) => expect(traces.filter(existsSync)).toEqual([])),
);

test.skipIf(process.platform !== "linux")("without one they are kept", () =>
  afterBoot(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(), (_paths, traces) =>
    expect(traces.filter(existsSync)).toEqual(traces),
  ),
);
