/**
 * Session: joins the user's terminal to a session of exec or attach, and gives its exit code.
 *
 * The terminal is put into raw mode for as long as the session lasts, and always back.
 */

import type { ExecClientSession, ExecOptions } from "../machinery/streams/channels.ts";
import { dialExec } from "../machinery/streams/dial.ts";
import type { Cluster } from "./cluster.ts";
import { CommandError, PlainError } from "./errors.ts";
import type { KubectlIo } from "./io.ts";

/** `path` names the Pod's subresource with its query. */
export async function runSession(cluster: Cluster, path: string, options: ExecOptions, io: KubectlIo): Promise<void> {
  const session = await dialExec(await cluster.dialTarget(path), options, { clock: io.clock });
  const stop = () => session.close();
  io.signal.addEventListener("abort", stop, { once: true });
  const restore = options.tty && options.stdin ? rawMode(io) : () => {};
  try {
    const unwatch = options.tty ? followSize(session, io) : () => {};
    await joined(session, io);
    unwatch();
  } finally {
    restore();
    io.signal.removeEventListener("abort", stop);
    session.close();
  }
}

async function joined(session: ExecClientSession, io: KubectlIo): Promise<void> {
  const { stdin, stdout, stderr, outcome } = session;
  if (stdin) {
    stdin.on("error", () => {});
    io.stdin.pipe(stdin);
  }
  const outputs = [
    [stdout, io.stdout],
    [stderr, io.stderr],
  ] as const;
  const ends = outputs.map(([from, to]) => {
    if (!from) return Promise.resolve();
    from.pipe(to, { end: false });
    return new Promise<void>((resolve) =>
      from
        .once("end", resolve)
        .once("close", resolve)
        .once("error", () => resolve()),
    );
  });
  const ended = await outcome.finally(() => {
    if (stdin) io.stdin.unpipe(stdin);
    io.stdin.pause();
  });
  await Promise.all(ends);
  if (ended.kind === "failed") throw new CommandError(ended.message);
  if (ended.code !== 0) throw new PlainError(`command terminated with exit code ${ended.code}`, ended.code);
}

function rawMode({ stdin }: KubectlIo): () => void {
  if (!stdin.isTTY || !stdin.setRawMode) return () => {};
  stdin.setRawMode(true);
  return () => void stdin.setRawMode?.(false);
}

function followSize(session: ExecClientSession, { stdout }: KubectlIo): () => void {
  const tell = () => {
    if (stdout.columns && stdout.rows) session.resize({ width: stdout.columns, height: stdout.rows });
  };
  tell();
  stdout.on("resize", tell);
  return () => void stdout.off("resize", tell);
}
