/**
 * Connect: a component's client, from its kubeconfig.
 *
 * The API server writes the kubeconfigs at its first start, and components start in any order:
 * a file that is not there yet is waited for. A broken one is an error at once. What changes in it later
 * is taken up: transport/renewed.ts.
 */
import { existsSync } from "node:fs";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import type { Client } from "./client.ts";
import { createClient } from "./create-client.ts";
import { targetFromFile } from "./kubeconfig.ts";
import { type ClusterAccess, httpsTransport } from "./transport/https.ts";
import { renewedTransport } from "./transport/renewed.ts";

export interface ConnectOptions {
  readonly kubeconfig: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const POLL_MS = 100;

/** Rejects with the signal's reason when it aborts first. */
export async function connect(options: ConnectOptions): Promise<Client> {
  return (await connectAs(options)).client;
}

/** The same, with what the kubeconfig says at the start. */
export async function connectAs({ kubeconfig, clock, log, signal }: ConnectOptions): Promise<{
  readonly client: Client;
  readonly access: ClusterAccess;
}> {
  if (!existsSync(kubeconfig)) log.info("waiting for the kubeconfig", { kubeconfig });
  while (!existsSync(kubeconfig)) await clock.sleep(POLL_MS, signal);
  const load = async () => (await targetFromFile(kubeconfig)).access;
  const access = await load();
  const open = (current: ClusterAccess) => httpsTransport({ access: current, clock });
  return { client: createClient(renewedTransport({ first: access, load, open, clock, log })), access };
}
