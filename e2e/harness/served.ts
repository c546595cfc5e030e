/**
 * Served: an API server of this process over TLS, and kubectl run against it: ours in this process too,
 * or a real one.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { listenTls } from "../../apiserver/request/http.ts";
import { createInFlight } from "../../apiserver/request/in-flight.ts";
import { kubectl } from "../../kubectl/kubectl.ts";
import { createAuthority, issue } from "../../machinery/pki/certificates.ts";
import { writePrivate } from "../../machinery/pki/files.ts";
import { kubeconfig } from "../../machinery/pki/kubeconfig.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Kubectl } from "./kubectls.ts";
import type { Pipeline } from "./pipeline.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly signal?: AbortSignal;
}

export interface Served {
  readonly port: number;
  /** A directory of the test's own, where commands run; gone after `close`. */
  readonly directory: string;
  /** Ours, in this process. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<Ran>;
  real(which: Kubectl, args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** A connection of someone with a certificate of the server's authority. */
  connect(user: string, groups: readonly string[]): Promise<TLSSocket>;
  close(): Promise<void>;
}

export async function serve({ handler }: Pick<Pipeline, "handler">): Promise<Served> {
  const clock = systemClock;
  const directory = await mkdtemp(join(tmpdir(), "k8ts-served-"));
  const authority = await createAuthority(clock, "k8ts-ca");
  const serving = await issue(clock, authority, {
    commonName: "kube-apiserver",
    use: "server",
    addresses: ["127.0.0.1"],
  });
  const admin = { commonName: "kubernetes-admin", organizations: ["system:masters"] };
  const client = await issue(clock, authority, { ...admin, use: "client" });
  const server = await listenTls({
    inFlight: createInFlight({ clock }),
    handler,
    clock,
    log: silent,
    host: "127.0.0.1",
    port: 0,
    ...serving,
    clientAuthority: authority.certificate,
  });
  const path = homePaths(directory).adminKubeconfig;
  const address = `https://127.0.0.1:${server.port}`;
  await writePrivate(path, kubeconfig({ server: address, authority: authority.certificate, user: "admin", client }));
  const env = { KUBECONFIG: path, HOME: directory, PATH: process.env["PATH"] };

  return {
    port: server.port,
    directory,
    async kubectl(args, { stdin = "", signal = new AbortController().signal } = {}) {
      const [stdout, stderr] = [collector(), collector()];
      const io = {
        stdin: Readable.from(stdin === "" ? [] : [Buffer.from(stdin)]),
        stdout: stdout.stream,
        stderr: stderr.stream,
        env,
        cwd: directory,
        clock,
        signal,
      };
      const code = await kubectl(args, io);
      return { code, stdout: stdout.text(), stderr: stderr.text() };
    },
    real: ({ command: [file = "", ...first] }, args, { stdin = "", signal } = {}) =>
      new Promise((resolve) => {
        const options = { env, cwd: directory, maxBuffer: 64 * 1024 * 1024, ...(signal ? { signal } : {}) };
        const child = execFile(file, [...first, ...args], options, (error, stdout, stderr) => {
          resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
        });
        child.stdin?.end(stdin);
      }),
    async connect(commonName, organizations) {
      const own = await issue(clock, authority, { commonName, organizations, use: "client" });
      const { port } = server;
      const socket = connect({
        host: "127.0.0.1",
        port,
        ca: authority.certificate,
        cert: own.certificate,
        key: own.key,
      });
      await once(socket, "secureConnect");
      return socket;
    },
    async close() {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function collector(): { readonly stream: PassThrough; text(): string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}
