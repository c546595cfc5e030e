/**
 * Renew: keeps the certificates of a machine that joined good, long before they end and without a restart.
 *
 * Each is renewed at a moment of its own between 70 and 90 % of its life, so that the nodes of a cluster do not all come at
 * once. The key stays: it is the node. Components take the new certificate up from their kubeconfig
 * (../client/transport/renewed.ts). One that has ended cannot be renewed: the machine has to join again.
 */
import type { Client } from "../client/client.ts";
import type { Clock } from "../process/clock.ts";
import type { HomePaths } from "../process/home.ts";
import type { Logger } from "../process/logging.ts";
import {
  type Lifetime,
  lifetimeOf,
  type NodeComponent,
  type NodeRecord,
  nodeSubjects,
  readIdentity,
  writeIdentity,
} from "./node-record.ts";
import { obtainCertificate } from "./obtain.ts";

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

/** When a certificate is to be renewed; `share` in [0, 1) spreads it. */
export const renewAt = ({ from, until }: Lifetime, share: number): number =>
  from + (until - from) * (EARLIEST + SPREAD * share);

/** Resolves when the signal aborted. */
export async function renewCertificates(options: RenewOptions): Promise<void> {
  const components = Object.keys(nodeSubjects(options.record.nodeName)) as NodeComponent[];
  await Promise.all(components.map((component) => keepGood(component, options)));
}

async function keepGood(component: NodeComponent, options: RenewOptions): Promise<void> {
  const { clock, log, signal } = options;
  let retry = RETRY_MS;
  while (!signal.aborted) {
    const share = clock.random();
    try {
      await untilDue(component, share, options);
      await renew(component, options);
      retry = RETRY_MS;
    } catch (error) {
      if (signal.aborted) return;
      const left = await leftOf(component, options);
      log.warn("a certificate could not be renewed", { certificate: component, secondsLeft: left, error });
      if (left !== undefined && left <= 0)
        log.error(
          "the certificate has ended: make a token on a server (k8ts token create) and start this agent with it",
        );
      await clock.sleep(retry, signal).catch(() => undefined); // aborted: the loop's condition ends it
      retry = Math.min(2 * retry, RETRY_MAX_MS);
    }
  }
}

async function leftOf(component: NodeComponent, { paths, clock }: RenewOptions): Promise<number | undefined> {
  const life = lifetimeOf((await readIdentity(paths, component))?.certificate ?? "");
  return life && Math.round((life.until - clock.now()) / 1000);
}

async function untilDue(
  component: NodeComponent,
  share: number,
  { paths, clock, signal }: RenewOptions,
): Promise<void> {
  for (;;) {
    const life = lifetimeOf((await readIdentity(paths, component))?.certificate ?? "");
    const wait = life ? renewAt(life, share) - clock.now() : 0;
    if (wait <= 0) return;
    await clock.sleep(Math.min(wait, LOOK_MS), signal);
  }
}

async function renew(component: NodeComponent, options: RenewOptions): Promise<void> {
  const { paths, record, log } = options;
  const identity = await readIdentity(paths, component);
  if (!identity) throw new Error(`there is no identity in ${paths.kubeconfig(component)}`);
  const life = lifetimeOf(identity.certificate);
  const wish = {
    ...nodeSubjects(record.nodeName)[component],
    key: identity.key,
    signer: component === "kubelet" ? ("node" as const) : ("client" as const),
    seconds: record.seconds,
  };
  const certificate = await obtainCertificate(wish, options);
  await writeIdentity(paths, component, record, { key: identity.key, certificate });
  const until = lifetimeOf(certificate)?.until;
  log.info("certificate renewed", {
    certificate: component,
    until: until && new Date(until).toISOString(),
    before: life && new Date(life.until).toISOString(),
  });
}
