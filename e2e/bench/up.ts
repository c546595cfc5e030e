/**
 * Up: from the command to a node that is Ready: the first time, after `down`, and while it runs already.
 *
 * What is missing on the machine has been installed before, so that the first time measures k8ts, not apt.
 */
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement } from "./bench.ts";
import { atMost, median, type Row } from "./report.ts";

const program = join(import.meta.dirname, "..", "..", "k8ts");

interface Timed {
  /** Until the node was Ready. */
  readonly ready: number;
  /** Until the command ended: the DNS answers too. */
  readonly ended: number;
}

export const upTimes: Measurement = {
  name: "up",
  summary: "time of up",
  async run({ quick, simulated, say }) {
    const home = mkdtempSync(join(tmpdir(), "k8ts-"));
    const env = { ...process.env, K8TS_HOME: home, HOME: home };
    const flags = ["--no-sample", "--port", String(await freePort()), ...(simulated ? ["--simulated"] : [])];
    const up = () => timed(["up", ...flags], env);
    try {
      say("first");
      const first = await up();
      say("while running already");
      const again: Timed[] = [];
      for (let round = 0; round < (quick ? 1 : 5); round++) again.push(await up());
      say("after down");
      const afterDown: Timed[] = [];
      for (let round = 0; round < (quick ? 2 : 5); round++) {
        await timed(["down"], env);
        afterDown.push(await up());
      }
      const rows = [row("first, fresh home", [first]), row("while running already", again)];
      return [
        {
          title: simulated ? "up, simulated containers" : "up",
          rows: [...rows, { ...row("after down", afterDown), aim: atMost(3) }],
        },
      ];
    } finally {
      await timed(["down", "--purge"], env);
    }
  },
};

function row(what: string, times: readonly Timed[]): Row {
  const all = times.map(({ ready }) => ready.toFixed(2)).join(", ");
  const note = `until DNS answers too: ${median(times.map(({ ended }) => ended)).toFixed(2)} s; each: ${all}`;
  return { what: `${what}: node Ready`, value: median(times.map(({ ready }) => ready)), unit: "s", note };
}

/** Runs a command of k8ts and notes when it told that the node is Ready. */
function timed(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Timed> {
  const begin = clock.monotonic();
  const since = () => (clock.monotonic() - begin) / 1000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    let ready: number | undefined;
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (/✓ node /.test(text)) ready ??= since();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const ended = since();
      if (code === 0) resolve({ ready: ready ?? ended, ended });
      else reject(new Error(`k8ts ${args.join(" ")}: exit code ${code}\n${text}`));
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}
