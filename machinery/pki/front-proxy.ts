/**
 * Front proxy: by what an API server shows itself to the API servers behind it.
 *
 * An authority of its own, since whoever has a certificate of it may speak in anybody's name; it signs nothing else.
 */
import { join } from "node:path";
import type { Clock } from "../process/clock.ts";
import type { HomePaths } from "../process/home.ts";
import { createAuthority, endsSoon, isOwnAuthority, issue, type KeyPair, type Subject } from "./certificates.ts";
import { readIfThere, writePrivate } from "./files.ts";

const AUTHORITY = "front-proxy-ca";

/** Made where it is missing, renewed for the same key where it ends soon. */
export async function ensureFrontProxyAuthority({ pki }: Pick<HomePaths, "pki">, clock: Clock): Promise<KeyPair> {
  const certificatePath = join(pki, "front-proxy-ca.crt");
  const keyPath = join(pki, "front-proxy-ca.key");
  const [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
  const renewed = certificate && endsSoon(clock, certificate) && isOwnAuthority(certificate, AUTHORITY);
  if (certificate && key && !renewed) return { certificate, key };
  const made = await createAuthority(clock, AUTHORITY, certificate && key);
  await writePrivate(keyPath, made.key);
  await writePrivate(certificatePath, made.certificate);
  return made;
}

/** A client certificate of a process alone, which never ends in use: a new one each day. */
export function dailyIdentity(clock: Clock, authority: KeyPair, subject: Subject): () => Promise<KeyPair> {
  let made: { readonly pair: Promise<KeyPair>; readonly at: number } | undefined;
  return () => {
    if (!made || clock.now() - made.at > DAY_MS) {
      made = { pair: issue(clock, authority, { ...subject, use: "client" }), at: clock.now() };
      made.pair.catch(() => {
        made = undefined;
      });
    }
    return made.pair;
  };
}

const DAY_MS = 24 * 3_600_000;
