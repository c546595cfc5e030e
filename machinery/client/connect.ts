/**
 * Connect: a component's client, from its kubeconfig.
 *
 * The API server writes the kubeconfigs at its first start, and components start in any order:
 * a file that is not there yet is waited for. A broken one is an error at once.
 */
import { existsSync } from "node:fs";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import type { Client } from "./client.ts";
import { createClient } from "./create-client.ts";
import { targetFromFile } from "./kubeconfig.ts";
import { httpsTransport } from "./transport/https.ts";

export interface ConnectOptions {
  readonly kubeconfig: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const POLL_MS = 100;

/** Rejects with the signal's reason when it aborts first. */
export async function connect({ kubeconfig, clock, log, signal }: ConnectOptions): Promise<Client> {
  if (!existsSync(kubeconfig)) log.info("waiting for the kubeconfig", { kubeconfig });
  while (!existsSync(kubeconfig)) await clock.sleep(POLL_MS, signal);
  const { access } = await targetFromFile(kubeconfig);
  return createClient(httpsTransport({ access, clock }));
}
