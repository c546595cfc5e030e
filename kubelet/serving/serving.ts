/**
 * Serving: the kubelet's own port from its first certificate on. What the kubelet starts.
 *
 * It waits for the certificate, which needs the node registered and controllers that run: everything else goes on meanwhile.
 */
import type { Server } from "node:http";
import { createAccess } from "./access.ts";
import { keepServing, type ServingOptions } from "./certificate.ts";
import { listenDirectly, type OwnPort } from "./listen.ts";

export interface DirectOptions extends ServingOptions {
  readonly server: Server;
  /** 0: there is no such port. */
  readonly port: number;
  /** PEM of the cluster's authority. */
  readonly authority: string | undefined;
}

/** Resolves when the signal aborted. */
export async function serveDirectly(options: DirectOptions): Promise<void> {
  const { port, authority, signal } = options;
  if (port === 0 || authority === undefined) return;
  const access = createAccess(options);
  let own: OwnPort | undefined;
  await keepServing(options, (pair) => {
    if (signal.aborted) return;
    if (own) own.serveWith(pair);
    else own = listenDirectly({ ...options, access, authority, pair });
  });
}
