/**
 * Renew: keeps the certificates of a machine that joined good, long before they end and without a restart.
 *
 * Each is renewed at a moment of its own between 70 and 90 % of its life, so that the nodes of a cluster do not all come at
 * once. The key stays: it is the node. Components take the new certificate up from their kubeconfig
 * (../client/transport/renewed.ts). One that has ended cannot be renewed: the machine has to join again. With each comes
 * the authority's own certificate, which the servers renew as well, as long as its key is the one that this node trusts.
 */
import type { Client } from "../client/client.ts";
import { type Lifetime, lifetimeOf } from "../pki/certificates.ts";
import type { Clock } from "../process/clock.ts";
import type { HomePaths } from "../process/home.ts";
import type { Logger } from "../process/logging.ts";
import { AUTHORITY_KEY, NODE_FACTS } from "./cluster-facts.ts";
import {
  isOfCluster,
  type NodeComponent,
  type NodeRecord,
  nodeSubjects,
  readIdentity,
  readNodeRecord,
  writeIdentity,
  writeNodeRecord,
} from "./node-record.ts";
import { obtainCertificate } from "./obtain.ts";
import { authorityHash } from "./token.ts";

export interface RenewOptions {
  readonly paths: HomePaths;
  readonly record: NodeRecord;
  /** As the node itself. */
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const EARLIEST = 0.7;
const SPREAD = 0.2;
/** A clock may be set, and a machine sleep: it is looked again at least so often. */
const LOOK_MS = 600_000;
const RETRY_MS = 5_000;
const RETRY_MAX_MS = 300_000;
/** Of what is left of a certificate, a pause before the next try takes at most this share. */
const RETRY_SHARE = 0.2;
const RETRY_LEAST_MS = 500;

/** When a certificate is to be renewed; `share` in [0, 1) spreads it. */
export const renewAt = ({ from, until }: Lifetime, share: number): number =>
  from + (until - from) * (EARLIEST + SPREAD * share);

/** Resolves when the signal aborted. */
export async function renewCertificates(options: RenewOptions): Promise<void> {
  const { paths, record } = options;
  const components = Object.keys(nodeSubjects(record.nodeName)) as NodeComponent[];
  const kept = components.map(
    (component): KeptCertificate => ({
      name: component,
      read: async () => (await readIdentity(paths, component))?.certificate,
      renew: () => renew(component, options),
    }),
  );
  await Promise.all(kept.map((one) => keepCertificate(one, options)));
}

export interface KeptCertificate {
  readonly name: string;
  /** PEM; undefined where there is none yet. */
  read(): Promise<string | undefined>;
  /** Obtains another one and puts it in place. */
  renew(): Promise<string>;
}

type Keeping = Pick<RenewOptions, "clock" | "log" | "signal">;

/** Keeps one certificate good until the signal aborts. */
export async function keepCertificate(kept: KeptCertificate, { clock, log, signal }: Keeping): Promise<void> {
  let retry = RETRY_MS;
  while (!signal.aborted) {
    const share = clock.random();
    try {
      await untilDue(kept, share, { clock, log, signal });
      const until = lifetimeOf(await kept.renew())?.until;
      log.info("certificate renewed", { certificate: kept.name, until: until && new Date(until).toISOString() });
      retry = RETRY_MS;
    } catch (error) {
      if (signal.aborted) return;
      const life = lifetimeOf((await kept.read()) ?? "");
      const left = life && Math.round((life.until - clock.now()) / 1000);
      log.warn("a certificate could not be renewed", { certificate: kept.name, secondsLeft: left, error });
      if (left !== undefined && left <= 0)
        log.error("a certificate has ended: make a token on a server (k8ts token create) and start this agent with it");
      const pause = left !== undefined && left > 0 ? Math.min(retry, left * 1000 * RETRY_SHARE) : retry;
      await clock.sleep(Math.max(pause, RETRY_LEAST_MS), signal).catch(() => undefined); // aborted: the loop ends
      retry = Math.min(2 * retry, RETRY_MAX_MS);
    }
  }
}

async function untilDue(kept: KeptCertificate, share: number, { clock, signal }: Keeping): Promise<void> {
  for (;;) {
    const life = lifetimeOf((await kept.read()) ?? "");
    const wait = life ? renewAt(life, share) - clock.now() : 0;
    if (wait <= 0) return;
    await clock.sleep(Math.min(wait, LOOK_MS), signal);
  }
}

async function renew(component: NodeComponent, options: RenewOptions): Promise<string> {
  const { paths, record } = options;
  const identity = await readIdentity(paths, component);
  if (!identity) throw new Error(`there is no identity in ${paths.kubeconfig(component)}`);
  const wish = {
    ...nodeSubjects(record.nodeName)[component],
    key: identity.key,
    signer: component === "kubelet" ? ("node" as const) : ("client" as const),
    seconds: record.seconds,
  };
  const certificate = await obtainCertificate(wish, options);
  const authority = await currentAuthority(options);
  await writeIdentity(paths, component, { ...record, authority }, { key: identity.key, certificate });
  return certificate;
}

/** The authority's certificate as the cluster has it now; remembered, for the next start begins with it. */
async function currentAuthority({ paths, record, client, log }: RenewOptions): Promise<string> {
  const known = (await readNodeRecord(paths)) ?? record;
  const facts = await client.find("configmaps", NODE_FACTS).catch((error: unknown) => {
    log.warn("whether the authority was renewed is not known", { error });
    return undefined;
  });
  const told = facts?.data?.[AUTHORITY_KEY];
  if (told === undefined || told === known.authority || !isLater(told, known)) return known.authority;
  await writeNodeRecord(paths, { ...known, authority: told });
  return told;
}

/** Another certificate of the same key; of servers that renewed it each by itself, the one that is good for longest. */
function isLater(told: string, known: NodeRecord): boolean {
  const until = (certificate: string) => lifetimeOf(certificate)?.until ?? 0;
  return until(told) > until(known.authority) && isOfCluster(known, authorityHash(told));
}
