/**
 * kubectl: the command line, from arguments to exit code.
 *
 * Imports one command's file only, for start-up time. Never imports apiserver: types come from the
 * server's discovery and OpenAPI. Commands are in commands/, printing in output/.
 */
import type { KubectlIo } from "./io.ts";

export async function kubectl(argv: readonly string[], io: KubectlIo): Promise<number> {
  io.stderr.write(`error: unknown command "${argv[0] ?? ""}" for "kubectl"\n`);
  return 1;
}
