/**
 * Attempt: one try of a probe, whatever its kind. Never rejects; a failure says why in Kubernetes' words.
 *
 * What is done with the verdicts (thresholds, events): probe-loop.ts.
 */
import type { Container, Probe } from "../../machinery/objects/kinds.ts";
import type { RuntimeService } from "../cri/contract.ts";
import { isCriError } from "../cri/errors.ts";
import { goDuration } from "../pods/backoff.ts";
import { probeGrpc } from "./grpc.ts";
import { probeHttp } from "./http.ts";
import { probeTcp } from "./tcp.ts";

export interface Verdict {
  readonly ok: boolean;
  readonly output: string;
  /** Nothing was found out: the runtime could not even try. Counts neither way. */
  readonly unknown?: boolean;
}

export interface AttemptTarget {
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string;
}

export interface Prober {
  attempt(probe: Probe, target: AttemptTarget): Promise<Verdict>;
}

type Way = (probe: Probe, target: AttemptTarget, timeoutMs: number) => Promise<Verdict>;

/** Probes as they are meant: over the network to the Pod, or by a command inside. */
export function createProber(cri: RuntimeService): Prober {
  return proberOf({
    httpGet: ({ httpGet }, { container, podIP }, timeoutMs) => {
      const { scheme = "HTTP", host, port, path = "/", httpHeaders = [] } = httpGet ?? { port: 0 };
      const headers = httpHeaders.map(({ name, value }) => [name, value] as const);
      const address = host || podIP;
      return probeHttp({ scheme, host: address, port: portNumber(port, container), path, headers, timeoutMs });
    },
    tcpSocket: ({ tcpSocket }, { container, podIP }, timeoutMs) =>
      probeTcp(tcpSocket?.host || podIP, portNumber(tcpSocket?.port ?? 0, container), timeoutMs),
    grpc: ({ grpc }, { podIP }, timeoutMs) => probeGrpc(podIP, grpc?.port ?? 0, grpc?.service ?? "", timeoutMs),
    exec: execWay(cri),
  });
}

/** For simulated runtimes: there is nothing to connect to, so what runs answers. */
export function createAssumingProber(cri: RuntimeService): Prober {
  const assume: Way = async () => ({ ok: true, output: "" });
  return proberOf({ httpGet: assume, tcpSocket: assume, grpc: assume, exec: execWay(cri) });
}

function proberOf(ways: Readonly<Record<"httpGet" | "tcpSocket" | "grpc" | "exec", Way>>): Prober {
  return {
    async attempt(probe, target) {
      const kind = (["exec", "httpGet", "tcpSocket", "grpc"] as const).find((name) => probe[name] !== undefined);
      if (!kind) return { ok: false, output: `missing probe handler for ${target.container.name}` };
      try {
        return await ways[kind](probe, target, (probe.timeoutSeconds ?? 1) * 1000);
      } catch (error) {
        return { ok: false, unknown: isCriError(error), output: (error as Error).message };
      }
    },
  };
}

function execWay(cri: RuntimeService): Way {
  return async ({ exec }, { containerId }, timeoutMs) => {
    const cmd = exec?.command ?? [];
    try {
      const answer = await cri.execSync({ containerId, cmd, timeout: Math.ceil(timeoutMs / 1000) });
      const text = [answer.stdout, answer.stderr].map((part) => Buffer.from(part, "base64").toString("utf8")).join("");
      return { ok: answer.exitCode === 0, output: text.slice(0, OUTPUT_CHARS) };
    } catch (error) {
      if (!isCriError(error, "DeadlineExceeded")) throw error;
      return { ok: false, output: `command timed out: "${cmd.join(" ")}" timed out after ${goDuration(timeoutMs)}` };
    }
  };
}

const OUTPUT_CHARS = 10_240;

function portNumber(port: number | string, container: Container): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
  if (!Number.isInteger(named)) throw new Error(`couldn't find port: ${port}`);
  return named;
}
