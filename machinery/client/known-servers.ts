/**
 * Known servers: the API servers that a machine's agent has seen, in a file beside its kubeconfigs.
 *
 * The agent writes it (kubelet/tunnel), every component of the machine reads it when it connects and from time to time:
 * so all of them find another server when theirs is gone. Where there is none, the kubeconfig's own server is all.
 */
import { dirname, join } from "node:path";
import { keepPrivate, readIfThere } from "../pki/files.ts";

const pathBeside = (kubeconfig: string): string => join(dirname(kubeconfig), "servers.json");

/** "https://10.0.0.1:6443" */
export async function knownServers(kubeconfig: string): Promise<readonly string[]> {
  const text = await readIfThere(pathBeside(kubeconfig));
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}

export async function rememberServers(kubeconfig: string, servers: readonly string[]): Promise<void> {
  await keepPrivate(pathBeside(kubeconfig), `${JSON.stringify(servers)}\n`);
}
