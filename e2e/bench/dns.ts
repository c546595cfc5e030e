/**
 * DNS: questions a second that the cluster's name server answers with one core, beside a server that sends
 * back what it gets.
 *
 * Client and server are processes of their own on the loopback interface, so what counts is the server's
 * own CPU time: the rate on the wall is bounded by the client and whoever else is on the machine.
 */
import { createSocket, type Socket } from "node:dgram";
import { join } from "node:path";
import packet from "dns-packet";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { Measurement } from "./bench.ts";
import { type Child, startChild } from "./child.ts";
import type { ZoneSize } from "./dns-server-process.ts";
import { percentile } from "./measured.ts";
import type { Aim, Row, Section } from "./report.ts";

const SOCKETS = 4;
/** Questions of one socket on their way at a time. */
const WINDOW = 16;
const LOST_MS = 1_000;
const ZONE = { services: 1_000, endpoints: 100 };
const AIM: Aim = { of: "value", bound: "at least", number: 10_000 };

const CASES: readonly (readonly [what: string, name: string, type: packet.RecordType])[] = [
  ["a Service", "web-#.default.svc.cluster.local", "A"],
  ["a headless Service of 100 endpoints", "web-#0.default.svc.cluster.local", "A"],
  ["a name of the search path that is not there", "example-#.com.default.svc.cluster.local", "A"],
  ["a name elsewhere, in the cache", "www-#.example.com", "AAAA"],
];

export const dnsQueries: Measurement = {
  name: "dns",
  summary: "questions a second that the name server answers",
  async run({ quick, say }): Promise<readonly Section[]> {
    const seconds = quick ? 2 : 5;
    const start = () => startChild(join(import.meta.dirname, "dns-server-process.ts"));
    const [echo, dns] = [start(), start()];
    const upstream = await elsewhere();
    try {
      const ceiling = await measure(echo, await echo.call<number>("echo"), questions("x-#.example.com", "A"), seconds);
      const size: ZoneSize = { ...ZONE, upstream: upstream.port };
      const port = await dns.call<number>("serve", size);
      const rows: Row[] = [rowOf("the ceiling: datagrams sent back", ceiling)];
      for (const [what, name, type] of CASES) {
        say(what);
        const asked = questions(name, type);
        await measure(dns, port, asked, 1); // warm: code, and what is elsewhere
        rows.push({
          ...rowOf(what, await measure(dns, port, asked, seconds)),
          reference: { name: "ceiling", value: ceiling.perCore },
          aim: AIM,
        });
      }
      const memory = (await dns.call<number>("memory")) / 2 ** 20;
      rows.push({ what: "memory of the server then", value: memory, unit: "MB" });
      return [{ title: `DNS: ${ZONE.services} Services, one server on one core, UDP`, rows }];
    } finally {
      upstream.close();
      await Promise.all([echo.stop(), dns.stop()]);
    }
  },
};

interface Answered {
  /** Answers for one second of the server's CPU time. */
  readonly perCore: number;
  readonly perSecond: number;
  readonly latencies: readonly number[];
  readonly lost: number;
}

const rowOf = (what: string, { perCore, perSecond, latencies, lost }: Answered): Row => ({
  what,
  value: perCore,
  unit: "answers/s a core",
  note: `${Math.round(perSecond)}/s on the wall, p50 ${percentile(latencies, 0.5).toFixed(2)} ms, p99 ${percentile(latencies, 0.99).toFixed(2)} ms, ${lost} lost`,
});

/** A hundred different ones, ready to be sent but for their ids. */
function questions(name: string, type: packet.RecordType): readonly Buffer[] {
  return Array.from({ length: 100 }, (_, index) =>
    packet.encode({
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: name.replace("#", String(index + (index % 10 === 0 ? 1 : 0))), type }],
    }),
  );
}

async function measure(server: Child, port: number, asked: readonly Buffer[], seconds: number): Promise<Answered> {
  const before = await server.call<number>("cpu");
  const start = clock.monotonic();
  const parts = await Promise.all(Array.from({ length: SOCKETS }, () => askFrom(port, asked, start + seconds * 1000)));
  const wall = (clock.monotonic() - start) / 1000;
  const cpu = ((await server.call<number>("cpu")) - before) / 1e6;
  const latencies = parts.flatMap((part) => part.latencies);
  const lost = parts.reduce((sum, part) => sum + part.lost, 0);
  return { perCore: latencies.length / cpu, perSecond: latencies.length / wall, latencies, lost };
}

/** Keeps a window of questions under way; an answer brings the next. */
function askFrom(
  port: number,
  asked: readonly Buffer[],
  until: number,
): Promise<{ latencies: number[]; lost: number }> {
  return new Promise((resolve, reject) => {
    const socket: Socket = createSocket({ type: "udp4", recvBufferSize: 1024 * 1024 });
    const sentAt = new Map<number, number>();
    const latencies: number[] = [];
    let [number, lost] = [0, 0];
    const send = () => {
      number = (number + 1) & 0xffff;
      const question = Buffer.from(asked[number % asked.length] as Buffer);
      question.writeUInt16BE(number, 0);
      sentAt.set(number, clock.monotonic());
      socket.send(question);
    };
    const finish = () => {
      timer.cancel();
      socket.close();
      resolve({ latencies, lost });
    };
    const look = () => {
      const now = clock.monotonic();
      for (const [id, at] of sentAt) {
        if (now - at < LOST_MS) continue;
        sentAt.delete(id);
        lost++;
        if (now < until) send();
      }
      if (now >= until && !sentAt.size) return finish();
      timer = clock.after(100, look);
    };
    let timer = clock.after(100, look);
    socket.on("error", reject);
    socket.on("message", (answer) => {
      const id = answer.readUInt16BE(0);
      const at = sentAt.get(id);
      if (at === undefined || (answer.readUInt8(3) & 15) === 2) return;
      sentAt.delete(id);
      const now = clock.monotonic();
      latencies.push(now - at);
      if (now < until) send();
    });
    socket.connect(port, "127.0.0.1", () => {
      for (let index = 0; index < WINDOW; index++) send();
    });
  });
}

/** Answers every question for an hour. */
async function elsewhere(): Promise<{ readonly port: number; close(): void }> {
  const socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    const { id = 0, questions = [] } = packet.decode(question);
    const [first] = questions;
    if (!first) return;
    const answers: packet.Answer[] = [{ type: "AAAA", name: first.name, ttl: 3600, data: "2001:db8::1" }];
    socket.send(packet.encode({ id, type: "response", questions: [first], answers }), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { port: socket.address().port, close: () => socket.close() };
}
