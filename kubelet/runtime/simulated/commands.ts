/**
 * Commands: the few programs that a simulated container knows, for exec.
 *
 * Anything else fails as it would in a real container without it. Exec probes and hooks (ExecSync) are
 * different: there every command succeeds once the container is ready, see runtime.ts.
 */
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface CommandContext {
  readonly env: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly stdin: Readable | undefined;
  readonly stdout: Writable;
}

type Command = (args: readonly string[], context: CommandContext) => Promise<number> | number;

export const commands: Readonly<Record<string, Command>> = {
  true: () => 0,
  false: () => 1,
  echo: (args, { stdout }) => say(stdout, args.join(" ")),
  hostname: (_args, { stdout, hostname }) => say(stdout, hostname),
  env: (_args, { stdout, env }) =>
    say(
      stdout,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}`)
        .join("\n"),
    ),
  async cat(_args, { stdin, stdout }) {
    if (stdin) await pipeline(stdin, stdout, { end: false });
    return 0;
  },
};

function say(stdout: Writable, text: string): number {
  stdout.write(`${text}\n`);
  return 0;
}
