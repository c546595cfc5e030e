/**
 * Certificate: what the kubelet serves with on its own port: asked of the cluster for the node's own names, renewed live.
 *
 * Kept with its key beside the node's other keys, so that a restart asks for nothing.
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Client } from "../../machinery/client/client.ts";
import { obtainCertificate } from "../../machinery/join/obtain.ts";
import { keepCertificate } from "../../machinery/join/renew.ts";
import { createSigningKey, type KeyPair } from "../../machinery/pki/certificates.ts";
import { readIfThere, writePrivate } from "../../machinery/pki/files.ts";
import { nodeIdentity } from "../../machinery/pki/identities.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { HomePaths } from "../../machinery/process/home.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface ServingOptions {
  readonly client: Client;
  readonly paths: HomePaths;
  readonly nodeName: string;
  readonly addresses: readonly string[];
  readonly seconds?: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Calls `use` with each certificate, the first and every renewed one; resolves when the signal aborted. */
export async function keepServing(options: ServingOptions, use: (pair: KeyPair) => void): Promise<void> {
  const { client, paths, nodeName, addresses, seconds, clock, signal } = options;
  const [certificatePath, keyPath] = ["crt", "key"].map((kind) => join(paths.pki, `kubelet-serving.${kind}`)) as [
    string,
    string,
  ];
  const [certificate, key = await createSigningKey()] = await Promise.all([
    readIfThere(certificatePath),
    readIfThere(keyPath),
  ]);
  let current = certificate && isFor(certificate, [nodeName], addresses) ? certificate : undefined;
  if (current) use({ certificate: current, key });
  await keepCertificate(
    {
      name: "kubelet-serving",
      read: async () => current,
      async renew() {
        const wish = {
          ...nodeIdentity(nodeName),
          key,
          signer: "serving",
          dnsNames: [nodeName],
          addresses,
          seconds,
        } as const;
        const made = await obtainCertificate(wish, { client, clock, signal });
        await writePrivate(keyPath, key);
        await writePrivate(certificatePath, made);
        current = made;
        use({ certificate: made, key });
        return made;
      },
    },
    options,
  );
}

function isFor(certificate: string, names: readonly string[], addresses: readonly string[]): boolean {
  const parsed = new X509Certificate(certificate);
  return (
    names.every((name) => parsed.checkHost(name) !== undefined) &&
    addresses.every((address) => parsed.checkIP(address) !== undefined)
  );
}
