/**
 * Connect: a component's client, from its kubeconfig.
 *
 * The API server writes the kubeconfigs at its first start, and components start in any order:
 * a file that is not there yet is waited for. A broken one is an error at once. What changes in it later
 * is taken up: transport/renewed.ts. Where the machine knows several servers, any of them serves: transport/failover.ts.
 */
import { existsSync } from "node:fs";
import { lifetimeOf } from "../pki/certificates.ts";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import type { Client } from "./client.ts";
import { createClient } from "./create-client.ts";
import { knownServers } from "./known-servers.ts";
import { targetFromFile } from "./kubeconfig.ts";
import type { Transport } from "./transport/contract.ts";
import { failoverTransport } from "./transport/failover.ts";
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
  const load = async () => ({
    access: (await targetFromFile(kubeconfig)).access,
    others: await knownServers(kubeconfig),
  });
  const first = await load();
  const open = ({ access, others }: typeof first): Transport => {
    const at = (server: string) => httpsTransport({ access: { ...access, server }, clock });
    const from = Math.floor(clock.random() * others.length); // not all go to the same one when theirs is gone
    const servers = [...new Set([access.server, ...others.slice(from), ...others.slice(0, from)])];
    return servers.length > 1 ? failoverTransport({ servers, open: at, clock, log }) : at(access.server);
  };
  const until = ({ access }: typeof first) => (access.cert === undefined ? undefined : lifetimeOf(access.cert)?.until);
  return { client: createClient(renewedTransport({ first, load, open, until, clock, log })), access: first.access };
}
