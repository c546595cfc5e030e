/**
 * Join error: why a machine could not join, and what to do about it. For a person, so without a stack.
 */
import { ApiError } from "../objects/status.ts";
import { UsageError } from "../process/flags.ts";

/** Exit code 2, as for other things that only the person in front can change. */
export class JoinError extends UsageError {
  constructor(problem: string, remedy?: string) {
    super(remedy === undefined ? problem : `${problem}\n  What to do: ${remedy}`);
  }
}

/** What is found in an error's text ► what to do. The first that fits. */
const REMEDIES: readonly (readonly [found: RegExp, remedy: string])[] = [
  [
    /altnames/,
    "use a name or address that the server's certificate has, or start the server with --tls-san for this one",
  ],
  [/not yet valid|has expired/, "look at the clocks of this machine and of the server (timedatectl set-ntp true)"],
  [/ENOTFOUND|EAI_AGAIN/, "the name does not resolve: look at --server and at this machine's DNS"],
  [/wrong version number|packet length too long/, "this port does not speak TLS: look at --server"],
  [
    /self.signed|unable to verify|signature failure/,
    "this is another cluster's server: look at --server and the token",
  ],
];
const USUAL =
  "look whether the server runs, whether the address is right, and whether a firewall lets its port through";

/** Why the server at an address could not be used. */
export function connectionError(server: string, error: unknown): JoinError {
  const why = error instanceof Error ? error.message : String(error);
  const remedy = REMEDIES.find(([found]) => found.test(why))?.[1];
  const answered = error instanceof ApiError && !why.startsWith("cannot reach");
  if (answered && error.code < 500)
    return new JoinError(
      `${server} does not answer as a k8ts server: ${why}`,
      "look whether --server names the API server (https, port 6443 by default) and whether it is as new as this agent",
    );
  if (answered && error.reason !== "Timeout")
    return new JoinError(`the server at ${server} is not ready: ${why}`, "try again when it is");
  return new JoinError(why.startsWith("cannot reach") ? why : `cannot reach ${server}: ${why}`, remedy ?? USUAL);
}
