/**
 * Failover: one transport over several API servers, of which any serves as well as another.
 *
 * It stays with a server until that one does not answer; then the next is asked. What was surely not carried out is asked
 * again at once, everything else fails as it would with one server, and its caller tries again. A server that is silent,
 * as one whose machine was cut off, is asked whether it lives, so that nothing waits for the kernel to notice.
 */
import { ApiError } from "../../objects/status.ts";
import type { Clock, Timer } from "../../process/clock.ts";
import type { Logger } from "../../process/logging.ts";
import type { ClientRequest, Transport } from "./contract.ts";
import { NoAnswer } from "./exchange.ts";

export interface FailoverOptions {
  /** The first is preferred at the start. */
  readonly servers: readonly string[];
  readonly open: (server: string) => Transport;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An answer that takes longer, or a watch that brings nothing for longer, is reason to ask whether the server lives. */
const PATIENCE_MS = 5_000;
const QUIET_MS = 20_000;
const PROBE_MS = 5_000;

interface Member {
  readonly server: string;
  transport: Transport;
  /** When it was last heard, by the monotonic clock. */
  heard: number;
  probing: boolean;
}

export function failoverTransport({ servers, open, clock, log }: FailoverOptions): Transport {
  const members = servers.map((server): Member => ({ server, transport: open(server), heard: 0, probing: false }));
  let at = 0;
  let watches = 0;
  let closed = false;
  let quiet: Timer | undefined;

  const current = (): Member => members[at] as Member;
  const leave = (member: Member, error: unknown) => {
    if (closed || member !== current()) return;
    at = (at + 1) % members.length;
    log.warn("another API server is used", { left: member.server, server: current().server, error });
  };
  const hear = (member: Member) => {
    member.heard = clock.monotonic();
  };

  const probe = async (member: Member) => {
    if (closed || member.probing) return;
    member.probing = true;
    const { transport } = member;
    const patience = new AbortController();
    const timer = clock.after(PROBE_MS, () => patience.abort(new Error("no answer")), { background: true });
    try {
      for await (const _ of transport.stream({ method: "GET", path: "/livez", signal: patience.signal }));
      hear(member);
    } catch (error) {
      if (error instanceof ApiError && !isLeft(error)) hear(member);
      else if (!closed && member.transport === transport) {
        leave(member, error);
        member.transport = open(member.server);
        await transport.close(); // whatever waits there fails now, and is tried elsewhere
      }
    } finally {
      timer.cancel();
      member.probing = false;
    }
  };
  /** While something is watched: a server that says nothing may have nothing to say. */
  const listen = () => {
    quiet = undefined;
    if (closed || watches === 0) return;
    if (clock.monotonic() - current().heard >= QUIET_MS) void probe(current());
    quiet = clock.after(QUIET_MS, listen, { background: true });
  };

  const asked = async (request: ClientRequest): Promise<unknown> => {
    const member = current();
    const impatient = clock.after(PATIENCE_MS, () => void probe(member), { background: true });
    try {
      const answer = await member.transport.request(request);
      hear(member);
      return answer;
    } catch (error) {
      if (isLeft(error)) leave(member, error);
      throw error;
    } finally {
      impatient.cancel();
    }
  };

  async function* following<T>(
    request: ClientRequest,
    iterate: (of: Transport) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const member = current();
    watches++;
    quiet ??= clock.after(QUIET_MS, listen, { background: true });
    try {
      for await (const one of iterate(member.transport)) {
        hear(member);
        yield one;
      }
    } catch (error) {
      if (isLeft(error) && !request.signal?.aborted) leave(member, error);
      throw error;
    } finally {
      watches--;
    }
  }

  return {
    shared: false,
    async request(request) {
      for (let tries = 1; ; tries++)
        try {
          return await asked(request);
        } catch (error) {
          if (tries >= members.length || request.signal?.aborted || !mayRepeat(request, error)) throw error;
        }
    },
    watch: (request) => following(request, (transport) => transport.watch(request)),
    stream: (request) => following(request, (transport) => transport.stream(request)),
    async close() {
      closed = true;
      quiet?.cancel();
      await Promise.all(members.map(({ transport }) => transport.close()));
    },
  };
}

/** No answer, or one that says that this server does not serve. */
const isLeft = (error: unknown): boolean =>
  error instanceof NoAnswer || (error instanceof ApiError && error.reason === "ServiceUnavailable");

const mayRepeat = (request: ClientRequest, error: unknown): boolean =>
  isLeft(error) && (request.method === "GET" || (error instanceof NoAnswer && error.unsent));
