/**
 * Servers: which API servers this node knows, and its tunnels to them. What the kubelet starts.
 *
 * The list is watched (default/kubernetes) and remembered in a file, by which every component of this machine finds
 * another server (machinery/client/known-servers.ts). Each attempt of a tunnel reads the kubeconfig again, so a renewed
 * certificate needs no restart.
 */
import type { Server } from "node:http";
import { networkInterfaces } from "node:os";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Client } from "../../machinery/client/client.ts";
import { knownServers, rememberServers } from "../../machinery/client/known-servers.ts";
import { targetFromFile } from "../../machinery/client/kubeconfig.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import type { ClusterAccess } from "../../machinery/client/transport/https.ts";
import type { Endpoints } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { runTunnelAgent } from "./agent.ts";
import { createServerTunnels } from "./to-servers.ts";

export interface TunnelsOptions {
  readonly kubeconfig: string;
  readonly client: Client;
  /** Gets what comes out of the tunnels. */
  readonly server: Server;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Resolves when the signal aborted. */
export async function runTunnels({ kubeconfig, client, server, clock, log, signal }: TunnelsOptions): Promise<void> {
  const { access } = await targetFromFile(kubeconfig);
  const known = await knownServers(kubeconfig);
  const asThis = (servers: readonly string[]) =>
    servers.map((url) => (isHere(url, access.server) ? access.server : url));
  const tunnels = createServerTunnels({
    servers: asThis(known),
    fallback: access.server,
    clock,
    log,
    signal,
    run: async (url, until) => {
      const { host } = new URL(url);
      const current = async () => ({ ...(await targetFromFile(kubeconfig)).access, server: url });
      await runTunnelAgent({
        ...until,
        connect: async (attempt) => openSocket(await current(), attempt),
        host,
        ...(access.token ? { headers: { authorization: `Bearer ${access.token}` } } : {}),
        onConnection: (stream) => void server.emit("connection", stream),
        clock,
        log: log.child({ server: host }),
      });
    },
  });
  const seen = new Set(known);
  const endpoints = createInformers({ client, clock, log, signal }).of("endpoints", {
    namespace: "default",
    fieldSelector: "metadata.name=kubernetes",
  });
  endpoints.subscribe(({ object }) => {
    const servers = serversOf(object);
    if (servers.length === 0) return; // none says where it is: what was known stays
    tunnels.servers(asThis(servers));
    if (servers.every((one) => seen.has(one))) return; // one that is away for a moment is not forgotten
    seen.clear();
    for (const one of servers) seen.add(one);
    rememberServers(kubeconfig, servers).catch((error: unknown) => {
      log.warn("the servers could not be written down", { error });
    });
  });
  await tunnels.done();
}

export function serversOf({ subsets = [] }: Endpoints): string[] {
  const urls = subsets.flatMap(({ addresses = [], ports = [] }) =>
    addresses.flatMap(({ ip }) => ports.map(({ port }) => `https://${ip.includes(":") ? `[${ip}]` : ip}:${port}`)),
  );
  return [...new Set(urls)].sort();
}

/** A server of this very machine, whose kubeconfig names it by the loopback address. */
function isHere(server: string, own: string): boolean {
  const [there, here] = [new URL(server), new URL(own)];
  if (here.hostname !== "127.0.0.1" || there.port !== here.port) return false;
  const host = there.hostname.replace(/^\[|\]$/g, "");
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}

function openSocket(access: ClusterAccess, attempt: AbortSignal): Promise<TLSSocket> {
  const url = new URL(access.server);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port || 443),
      ...(access.ca ? { ca: access.ca } : {}),
      ...(access.cert ? { cert: access.cert } : {}),
      ...(access.key ? { key: access.key } : {}),
      ...(access.tlsServerName ? { servername: access.tlsServerName } : {}),
      rejectUnauthorized: !access.insecureSkipTlsVerify,
      ALPNProtocols: ["http/1.1"],
    });
    const onAbort = () => socket.destroy(attempt.reason as Error);
    attempt.addEventListener("abort", onAbort, { once: true });
    socket.once("secureConnect", () => {
      attempt.removeEventListener("abort", onAbort);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
