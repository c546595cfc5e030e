/**
 * Forward: answers for names that are not the cluster's, from memory or from servers elsewhere.
 *
 * The same question is asked once at a time, however many clients wait for it, and the number of
 * questions under way is limited. A server that is silent, or says that it cannot, is followed by the
 * next; one that was silent is asked last for a while, and where all were, clients hear soon that it is so. Which servers a name has: name-servers.ts.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { AnswerCache } from "./answer-cache.ts";
import type { Exchange, NameServer } from "./exchange.ts";
import type { LoopCheck } from "./loop-check.ts";
import { CODE, HEADER_BYTES, OPT_BYTES, type Query, writeOpt } from "./message.ts";
import { fitted, type PassedAnswer, readPassed } from "./passed-answer.ts";
import type { Protocol } from "./respond.ts";

/** The answer for this client in at most so many bytes; undefined when nobody can say. Never rejects. */
export type Forward = (query: Query, protocol: Protocol, most: number) => Promise<Buffer | undefined>;

export interface ForwardOptions {
  readonly exchange: Exchange;
  readonly cache: AnswerCache;
  readonly loops: LoopCheck;
  /** Who is asked for a name, in this order. */
  readonly serversFor: (name: string) => readonly NameServer[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Clients wait five seconds by custom. */
const WAIT_MS = { one: 1_500, all: 4_500 } as const;
const ASKED_LAST_MS = 10_000;
/** Codes of a server that cannot say, where another may. */
const CANNOT: readonly number[] = [CODE.formatError, CODE.serverFailure, CODE.notImplemented, CODE.refused];

export function createForward({ exchange, cache, loops, serversFor, clock, log }: ForwardOptions): Forward {
  const underWay = new Map<string, Promise<PassedAnswer | undefined>>();
  const silentUntil = new Map<string, number>();

  return async (query, protocol, most) => {
    if (loops.isOwnProbe(query.name)) return undefined;
    const key = keyOf(query);
    const cached = cache.get(key);
    if (cached?.fresh) return fitted(cached.answer, query, cached.ageSeconds, most);
    const answer = await once(`${protocol} ${key}`, key, query, protocol, cached ? WAIT_MS.one : WAIT_MS.all);
    if (cached && (!answer || CANNOT.includes(answer.code)))
      return fitted(cached.answer, query, cached.ageSeconds, most);
    return answer && fitted(answer, query, 0, most);
  };

  function once(id: string, key: string, query: Query, protocol: Protocol, waitMs: number) {
    const running = underWay.get(id);
    if (running) return running;
    if (underWay.size >= limits.dnsForwards) return undefined;
    const asking = askAll(query, protocol, waitMs)
      .then((answer) => {
        if (answer?.lifetimeSeconds) cache.put(key, answer);
        return answer;
      })
      .catch((error: unknown) => {
        log.debug("dns question could not be passed on", { name: query.name, error });
        return undefined;
      })
      .finally(() => underWay.delete(id));
    underWay.set(id, asking);
    return asking;
  }

  /** Two rounds, for UDP loses packets. The refusal of a server counts only when no other answers. */
  async function askAll(query: Query, protocol: Protocol, waitMs: number): Promise<PassedAnswer | undefined> {
    const servers = inOrder(serversFor(query.name));
    const hopeless = servers.every(isSilent);
    const deadline = clock.monotonic() + (hopeless ? WAIT_MS.one : waitMs);
    const refusing = new Set<NameServer>();
    let refusal: PassedAnswer | undefined;
    for (const server of [...servers, ...servers]) {
      const left = deadline - clock.monotonic();
      if (left <= 0 || refusing.size === servers.length) break;
      if (refusing.has(server) || loops.leadsBack(server)) continue;
      const answer = await ask(server, query, protocol, Math.min(left, WAIT_MS.one));
      if (!answer) silentUntil.set(idOf(server), clock.monotonic() + ASKED_LAST_MS);
      else silentUntil.delete(idOf(server));
      if (answer && !CANNOT.includes(answer.code)) return answer;
      if (answer) refusing.add(server);
      refusal ??= answer;
    }
    return refusal;
  }

  async function ask(server: NameServer, query: Query, protocol: Protocol, waitMs: number) {
    loops.probe(server);
    const answer = await understood(server, questionOf(query, true), protocol, waitMs);
    if (answer?.code !== CODE.formatError) return answer;
    return understood(server, questionOf(query, false), protocol, waitMs); // older than EDNS
  }

  async function understood(server: NameServer, question: Buffer, protocol: Protocol, waitMs: number) {
    const bytes = await exchange(server, question, protocol, waitMs);
    return bytes && readPassed(bytes);
  }

  function inOrder(servers: readonly NameServer[]): readonly NameServer[] {
    return [...servers.filter((server) => !isSilent(server)), ...servers.filter(isSilent)];
  }

  function isSilent(server: NameServer): boolean {
    return (silentUntil.get(idOf(server)) ?? 0) > clock.monotonic();
  }
}

const idOf = ({ address, port }: NameServer) => `${address}#${port}`;

const keyOf = ({ question, edns, checkingDisabled }: Query) =>
  `${question.toString("latin1").toLowerCase()}${edns?.dnssec ? 1 : 0}${checkingDisabled ? 1 : 0}`;

function questionOf({ question, edns, checkingDisabled }: Query, withOpt: boolean): Buffer {
  const end = HEADER_BYTES + question.length;
  const bytes = Buffer.alloc(end + (withOpt ? OPT_BYTES : 0));
  bytes.writeUInt16BE(0x0100 | (checkingDisabled ? 0x0010 : 0), 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(withOpt ? 1 : 0, 10);
  question.copy(bytes, HEADER_BYTES);
  if (withOpt) writeOpt(bytes, end, edns?.dnssec ?? false);
  return bytes;
}
