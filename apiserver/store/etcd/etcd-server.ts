/**
 * etcd server for tests: a real one on loopback with its own directory, and a proxy that can be cut.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../machinery/process/clock.ts";

export interface EtcdServer {
  readonly endpoint: string;
  /** SIGSTOP: it hangs; SIGCONT: it goes on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Kills it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same address and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** False where the machine has no etcd: tests say so and skip. */
export const hasEtcd = (): boolean => spawnSync("etcd", ["--version"]).status === 0;

export async function startEtcd(): Promise<EtcdServer> {
  const directory = mkdtempSync(join(tmpdir(), "k8ts-etcd-"));
  const [client, peer] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${client}`;
  const peers = `http://127.0.0.1:${peer}`;
  let child: ChildProcess | undefined;

  const start = async () => {
    const flags = {
      "data-dir": directory,
      "listen-client-urls": endpoint,
      "advertise-client-urls": endpoint,
      "listen-peer-urls": peers,
      "initial-advertise-peer-urls": peers,
      "initial-cluster": `default=${peers}`,
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    child = spawn("etcd", args, { stdio: "ignore" });
    await listening(client);
  };
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    endpoint,
    start,
    kill,
    signal: (name) => void child?.kill(name),
    async stop() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface Proxy {
  readonly endpoint: string;
  /** Cuts all connections; new ones are taken at once. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(targetPort), "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until something answers on the port: etcd opens it when it has a leader. */
async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await systemClock.sleep(25);
  }
  throw new Error(`etcd does not listen on port ${port}`);
}
