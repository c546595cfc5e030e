/**
 * Respond: what one question is answered, whoever knows it: the zone, or others through forward.ts.
 *
 * Names of the cluster are never asked elsewhere. Before the zone is complete they are answered
 * SERVFAIL, so that no client believes that a Service does not exist.
 */
import packet from "dns-packet";
import type { Forward } from "./forward.ts";
import {
  CODE,
  LARGEST_BYTES,
  OWN_UDP_BYTES,
  type Query,
  type Reply,
  readQuery,
  udpLimit,
  type WriteReply,
} from "./message.ts";
import { addressRecord, type DnsRecord, startOfAuthority, TTL, text } from "./records.ts";
import type { Zone } from "./zone.ts";

export type Protocol = "udp" | "tcp";

export interface RespondOptions {
  readonly zone: Zone;
  readonly domain: string;
  readonly forward: Forward;
  /** False until the first lists are in. */
  readonly complete: () => boolean;
  readonly write: WriteReply;
}

export type Respond = (bytes: Buffer, protocol: Protocol) => Buffer | undefined | Promise<Buffer | undefined>;

/** Aliases that lead to aliases; a circle of them ends here. */
const MOST_ALIASES = 8;
/** Types that ask for more than one answer can carry. */
const TRANSFERS = ["AXFR", "IXFR"];

/** Undefined: no answer at all. Throws where the bytes make no sense. */
export function createRespond(options: RespondOptions): Respond {
  const { zone, domain, forward, complete, write } = options;
  let turn = 0;

  return (bytes, protocol) => {
    const query = readQuery(bytes);
    if (!query) return undefined;
    const most = protocol === "udp" ? udpLimit(query) : LARGEST_BYTES;
    const refusal = refused(query);
    if (refusal !== undefined) return write(query, { code: refusal, authoritative: false }, most);

    const { result, answers, additionals } = zone.answer(query.name, query.type);
    if (result === "outside") return passedOn(query, protocol, most);
    if (!complete()) return write(query, { code: CODE.serverFailure, authoritative: false }, most);
    const [alias] = answers;
    if (alias?.type === "CNAME" && query.type !== "CNAME")
      return followed(query, alias.data).then((more) =>
        write(query, { code: CODE.ok, authoritative: true, answers: [...answers, ...more] }, most),
      );
    turn++;
    const reply: Reply = {
      code: result === "missing" ? CODE.nameError : CODE.ok,
      authoritative: true,
      answers: rotated(answers, turn),
      additionals,
      authorities: answers.length ? [] : [startOfAuthority(domain)],
    };
    return write(query, reply, most);
  };

  async function passedOn(query: Query, protocol: Protocol, most: number): Promise<Buffer> {
    const answer = await forward(query, protocol, most);
    return answer ?? write(query, { code: CODE.serverFailure, authoritative: false }, most);
  }

  /** An ExternalName Service: the client wants addresses, not only the other name. */
  async function followed(query: Query, first: string): Promise<readonly DnsRecord[]> {
    const records: DnsRecord[] = [];
    let target = first;
    for (let steps = 0; steps < MOST_ALIASES; steps++) {
      const local = zone.answer(target, query.type);
      if (local.result === "outside") return [...records, ...(await addressesOf(query, target))];
      records.push(...local.answers);
      const [next] = local.answers;
      if (next?.type !== "CNAME") break;
      target = next.data;
    }
    return records;
  }

  async function addressesOf(query: Query, name: string): Promise<readonly DnsRecord[]> {
    const asked = packet.encode({
      type: "query",
      id: query.id,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type: query.type as "A" | "AAAA" }],
    });
    const further = readQuery(asked);
    const bytes = further && (await forward(further, "udp", OWN_UDP_BYTES));
    return bytes ? (packet.decode(bytes).answers ?? []).flatMap(plainRecord) : [];
  }
}

/** What is never looked up, by the code with which it is refused. */
function refused({ opcode, class: kind, type, edns }: Query): number | undefined {
  if (edns && edns.version !== 0) return CODE.badVersion;
  if (opcode !== "QUERY") return CODE.notImplemented;
  if (kind !== "IN" || TRANSFERS.includes(type)) return CODE.refused;
  return undefined;
}

function plainRecord(answer: packet.Answer): readonly DnsRecord[] {
  if (answer.type === "A" || answer.type === "AAAA")
    return [{ ...addressRecord(answer.name, answer.data), ttl: ttlOf(answer) }];
  if (answer.type === "CNAME") return [{ ...text("CNAME", answer.name, answer.data), ttl: ttlOf(answer) }];
  return [];
}

const ttlOf = ({ ttl }: { readonly ttl?: number | undefined }) => Math.min(ttl ?? TTL, TTL);

/** Clients take the first address: each answer begins with another one. */
function rotated(records: readonly DnsRecord[], turn: number): readonly DnsRecord[] {
  const [first] = records;
  if (records.length < 2 || (first?.type !== "A" && first?.type !== "AAAA")) return records;
  const start = turn % records.length;
  return [...records.slice(start), ...records.slice(0, start)];
}
