/**
 * Leader election: at most one process of a kind works, agreed on by a Lease.
 *
 * A leader that could not renew stops before anyone else may start (renew deadline < lease duration,
 * both on monotonic clocks), and after a long pause it asks for its lease before it writes again:
 * see `fenced`. A process that is alone by construction may lead without renewing, and then stops
 * as soon as it sees another holder.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
import type { Client } from "../client/client.ts";
import { createClient } from "../client/create-client.ts";
import { createInformers } from "../client/shared-informers.ts";
import type { Transport } from "../client/transport/contract.ts";
import type { Lease } from "../objects/kinds.ts";
import { ApiError, isAlreadyExists, isConflict } from "../objects/status.ts";
import { type Clock, wireMicroTime } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import { createBackoff } from "./backoff.ts";
import { isKnownDead } from "./process-identity.ts";

export interface ElectionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The Lease, in kube-system unless given. */
  readonly name: string;
  readonly namespace?: string;
  /** Who this process is (process-identity.ts); another start of the same identity takes its own lease at once. */
  readonly identity: string;
  /** False: take the lease once and keep it until someone else has it. For a process that is alone. */
  readonly renew?: boolean;
  readonly leaseMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
}

export interface Leadership {
  /** Aborted when leadership ends. */
  readonly signal: AbortSignal;
  /** A client whose requests fail once leadership has ended or cannot be proved. */
  readonly client: Client;
}

/** Why a leader had to stop. */
export class LeadershipLost extends Error {
  override readonly name = "LeadershipLost";
}

interface Timing {
  readonly leaseMs: number;
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/** A server that does not answer is asked again soon: nobody else may be there to lead. */
const FIRST_RETRY_MS = 100;

type Attempt = "taken" | "held" | "failed";

/** Waits for the lease, leads, and returns when `lead` has ended or leadership is lost (then it throws). */
export async function electLeader(
  options: ElectionOptions,
  lead: (leadership: Leadership) => Promise<void>,
): Promise<void> {
  const { clock, log, signal, name, identity, renew = true } = options;
  const timing: Timing = {
    leaseMs: options.leaseMs ?? 15_000,
    renewDeadlineMs: options.renewDeadlineMs ?? 10_000,
    retryMs: options.retryMs ?? 2_000,
  };
  const claim = createClaim(options, timing);
  const backoff = createBackoff(clock, FIRST_RETRY_MS, timing.retryMs, 1.5);
  for (let taken = await claim.take(); taken !== "taken"; taken = await claim.take())
    await clock.sleep(taken === "held" ? timing.retryMs * (1 + clock.random() * 0.2) : backoff.next(), signal);
  log.info("became leader", { lease: name, identity });

  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const keeping = renew ? keepRenewing(claim, timing, options, until) : untilTaken(options, until);
  keeping.catch((error: unknown) => ended.abort(error));
  try {
    const check = renew ? () => claim.prove(timing.renewDeadlineMs) : async () => undefined;
    await lead({ signal: until, client: createClient(fenced(options.client.transport, check, until)) });
    if (!signal.aborted) until.throwIfAborted();
  } finally {
    ended.abort(new LeadershipLost("no longer leading"));
    await keeping.catch(() => undefined); // its failure has reached `lead` through the signal
    if (renew) await claim.release().catch((error: unknown) => log.info("the lease was not released", { error }));
  }
}

interface Claim {
  /** Takes the lease where it is free. Failures are logged. */
  take(): Promise<Attempt>;
  /** Renews what must be ours still; "failed" where that failed, LeadershipLost where it is another's. */
  renew(): Promise<Attempt>;
  /** Renews where the last proof is older than `ms`, and throws where that fails. */
  prove(ms: number): Promise<void>;
  /** Monotonic time of the last proof that the lease is ours; from before the request was sent. */
  readonly provedAt: number;
  release(): Promise<void>;
}

function createClaim(
  { client, clock, log, name, namespace = "kube-system", identity }: ElectionOptions,
  { leaseMs }: Timing,
): Claim {
  /** The lease as last seen, and when it was first seen like that: another's clock is never trusted. */
  let seen: { readonly lease: Lease; readonly at: number } | undefined;
  let proved = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };

  const spec = (old: Lease | undefined): NonNullable<Lease["spec"]> => {
    const now = wireMicroTime(clock.now());
    const same = old?.spec?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: same ? (old?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.spec?.leaseTransitions ?? 0) + (old && !same ? 1 : 0),
    };
  };
  const observe = (lease: Lease | undefined) => {
    if (lease && lease.metadata.resourceVersion !== seen?.lease.metadata.resourceVersion)
      seen = { lease, at: clock.monotonic() };
  };
  const heldByOther = (lease: Lease) => {
    const holder = lease.spec?.holderIdentity;
    if (!holder || holder === identity || isKnownDead(holder)) return false;
    const duration = (lease.spec?.leaseDurationSeconds ?? leaseMs / 1000) * 1000;
    return clock.monotonic() - (seen?.at ?? 0) < duration;
  };
  const write = async (lease: Lease | undefined) => {
    if (!lease) return client.create("leases", { metadata: { name, namespace }, spec: spec(undefined) });
    return client.update("leases", { ...lease, spec: spec(lease) });
  };

  /** Writes the lease as ours if `allowed` agrees to what is there. */
  const attempt = async (allowed: (lease: Lease | undefined) => boolean): Promise<Attempt> => {
    const started = { monotonic: clock.monotonic(), wall: clock.now() };
    try {
      const lease = await client.find("leases", { namespace, name });
      observe(lease);
      if (!allowed(lease)) return "held";
      observe(await write(lease));
      proved = started;
      return "taken";
    } catch (error) {
      if (error instanceof LeadershipLost) throw error;
      const lost = isConflict(error) || isAlreadyExists(error);
      if (lost) return "held";
      log.info("could not reach the lease", { lease: name, error: (error as Error).message });
      return "failed";
    }
  };
  const renew = () =>
    attempt((lease) => {
      if (!lease || lease.spec?.holderIdentity === identity) return true;
      throw new LeadershipLost(`the lease went to ${lease.spec?.holderIdentity || "nobody"}`);
    });

  return {
    get provedAt() {
      return proved.monotonic;
    },
    take: () => attempt((lease) => !lease || !heldByOther(lease)),
    renew,
    async prove(ms) {
      // the wall clock also counts the time in which the whole machine slept
      const age = Math.max(clock.monotonic() - proved.monotonic, clock.now() - proved.wall);
      if (age >= ms && (await renew()) !== "taken")
        throw new ApiError("ServiceUnavailable", "leadership cannot be proved");
    },
    async release() {
      const lease = await client.find("leases", { namespace, name });
      if (lease?.spec?.holderIdentity !== identity) return;
      await client.update("leases", { ...lease, spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1 } });
    },
  };
}

/** Renews until the signal aborts; throws when the deadline has passed without success. */
async function keepRenewing(
  claim: Claim,
  { retryMs, renewDeadlineMs }: Timing,
  { clock }: ElectionOptions,
  signal: AbortSignal,
) {
  for (;;) {
    await clock.sleep(retryMs, signal);
    const expired = Promise.withResolvers<void>();
    const timer = clock.after(claim.provedAt + renewDeadlineMs - clock.monotonic(), () => expired.resolve());
    await Promise.race([claim.renew(), expired.promise]);
    timer.cancel();
    if (clock.monotonic() - claim.provedAt >= renewDeadlineMs)
      throw new LeadershipLost("the lease could not be renewed in time");
  }
}

/** Watches the lease and throws as soon as someone else holds it. */
async function untilTaken(
  { client, clock, log, name, namespace = "kube-system", identity }: ElectionOptions,
  signal: AbortSignal,
) {
  const informer = createInformers({ client, clock, log, signal }).of("leases", {
    namespace,
    fieldSelector: `metadata.name=${name}`,
  });
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    informer.subscribe(({ type, object }) => {
      const holder = object.spec?.holderIdentity;
      if (type !== "deleted" && holder && holder !== identity)
        reject(new LeadershipLost(`the lease went to ${holder}`));
    });
  });
}

/** A transport that sends no write after the signal has aborted, and none that `check` refuses. */
function fenced(transport: Transport, check: () => Promise<void>, signal: AbortSignal): Transport {
  return {
    shared: transport.shared,
    async request(request) {
      if (request.method !== "GET") {
        signal.throwIfAborted();
        await check();
        signal.throwIfAborted();
      }
      return transport.request(request);
    },
    watch: (request) => transport.watch(request),
    stream: (request) => transport.stream(request),
    close: () => transport.close(),
  };
}
