/** Etcd: a real etcd server of a test's own, that can be killed and started again on the same data and ports. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, freePort } from "./cluster.ts";
import { httpGet } from "./plain-http.ts";

export interface Etcd {
  readonly url: string;
  start(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export const hasEtcd = existsSync("/usr/bin/etcd");

/** Not started yet. */
export async function createEtcd(): Promise<Etcd> {
  const data = mkdtempSync(join(tmpdir(), "etcd-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const settings = {
    "data-dir": data,
    "listen-client-urls": url,
    "advertise-client-urls": url,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `default=${peer}`,
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  let child: ChildProcess | undefined;
  const kill = async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child?.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }
    child = undefined;
  };
  return {
    url,
    async start() {
      child = spawn("etcd", args, { stdio: "ignore" });
      await eventually("etcd to answer", async () => {
        if ((await httpGet(`${url}/health`)).status !== 200) throw new Error("not healthy yet");
      });
    },
    kill,
    async remove() {
      await kill();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
