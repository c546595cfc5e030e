/**
 * DNS server: reads questions from UDP and TCP, asks the zone or upstream, writes answers.
 *
 * Bad packets are dropped, never answered with an error of ours. Connections and questions under
 * way are limited. Before the zone is complete, names of the cluster are answered SERVFAIL, so that
 * no client believes that a Service does not exist.
 */
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import packet, { type Packet, type Answer as PacketAnswer } from "dns-packet";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Upstream } from "./upstream.ts";
import type { Zone } from "./zone.ts";

export interface DnsServerOptions {
  readonly zone: Zone;
  readonly domain: string;
  readonly upstream: Upstream;
  /** False until the first lists are in. */
  readonly complete: () => boolean;
  readonly address: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DnsServer {
  readonly port: number;
  close(): Promise<void>;
}

const RCODE = { ok: 0, serverFailure: 2, nameError: 3, notImplemented: 4 } as const;
const CLASSIC_UDP_BYTES = 512;
const IDLE_MS = 10_000;

/** Rejects when the address cannot be bound. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const udp = createSocket({ type: options.address.includes(":") ? "udp6" : "udp4", reuseAddr: true });
  await new Promise<void>((resolve, reject) => {
    udp.once("error", reject);
    udp.bind(options.port, options.address, resolve);
  });
  const { port } = udp.address();
  udp.on("error", (error) => options.log.error("dns socket failed", { error }));
  udp.on("message", (question, from) => {
    void respond(question, "udp", options).then((answer) => answer && udp.send(answer, from.port, from.address));
  });

  const tcp = createServer((socket) => serveConnection(socket, options));
  tcp.maxConnections = limits.dnsConnections;
  await new Promise<void>((resolve, reject) => {
    tcp.once("error", reject);
    tcp.listen(port, options.address, resolve);
  });
  return {
    port,
    async close() {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
}

function serveConnection(socket: Socket, options: DnsServerOptions): void {
  let received = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", async (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const question = received.subarray(2, end);
      received = received.subarray(end);
      const answer = await respond(question, "tcp", options);
      if (!answer) return socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    }
  });
}

/** Undefined: no answer at all. Never rejects. */
async function respond(bytes: Buffer, protocol: "udp" | "tcp", options: DnsServerOptions): Promise<Buffer | undefined> {
  try {
    const query = packet.decode(bytes);
    if (query.type !== "query" || query.questions?.length !== 1) return undefined;
    const answer = await answerTo(query, bytes, protocol, options);
    if (Buffer.isBuffer(answer)) return answer;
    return encode(answer, protocol === "udp" ? udpSize(query) : 65_535);
  } catch (error) {
    options.log.debug("dns question dropped", { error });
    return undefined;
  }
}

async function answerTo(
  query: Packet,
  bytes: Buffer,
  protocol: "udp" | "tcp",
  options: DnsServerOptions,
): Promise<Packet | Buffer> {
  const question = query.questions?.[0] as { name: string; type: string };
  const { result, answers, additionals } = options.zone.answer(question.name, question.type);
  if (result === "outside") return (await options.upstream.ask(bytes, protocol)) ?? reply(query, RCODE.serverFailure);
  if (!options.complete()) return reply(query, RCODE.serverFailure);
  const [alias] = answers;
  if (alias?.type === "CNAME" && question.type !== "CNAME")
    return follow(query, alias.data, answers as PacketAnswer[], protocol, options);
  const authorities = answers.length ? [] : [startOfAuthority(options.domain)];
  return {
    ...reply(query, result === "missing" ? RCODE.nameError : RCODE.ok),
    answers: answers as PacketAnswer[],
    additionals: additionals as PacketAnswer[],
    authorities,
  };
}

/** An ExternalName Service: the client wants addresses, not only the other name. */
async function follow(
  query: Packet,
  target: string,
  answers: PacketAnswer[],
  protocol: "udp" | "tcp",
  options: DnsServerOptions,
): Promise<Packet> {
  const type = query.questions?.[0]?.type ?? "A";
  const local = options.zone.answer(target, type);
  if (local.result !== "outside")
    return { ...reply(query, RCODE.ok), answers: [...answers, ...(local.answers as PacketAnswer[])] };
  const further = packet.encode({
    type: "query",
    id: 1,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type, name: target }],
  });
  const bytes = await options.upstream.ask(further, protocol);
  const more = bytes ? (packet.decode(bytes).answers ?? []) : [];
  return { ...reply(query, RCODE.ok), answers: [...answers, ...more] };
}

function reply(query: Packet, rcode: number): Packet {
  const flags =
    packet.AUTHORITATIVE_ANSWER | packet.RECURSION_AVAILABLE | ((query.flags ?? 0) & packet.RECURSION_DESIRED) | rcode;
  return { type: "response", id: query.id ?? 0, flags, questions: query.questions ?? [] };
}

function startOfAuthority(domain: string): PacketAnswer {
  const data = {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: 5,
  };
  return { type: "SOA", name: domain, ttl: 5, data };
}

/** What does not fit is cut, and the client told to ask again by TCP. */
function encode(answer: Packet, most: number): Buffer {
  const bytes = packet.encode(answer);
  if (bytes.length <= most) return bytes;
  const flags = (answer.flags ?? 0) | packet.TRUNCATED_RESPONSE;
  return packet.encode({ ...answer, flags, answers: [], additionals: [], authorities: [] });
}

function udpSize(query: Packet): number {
  const edns = query.additionals?.find((one) => one.type === "OPT") as { udpPayloadSize?: number } | undefined;
  return Math.max(edns?.udpPayloadSize ?? CLASSIC_UDP_BYTES, CLASSIC_UDP_BYTES);
}
