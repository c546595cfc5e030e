/**
 * kubectl cp: files and directories to and from a container, by the `tar` that must be in it.
 *
 * An archive from a container may name any path: nothing is written outside of the destination, and links are not
 * made. The archives are ../copy/.
 */
import { createWriteStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { basename, dirname, join, posix, resolve, sep } from "node:path";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { dialExec } from "../../machinery/streams/dial.ts";
import { sessionQuery } from "../attaching.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { readTar, type TarEntry } from "../copy/tar-reader.ts";
import { writeTar } from "../copy/tar-writer.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError, PlainError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { chooseContainer, podPath } from "../pods.ts";

const flags = {
  container: { type: "string", short: "c", help: "Container name." },
  "no-preserve": {
    type: "boolean",
    help: "The copied file/directory's ownership and permissions will not be preserved in the container",
  },
  retries: {
    type: "number",
    default: 0,
    help: "Set number of retries to complete a copy operation from a container. Negative for infinite retrying.",
  },
} as const satisfies FlagTable;

type CpRun = Run<typeof flags>;

interface Place {
  /** Undefined: on this machine. */
  readonly pod: string | undefined;
  readonly namespace: string | undefined;
  readonly path: string;
}

export const cp = defineCommand({
  usage: "cp <file-spec-src> <file-spec-dest> [options]",
  summary: "Copy files and directories to and from containers.",
  examples: ["kubectl cp /tmp/foo some-namespace/some-pod:/tmp/bar", "kubectl cp some-pod:/tmp/foo /tmp/bar"],
  flags,
  async run(run) {
    if (run.args.length !== 2) throw new CommandError("source and destination are required");
    const [from, to] = run.args.map(placeOf) as [Place, Place];
    if (from.pod !== undefined && to.pod !== undefined)
      throw new CommandError("one of src or dest must be a local file specification");
    if (from.pod === undefined && to.pod === undefined)
      throw new CommandError("one of src or dest must be a remote file specification");
    if (from.path === "" || to.path === "") throw new CommandError("filepath can not be empty");
    const cluster = await run.cluster();
    if (from.pod !== undefined) return download(run, cluster, from, to.path);
    const local = resolve(run.io.cwd, from.path);
    if (!(await stat(local).catch(() => undefined)))
      throw new CommandError(`${from.path} doesn't exist in local filesystem`);
    await upload(run, cluster, local, to);
  },
});

/** "[[namespace/]pod:]file/path" */
function placeOf(text: string): Place {
  const colon = text.indexOf(":");
  if (colon < 0) return { pod: undefined, namespace: undefined, path: text };
  const path = text.slice(colon + 1);
  const [first = "", second, ...more] = text.slice(0, colon).split("/");
  if (more.length > 0 || colon === 0)
    throw new CommandError("filespec must match the canonical format: [[namespace/]pod:]file/path");
  return second === undefined ? { pod: first, namespace: undefined, path } : { pod: second, namespace: first, path };
}

interface Ended {
  readonly code: number;
  readonly stderr: string;
}

/** Runs a command in the place's container, with the streams that are given. */
async function inContainer(
  run: CpRun,
  cluster: Cluster,
  place: Place,
  command: readonly string[],
  streams: { readonly stdin?: Readable; readonly stdout?: (output: Readable) => Promise<void> },
): Promise<Ended> {
  const type = resolveType(await cluster.discovery(), "pods");
  const namespace = place.namespace ?? cluster.namespace;
  const pod = await cluster.request<Pod>({ method: "GET", path: resourcePath(type, namespace, place.pod) });
  const { phase = "" } = pod.status ?? {};
  if (phase === "Succeeded" || phase === "Failed")
    throw new CommandError(`cannot exec into a container in a completed pod; current phase is ${phase}`);
  const container = chooseContainer(pod, run.flags.container, run.err).name;
  const options = { stdin: streams.stdin !== undefined, stdout: true, stderr: true, tty: false };
  const query = sessionQuery(container, options);
  for (const word of command) query.append("command", word);
  const target = await cluster.dialTarget(await podPath(cluster, pod, "exec", query));
  const session = await dialExec(target, options, { clock: run.clock });
  const stop = () => session.close();
  run.io.signal.addEventListener("abort", stop, { once: true });
  try {
    const said: Buffer[] = [];
    session.stderr?.on("data", (chunk: Buffer) => said.push(chunk));
    const work: Promise<unknown>[] = [];
    if (streams.stdin && session.stdin) work.push(pipeline(streams.stdin, session.stdin));
    if (session.stdout) work.push(streams.stdout?.(session.stdout) ?? drained(session.stdout));
    const [ended, ...results] = await Promise.all([session.outcome, Promise.allSettled(work)]);
    if (ended.kind === "failed") throw new CommandError(ended.message);
    const failed = results.flat().find((one) => one.status === "rejected");
    if (ended.code === 0 && failed) throw failed.reason;
    return { code: ended.code, stderr: Buffer.concat(said).toString("utf8") };
  } finally {
    run.io.signal.removeEventListener("abort", stop);
    session.close();
  }
}

const drained = (stream: Readable) => pipeline(stream, new Writable({ write: (_chunk, _encoding, done) => done() }));

function check(run: CpRun, { code, stderr }: Ended): void {
  if (stderr !== "") run.err(stderr);
  if (code !== 0) throw new PlainError(`command terminated with exit code ${code}`, code);
}

/** Into the directory, where the destination is one; else under the destination's own name. */
async function upload(run: CpRun, cluster: Cluster, local: string, to: Place): Promise<void> {
  const plain = to.path.replace(/(.)\/+$/, "$1");
  const probe = await inContainer(run, cluster, to, ["test", "-d", plain], {});
  const target = probe.code === 0 ? posix.join(plain, basename(local)) : plain;
  const keep = run.flags["no-preserve"] ? ["--no-same-permissions", "--no-same-owner"] : [];
  const command = ["tar", ...keep, "-xmf", "-", "-C", posix.dirname(target)];
  const stdin = Readable.from(writeTar(local, posix.basename(target)), { objectMode: false });
  check(run, await inContainer(run, cluster, to, command, { stdin }));
}

async function download(run: CpRun, cluster: Cluster, from: Place, to: string): Promise<void> {
  const remote = posix.normalize(from.path).replace(/(.)\/+$/, "$1");
  const prefix = remote.replace(/^(\.{0,2}\/)+/, "");
  const local = resolve(run.io.cwd, to);
  const directory = await stat(local).catch(() => undefined);
  const target = directory?.isDirectory() && remote !== "." ? join(local, posix.basename(remote)) : local;
  const writes = (output: Readable) => unpack(run, from, output, prefix, target);
  const attempts = run.flags.retries < 0 ? Number.POSITIVE_INFINITY : run.flags.retries + 1;
  for (let attempt = 1; ; attempt++) {
    try {
      return check(run, await inContainer(run, cluster, from, ["tar", "cf", "-", remote], { stdout: writes }));
    } catch (error) {
      if (attempt >= attempts || !/EOF/.test((error as Error).message)) throw error;
      run.err(`Resuming copy, retry ${attempt}/${run.flags.retries} - ${(error as Error).message}\n`);
    }
  }
}

async function unpack(run: CpRun, from: Place, output: Readable, prefix: string, target: string): Promise<void> {
  let entries = 0;
  for await (const entry of readTar(output)) {
    entries++;
    const name = entry.name.replace(/^(\.{0,2}\/)+/, "").replace(/\/+$/, "");
    const inner = prefix === "" || prefix === "." ? name : name.slice(prefix.length).replace(/^\/+/, "");
    const path = inner === "" ? target : resolve(target, inner);
    if (path !== target && !path.startsWith(target.endsWith(sep) ? target : target + sep)) {
      run.err(`warning: file ${JSON.stringify(path)} is outside target destination, skipping\n`);
      continue;
    }
    await write(run, from, entry, path);
  }
  if (entries === 0) throw new CommandError("unexpected EOF: nothing was copied");
}

async function write(run: CpRun, from: Place, entry: TarEntry, path: string): Promise<void> {
  if (entry.type === "directory") {
    await mkdir(path, { recursive: true });
  } else if (entry.type === "link") {
    run.err(
      `warning: skipping symlink: ${JSON.stringify(path)} -> ${JSON.stringify(entry.linkTarget)} (consider using "kubectl exec -n ${JSON.stringify(from.namespace ?? "")} ${JSON.stringify(from.pod)} -- tar cf - ${JSON.stringify(from.path)} | tar xf -")\n`,
    );
  } else if (entry.type === "file") {
    await mkdir(dirname(path), { recursive: true });
    await pipeline(entry.content, createWriteStream(path, { mode: entry.mode || 0o644 }));
  }
}
