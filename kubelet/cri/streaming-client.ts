/**
 * Streaming client: exec, attach and port-forward through the runtime server; the other end is streaming.ts.
 *
 * Joins a session of machinery/streams with the caller's streams; `join` serves the containerd
 * runtime as well, which dials containerd's own streaming server.
 */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../../machinery/process/clock.ts";
import type { ExecClientSession, ExecOutcome } from "../../machinery/streams/channels.ts";
import { type DialTarget, dialExec, dialPortForward } from "../../machinery/streams/dial.ts";
import type { AttachRequest, ExecRequest, PortForwardRequest, ProcessStreams, RuntimeService } from "./contract.ts";
import { CriError } from "./errors.ts";
import { errorOf } from "./streaming.ts";

interface Wire {
  readonly socket: string;
  readonly clock: Clock;
}

export function streamingClient({ socket, clock }: Wire): Pick<RuntimeService, "exec" | "attach" | "portForward"> {
  const target = (call: string, query: URLSearchParams, signal?: AbortSignal): DialTarget => ({
    connect: () => connect(socket),
    path: `/v1/${call}?${query}`,
    host: "cri",
    ...(signal && { signal }),
  });
  const run = async (call: string, request: ExecRequest | AttachRequest, streams: ProcessStreams) => {
    const query = new URLSearchParams({ containerId: request.containerId });
    for (const word of "cmd" in request ? request.cmd : []) query.append("cmd", word);
    const options = execOptions(request.tty ?? false, streams);
    const parameters = { tty: options.tty, input: options.stdin, output: options.stdout, error: options.stderr };
    for (const [name, wanted] of Object.entries(parameters)) if (wanted) query.set(name, "1");
    const session = await dialExec(target(call, query, streams.signal), options, { clock });
    const outcome = await join(session, streams);
    if (outcome.kind === "exited") return outcome.code;
    throw errorOf(outcome.message);
  };
  return {
    exec: async (request, streams) => ({ exitCode: await run("Exec", request, streams) }),
    attach: async (request, streams) => void (await run("Attach", request, streams)),
    async portForward({ podSandboxId, port }: PortForwardRequest, stream: Duplex, signal?: AbortSignal) {
      const query = new URLSearchParams({ podSandboxId, port: String(port) });
      const session = await dialPortForward(target("PortForward", query, signal), { clock });
      try {
        await splice(stream, await session.connect(port));
      } catch (error) {
        throw errorOf(error instanceof Error ? error.message : String(error));
      } finally {
        session.close();
      }
    },
  };
}

export function execOptions(tty: boolean, streams: ProcessStreams) {
  return {
    stdin: streams.stdin !== undefined,
    stdout: streams.stdout !== undefined,
    stderr: streams.stderr !== undefined && !tty,
    tty,
  };
}

/** Joins the session's streams with the caller's, and answers how it ended once all output is through. */
export async function join(session: ExecClientSession, streams: ProcessStreams): Promise<ExecOutcome> {
  const { signal } = streams;
  const leave = () => session.close();
  signal?.addEventListener("abort", leave, { once: true });
  if (signal?.aborted) leave();
  const outputs = [flow(session.stdout, streams.stdout), flow(session.stderr, streams.stderr)];
  // a reader may leave long before the outcome comes: asked for below, but nobody waits for it until then
  for (const output of outputs) output.catch(() => undefined);
  // the input may outlive the process, or the process its input: neither decides the outcome
  flow(streams.stdin, session.stdin).catch(() => undefined);
  if (streams.resize) sendSizes(session, streams.resize).catch(() => undefined);
  try {
    const outcome = await session.outcome;
    await Promise.all(outputs);
    return outcome;
  } catch (error) {
    await Promise.allSettled(outputs);
    if (signal?.aborted) throw new CriError("Canceled", "the stream was left", { cause: signal.reason });
    throw new CriError("Unavailable", `the stream was cut: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  } finally {
    signal?.removeEventListener("abort", leave);
    session.close();
  }
}

async function flow(from: NodeJS.ReadableStream | undefined, to: NodeJS.WritableStream | undefined): Promise<void> {
  if (from && to) await pipeline(from, to);
  else to?.end();
}

async function sendSizes(session: ExecClientSession, sizes: NonNullable<ProcessStreams["resize"]>): Promise<void> {
  for await (const size of sizes) session.resize(size);
}

/** Both directions of two connections, each ended by itself. */
export async function splice(one: Duplex, other: Duplex): Promise<void> {
  await Promise.all([pipeline(one, other, { end: true }), pipeline(other, one, { end: true })]);
}
