/**
 * Server keys: how another server of a cluster gets what all servers share: the authority and the key of tokens.
 *
 * They lie in the cluster only while a token for servers is made, encrypted by a key that stands in that token and nowhere
 * else: who reads every Secret, but has not the token, has nothing. Written by `k8ts token create --servers`.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { join } from "node:path";
import type { Client } from "../client/client.ts";
import { createClient } from "../client/create-client.ts";
import { httpsTransport } from "../client/transport/https.ts";
import { TOKEN_NAMESPACE, TOKEN_PREFIX } from "../objects/bootstrap-token.ts";
import { publicKeyHash } from "../pki/certificates.ts";
import { readIfThere, writePrivate } from "../pki/files.ts";
import type { Clock } from "../process/clock.ts";
import { UsageError } from "../process/flags.ts";
import type { HomePaths } from "../process/home.ts";
import { SERVER_KEYS } from "./cluster-facts.ts";
import { discoverAuthority } from "./discovery.ts";
import { connectionError, JoinError } from "./join-error.ts";
import { isTokenRefused } from "./obtain.ts";
import { parseJoinToken } from "./token.ts";

/** The authority's own key comes last: a home with it has everything. */
const FILES = ["service-accounts.key", "front-proxy-ca.crt", "front-proxy-ca.key", "ca.crt", "ca.key"];
const CIPHER = "aes-256-gcm";
const [NONCE_BYTES, TAG_BYTES] = [12, 16];

type Files = Readonly<Record<string, string>>;

/** Puts this home's keys into the cluster for the token; returns what the token must say besides. */
export async function offerServerKeys(client: Client, paths: HomePaths, id: string, clock: Clock): Promise<string> {
  const found = await Promise.all(FILES.map(async (file) => [file, await readIfThere(join(paths.pki, file))] as const));
  const missing = found.filter(([, text]) => text === undefined).map(([file]) => file);
  if (missing.length > 0)
    throw new UsageError(`${paths.pki} lacks ${missing.join(", ")}: run this on a server, as who started it`);
  const key = clock.bytes(32);
  const sealed = seal(Object.fromEntries(found) as Files, key, clock.bytes(NONCE_BYTES));
  const [existing, tokens] = await Promise.all([
    client.find("secrets", SERVER_KEYS),
    client.list("secrets", { namespace: TOKEN_NAMESPACE }),
  ]);
  const living = new Set(tokens.items.map(({ metadata }) => metadata.name));
  const others = Object.entries(existing?.data ?? {}).filter(([other]) => living.has(TOKEN_PREFIX + other));
  const data = { ...Object.fromEntries(others), [id]: sealed.toString("base64") };
  if (existing) await client.update("secrets", { ...existing, data });
  else await client.create("secrets", { metadata: SERVER_KEYS, data });
  return Buffer.from(key).toString("base64url");
}

export interface ServerJoinOptions {
  readonly paths: HomePaths;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Another server of the cluster. */
  readonly server: string;
  /** Not needed where the keys are there already. */
  readonly token: string | undefined;
}

/** Resolves when this home has the keys of the cluster. */
export async function fetchServerKeys({ paths, clock, signal, server, token }: ServerJoinOptions): Promise<void> {
  const own = (await readIfThere(join(paths.pki, "ca.key"))) && (await readIfThere(join(paths.pki, "ca.crt")));
  const asked = token === undefined ? undefined : parseJoinToken(token);
  if (own) {
    if (asked && publicKeyHash(own) !== asked.authorityHash)
      throw new JoinError(
        `${paths.pki} holds the authority of another cluster`,
        "set K8TS_HOME to another directory, or remove this one (k8ts down --purge)",
      );
    return;
  }
  if (!asked?.serverKey)
    throw new JoinError(
      asked ? "the token is one for agents" : "a further server needs a token",
      "make one on a server that runs: k8ts token create --servers",
    );
  const authority = await discoverAuthority({ server, token: asked, clock, signal });
  const access = { server, ca: authority, token: `${asked.id}.${asked.secret}` };
  const transport = httpsTransport({ access, clock });
  try {
    const { data } = await createClient(transport).get("secrets", SERVER_KEYS);
    const files = unseal(Buffer.from(data?.[asked.id] ?? "", "base64"), Buffer.from(asked.serverKey, "base64url"));
    for (const file of FILES) await writePrivate(join(paths.pki, file), files[file] ?? "");
  } catch (error) {
    signal.throwIfAborted();
    if (isTokenRefused(error))
      throw new JoinError(
        "the server does not take the token: it has expired, was deleted, or was never one of this cluster",
        "make a new one on a server: k8ts token create --servers",
      );
    throw error instanceof JoinError ? error : connectionError(server, error);
  } finally {
    await transport.close();
  }
}

function seal(files: Files, key: Uint8Array, nonce: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce);
  const text = Buffer.concat([cipher.update(JSON.stringify(files)), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}

function unseal(sealed: Buffer, key: Uint8Array): Files {
  const [nonce, tag] = [sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)];
  try {
    const decipher = createDecipheriv(CIPHER, key, nonce).setAuthTag(tag);
    const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString("utf8")) as Files;
  } catch (error) {
    throw new JoinError(
      `the cluster's keys cannot be opened by this token: ${(error as Error).message}`,
      "make a new one on a server: k8ts token create --servers",
    );
  }
}
