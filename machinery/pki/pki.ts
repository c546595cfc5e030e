/**
 * PKI: all keys and certificates of a home, made when they are missing, renewed when they end soon.
 *
 * What is good is never touched, so fingerprints stay: a lost CA means new identities for everyone, and is only made when
 * there is none; one that ends soon gets another certificate for the same key, so that whoever trusts it, and what it
 * signed, stays good. Only the API server writes here; others read kubeconfigs.
 */
import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../process/clock.ts";
import type { HomePaths } from "../process/home.ts";
import type { Logger } from "../process/logging.ts";
import {
  type CertificateRequest,
  createAuthority,
  createSigningKey,
  endsSoon,
  isOwnAuthority,
  issue,
  type KeyPair,
  type Subject,
  stillGood,
} from "./certificates.ts";
import { keepPrivate, readIfThere, writePrivate } from "./files.ts";
import { NODE_COMPONENTS, nodeIdentity } from "./identities.ts";
import { clientOf, kubeconfig } from "./kubeconfig.ts";

export interface Pki {
  readonly authority: KeyPair;
  readonly serving: KeyPair;
  /** PKCS#8 PEM; signs service account tokens. */
  readonly tokenKey: string;
}

export interface PkiOptions {
  readonly paths: HomePaths;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where local clients reach the server: "https://127.0.0.1:6443". */
  readonly server: string;
  /** The name of this machine's node. */
  readonly nodeName: string;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  /** How long what is issued is to be good; default: a year. */
  readonly seconds?: number | undefined;
}

/** Component ► its identity. Each gets a kubeconfig of its own. */
const identities = (nodeName: string): Readonly<Record<string, Subject>> => ({
  controllers: { commonName: "system:kube-controller-manager" },
  scheduler: { commonName: "system:kube-scheduler" },
  kubelet: nodeIdentity(nodeName),
  ...Object.fromEntries(Object.entries(NODE_COMPONENTS).map(([name, commonName]) => [name, { commonName }])),
});

/** The name of the cluster's authority, where it was made here. */
export const AUTHORITY = "k8ts-ca";
const ADMIN: Subject = { commonName: "kubernetes-admin", organizations: ["system:masters"] };

export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const { paths, clock } = options;
  const authority = await keepPair(
    options,
    "ca",
    (former) => createAuthority(clock, AUTHORITY, former?.key),
    ({ certificate }) => !endsSoon(clock, certificate) || !isOwnAuthority(certificate, AUTHORITY),
  );
  const serving = await keepServing(options, authority);
  const tokenKey = await keepTokenKey(options);
  for (const [component, subject] of Object.entries(identities(options.nodeName)))
    await keepKubeconfig(options, authority, paths.kubeconfig(component), subject);
  await keepKubeconfig(options, authority, paths.adminKubeconfig, ADMIN);
  return { authority, serving, tokenKey };
}

async function keepPair(
  { paths, log }: PkiOptions,
  name: string,
  make: (former: KeyPair | undefined) => Promise<KeyPair>,
  good: (pair: KeyPair) => boolean,
): Promise<KeyPair> {
  const certificatePath = join(paths.pki, `${name}.crt`);
  const keyPath = join(paths.pki, `${name}.key`);
  const [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
  const former = certificate && key ? { certificate, key } : undefined;
  if (former && good(former)) return former;

  const made = await make(former);
  await writePrivate(keyPath, made.key);
  await writePrivate(certificatePath, made.certificate);
  log.info("certificate made", { certificate: name });
  return made;
}

function keepServing(options: PkiOptions, authority: KeyPair): Promise<KeyPair> {
  const request: CertificateRequest = {
    commonName: "kube-apiserver",
    use: "server",
    dnsNames: options.dnsNames,
    addresses: options.addresses,
    seconds: options.seconds,
  };
  return keepPair(
    options,
    "apiserver",
    () => issue(options.clock, authority, request),
    (pair) => stillGood(options.clock, authority, pair, request),
  );
}

async function keepTokenKey({ paths }: PkiOptions): Promise<string> {
  const path = join(paths.pki, "service-accounts.key");
  const existing = await readIfThere(path);
  if (existing) return existing;
  const key = await createSigningKey();
  await writePrivate(path, key);
  return key;
}

/** A node is who its key says, so a renewed certificate keeps the key. */
function usableKey(pair: KeyPair | undefined): string | undefined {
  try {
    return pair && createPrivateKey(pair.key).asymmetricKeyType === "ec" ? pair.key : undefined;
  } catch {
    return undefined; // damaged: a new one is made
  }
}

async function keepKubeconfig(
  { clock, log, server, seconds }: PkiOptions,
  authority: KeyPair,
  path: string,
  subject: Subject,
): Promise<void> {
  const request: CertificateRequest = { ...subject, use: "client", seconds };
  const existing = clientOf((await readIfThere(path)) ?? "");
  const good = existing && stillGood(clock, authority, existing, request);
  const client = good ? existing : await issue(clock, authority, request, usableKey(existing));
  const text = kubeconfig({ server, authority: authority.certificate, user: subject.commonName, client });
  if (await keepPrivate(path, text)) log.info("kubeconfig written", { path });
}
