/**
 * Streams: attach and port-forward by containerd's own streaming server; exec is in exec.ts.
 *
 * CRI answers these calls with a URL on loopback that works once. It is dialled by SPDY, the only
 * framing of containerd 1.6 in which input can end before output does.
 */
import { connect } from "node:net";
import { Writable } from "node:stream";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { DialTarget } from "../../../machinery/streams/dial.ts";
import { dialExec, dialPortForward } from "../../../machinery/streams/dial.ts";
import type { ProcessStreams, RuntimeService } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import { execOptions, join, splice } from "../../cri/streaming-client.ts";
import type { StreamCalls } from "./services.ts";

export interface StreamsOptions {
  readonly clock: Clock;
  /** Asks containerd for the URL of a stream. */
  url<N extends keyof StreamCalls>(call: N, request: StreamCalls[N]): Promise<string>;
}

export function containerdStreams({ clock, url }: StreamsOptions): Pick<RuntimeService, "attach" | "portForward"> {
  return {
    async attach({ containerId, tty = false }, streams) {
      const address = await url("Attach", { containerId, ...execOptions(tty, atLeastOne(streams)) });
      const session = await dialExec(targetOf(address, streams.signal), execOptions(tty, atLeastOne(streams)), {
        clock,
      });
      const outcome = await join(session, atLeastOne(streams));
      if (outcome.kind === "failed") throw new CriError("Unknown", outcome.message);
    },
    async portForward({ podSandboxId, port }, stream, signal) {
      const address = await url("PortForward", { podSandboxId, port: [port] });
      const session = await dialPortForward(targetOf(address, signal), { clock });
      try {
        await splice(stream, await session.connect(port));
      } catch (error) {
        throw new CriError("Unknown", error instanceof Error ? error.message : String(error), { cause: error });
      } finally {
        session.close();
      }
    },
  };
}

/** containerd refuses a stream without input and output: then the output is taken and dropped. */
function atLeastOne(streams: ProcessStreams): ProcessStreams {
  return streams.stdin || streams.stdout || streams.stderr ? streams : { ...streams, stdout: drain() };
}

function targetOf(address: string, signal: AbortSignal | undefined): DialTarget {
  const { hostname, port, host, pathname, search } = new URL(address);
  return {
    connect: () => connect(Number(port), hostname),
    path: `${pathname}${search}`,
    host,
    framing: "spdy",
    ...(signal && { signal }),
  };
}

function drain(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
