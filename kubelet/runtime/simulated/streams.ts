/**
 * Streams of the simulated runtime: commands, and the events of its containers.
 */
import { PassThrough } from "node:stream";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { RuntimeService } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import { createEventQueue } from "../../cri/event-queue.ts";
import { commands } from "./commands.ts";
import type { SimulatedContainer } from "./state.ts";
import type { World } from "./world.ts";

type StreamCalls = Pick<RuntimeService, "execSync" | "exec" | "attach" | "portForward" | "getContainerEvents">;

/** `closed` aborts when the runtime is closed. */
export function streamCalls(clock: Clock, world: World, closed: AbortSignal): StreamCalls {
  return {
    /** Probes and hooks: any command succeeds once the container is ready. */
    async execSync({ containerId, cmd }) {
      const container = world.running(containerId);
      const ready = clock.now() - container.startedAt >= container.behaviour.readyAfterMs;
      if (!ready) return { stdout: "", stderr: "", exitCode: 1 };
      const command = commands[cmd[0] ?? ""];
      const stdout = new PassThrough();
      const exitCode = (await command?.(cmd.slice(1), { ...contextOf(container), stdin: undefined, stdout })) ?? 0;
      stdout.end();
      const output = (await stdout.toArray()) as Buffer[];
      return { stdout: Buffer.concat(output).toString("base64"), stderr: "", exitCode };
    },
    async exec({ containerId, cmd }, { stdin, stdout = new PassThrough().resume(), stderr }) {
      const container = world.running(containerId);
      const command = commands[cmd[0] ?? ""];
      if (!command) {
        const known = Object.keys(commands).join(", ");
        throw new CriError(
          "Unknown",
          `exec: "${cmd[0]}": executable file not found in $PATH: simulated containers know only ${known}`,
        );
      }
      const exitCode = await command(cmd.slice(1), { ...contextOf(container), stdin, stdout });
      stdout.end();
      stderr?.end();
      return { exitCode };
    },
    attach: async () => notSimulated("attaching to it"),
    portForward: async () => notSimulated("connecting to its ports"),
    async *getContainerEvents(signal) {
      const queue = createEventQueue();
      world.listeners.add(queue);
      try {
        yield undefined;
        yield* queue.take(AbortSignal.any([signal, closed]));
      } finally {
        world.listeners.delete(queue);
      }
    },
  };
}

function contextOf({ config, sandbox }: SimulatedContainer) {
  const env = Object.fromEntries((config.envs ?? []).map(({ key, value }) => [key, value]));
  return { env, hostname: sandbox.config.hostname ?? sandbox.config.metadata.name };
}

function notSimulated(what: string): never {
  throw new CriError("Unimplemented", `a simulated container has no process: ${what} is not possible`);
}
