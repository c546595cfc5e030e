/**
 * Command: what one file in commands/ exports, and what it is given to run.
 *
 * A command throws what goes wrong (errors.ts words it) and returns when it is done; an exit code
 * of its own it throws as ExitError. It writes to `out` and `err` only.
 */
import type { Clock } from "../machinery/process/clock.ts";
import type { Cluster } from "./cluster.ts";
import type { FlagTable, FlagValues } from "./flags.ts";
import type { KubectlIo } from "./io.ts";

export interface Run<F extends FlagTable> {
  readonly args: readonly string[];
  readonly flags: FlagValues<F>;
  readonly given: ReadonlySet<string>;
  /** How many of `args` stand before `--`. */
  readonly dash: number | undefined;
  /** The command as typed: "rollout status". */
  readonly name: string;
  readonly io: KubectlIo;
  readonly clock: Clock;
  out(text: string): void;
  err(text: string): void;
  /** The chosen cluster; reads the kubeconfig at the first call. */
  cluster(): Promise<Cluster>;
  /** Flags that every command has. */
  readonly globals: GlobalValues;
}

export interface Command<F extends FlagTable = FlagTable> {
  /** After "kubectl": "get (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE/NAME ...) [flags]". */
  readonly usage: string;
  readonly summary: string;
  readonly examples?: readonly string[];
  readonly flags: F;
  run(run: Run<F>): Promise<void>;
}

/** A command that only has others below it: `rollout`, `config`, `create`. */
export interface CommandGroup {
  readonly summary: string;
  readonly usage: string;
  readonly commands: Readonly<Record<string, AnyCommand>>;
  /** Short names of some. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** What runs when no subcommand is named. */
  readonly itself?: AnyCommand;
}

/** A command whose flags are known only to itself. */
export type AnyCommand = Command<FlagTable>;

export function defineCommand<const F extends FlagTable>(command: Command<F>): AnyCommand {
  return command as unknown as AnyCommand;
}

export const isGroup = (one: AnyCommand | CommandGroup): one is CommandGroup => "commands" in one;

export const globalFlags = {
  kubeconfig: { type: "string", help: "Path to the kubeconfig file to use for CLI requests." },
  context: { type: "string", help: "The name of the kubeconfig context to use" },
  cluster: { type: "string", help: "The name of the kubeconfig cluster to use" },
  user: { type: "string", help: "The name of the kubeconfig user to use" },
  namespace: { type: "string", short: "n", help: "If present, the namespace scope for this CLI request" },
  server: { type: "string", short: "s", help: "The address and port of the Kubernetes API server" },
  token: { type: "string", help: "Bearer token for authentication to the API server" },
  as: { type: "string", help: "Username to impersonate for the operation." },
  "as-group": { type: "list", help: "Group to impersonate for the operation, this flag can be repeated." },
  "insecure-skip-tls-verify": {
    type: "boolean",
    help: "If true, the server's certificate will not be checked for validity.",
  },
  "certificate-authority": { type: "string", help: "Path to a cert file for the certificate authority" },
  "client-certificate": { type: "string", help: "Path to a client certificate file for TLS" },
  "client-key": { type: "string", help: "Path to a client key file for TLS" },
  "tls-server-name": { type: "string", help: "Server name to use for server certificate validation." },
  "request-timeout": {
    type: "string",
    default: "0",
    help: "The length of time to wait before giving up on a single server request. A value of zero means don't timeout requests.",
  },
  "warnings-as-errors": {
    type: "boolean",
    help: "Treat warnings received from the server as errors and exit with a non-zero exit code",
  },
  v: { type: "string", short: "v", default: "0", help: "number for the log level verbosity" },
  help: { type: "boolean", short: "h", help: "Help for the command" },
} as const satisfies FlagTable;

export type GlobalValues = FlagValues<typeof globalFlags>;
