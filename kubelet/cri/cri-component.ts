/**
 * CRI component: the runtime server as a process (`k8ts cri`), or inside the agent by `startCri`.
 *
 * It holds nothing that containers depend on: killed at any moment, it is started again and the
 * kubelet goes on. containerd itself is a process of the supervisor's (see runtime/containerd/daemon.ts).
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { type ComponentContext, defineComponent, type FlagValues } from "../../machinery/process/component.ts";
import { UsageError } from "../../machinery/process/flags.ts";
import { homePaths } from "../../machinery/process/home.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Runtime } from "./contract.ts";
import { CriError, isCriError } from "./errors.ts";
import { isServed, serveRuntime } from "./server.ts";

export const criFlags = {
  runtime: { type: "string", default: "containerd", value: "NAME", help: "containerd or simulated" },
  "cri-listen": { type: "string", value: "SOCKET", help: "where to serve the runtime (default: the home's cri.sock)" },
  "containerd-socket": { type: "string", value: "SOCKET", help: "containerd to use (default: the home's own)" },
} as const;

export type CriFlags = FlagValues<typeof criFlags>;

export interface StartedCri {
  readonly runtime: Runtime;
  readonly socket: string;
  close(): Promise<void>;
}

type StartContext = Pick<ComponentContext, "clock" | "log" | "signal" | "home">;

export const criComponent = defineComponent({
  name: "cri",
  summary: "Serves the container runtime over HTTP on a unix socket.",
  flags: criFlags,
  async run(flags, context) {
    const started = await startCri(flags, context);
    context.ready();
    await stopped(context.signal);
    await started.close();
  },
});

/** Resolves when the socket serves. Waits for containerd until it answers or `signal` aborts. */
export async function startCri(flags: CriFlags, context: StartContext): Promise<StartedCri> {
  const { clock, log, home } = context;
  const socket = flags["cri-listen"] ?? homePaths(home).criSocket;
  const make = runtimes[flags.runtime];
  if (!make) throw new UsageError(`--runtime is one of ${Object.keys(runtimes).join(", ")}, not "${flags.runtime}"`);
  const runtime = await patiently(() => make(flags, context), context);
  try {
    const server = await serveRuntime({ runtime, socket, clock, log });
    log.info("runtime served", { runtime: flags.runtime, socket });
    return {
      runtime,
      socket,
      async close() {
        await server.close();
        await runtime.close();
      },
    };
  } catch (error) {
    await runtime.close();
    throw isCriError(error, "AlreadyExists") ? new UsageError(error.message) : error;
  }
}

/** Each runtime's code is loaded only when it is used: gRPC alone is 15 MB. */
const runtimes: Readonly<Record<string, (flags: CriFlags, context: StartContext) => Promise<Runtime>>> = {
  async containerd(flags, { home, clock, log }) {
    const { createContainerdRuntime } = await import("../runtime/containerd/runtime.ts");
    const socket = flags["containerd-socket"];
    // A connection that is refused is tried again by gRPC after seconds: knock first.
    if (!(await isServed(socket ?? homePaths(home).containerdSocket)))
      throw new CriError("Unavailable", "containerd does not answer yet");
    return createContainerdRuntime({ paths: homePaths(home), clock, log, ...(socket && { socket }) });
  },
  async simulated(_flags, { clock }) {
    const { createSimulatedRuntime } = await import("../runtime/simulated/runtime.ts");
    return createSimulatedRuntime({ clock });
  },
};

const RETRY_MS = 50;

interface Waiting {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** containerd may still be starting, or be restarted by the supervisor. */
async function patiently<T>(make: () => Promise<T>, { clock, log, signal }: Waiting): Promise<T> {
  for (let said = false; ; said = true) {
    try {
      return await make();
    } catch (error) {
      if (!isCriError(error, "Unavailable") && !isCriError(error, "DeadlineExceeded")) throw error;
      if (!said) log.info("waiting for containerd", { error: error.message });
    }
    await clock.sleep(RETRY_MS, signal);
  }
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
