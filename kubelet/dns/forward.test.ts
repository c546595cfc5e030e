import packet, { type Answer } from "dns-packet";
import { afterEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../machinery/process/clock.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { createAnswerCache } from "./answer-cache.ts";
import { code, dataOf, type Elsewhere, question, startElsewhere } from "./dns.fixture.ts";
import { createExchange, type NameServer } from "./exchange.ts";
import { createForward } from "./forward.ts";
import { createLoopCheck } from "./loop-check.ts";
import { readQuery } from "./message.ts";

const started: Elsewhere[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.close()));
});

async function elsewhere(...args: Parameters<typeof startElsewhere>) {
  const one = await startElsewhere(...args);
  started.push(one);
  return one;
}

const a = (data: string, ttl = 60): Answer => ({ type: "A", name: "example.com", ttl, data });

function forwarding(servers: readonly NameServer[], time: Clock = systemClock) {
  const exchange = createExchange(systemClock);
  const loops = createLoopCheck(exchange, systemClock, silent);
  const cache = createAnswerCache(time);
  const forward = createForward({ exchange, cache, loops, serversFor: () => servers, clock: time, log: silent });
  const ask = (bytes: Buffer, protocol: "udp" | "tcp" = "udp", most = 512) => {
    const query = readQuery(bytes);
    if (!query) throw new Error("no question");
    return forward(query, protocol, most);
  };
  return { ask, loops, cache };
}

const example = question("example.com");
const sent = (answer: Buffer | undefined) => answer ?? Buffer.alloc(12);

describe("questions of other domains", () => {
  test("are asked once while the answer holds, and the rest of its time is told", async () => {
    const server = await elsewhere(() => ({ answers: [a("192.0.2.1")] }));
    const clock = fakeClock();
    const { ask } = forwarding([server.server], clock);
    expect(dataOf(sent(await ask(example)))).toEqual(["192.0.2.1"]);
    await clock.advance(20_000);
    const again = packet.decode(sent(await ask(question("EXAMPLE.com"))));
    expect(again).toMatchObject({ id: 7, questions: [{ name: "EXAMPLE.com" }], answers: [{ ttl: 40 }] });
    expect(server.asked).toHaveLength(1);
    await clock.advance(41_000);
    await ask(example);
    expect(server.asked).toHaveLength(2);
  });

  test("are asked once when many ask at the same time", async () => {
    const server = await elsewhere(() => ({ answers: [a("192.0.2.1")] }));
    const { ask } = forwarding([server.server]);
    await Promise.all(Array.from({ length: 20 }, () => ask(example)));
    expect(server.asked).toHaveLength(1);
  });

  test("that are denied are remembered as long as the authority says, others not", async () => {
    const soa = { mname: "ns", rname: "root", minimum: 10 };
    const server = await elsewhere(({ questions }) => ({
      flags: 3,
      authorities: questions?.[0]?.name === "example.com" ? [{ type: "SOA", name: "com", ttl: 900, data: soa }] : [],
    }));
    const clock = fakeClock();
    const { ask } = forwarding([server.server], clock);
    for (let round = 0; round < 2; round++) {
      expect(code(sent(await ask(example)))).toBe(3);
      expect(code(sent(await ask(question("other.org"))))).toBe(3);
    }
    expect(server.asked).toEqual(["udp example.com", "udp other.org", "udp other.org"]);
    await clock.advance(11_000);
    await ask(example);
    expect(server.asked).toHaveLength(4);
  });

  test("go to the next server when one is silent or refuses", async () => {
    const silentOne = await elsewhere(() => undefined);
    const refusing = await elsewhere(() => ({ flags: 5 }));
    const good = await elsewhere(() => ({ answers: [a("192.0.2.3", 0)] }));
    const { ask } = forwarding([silentOne.server, refusing.server, good.server]);
    expect(dataOf(sent(await ask(example)))).toEqual(["192.0.2.3"]);
    expect(dataOf(sent(await ask(example)))).toEqual(["192.0.2.3"]);
    expect(silentOne.asked).toHaveLength(1); // asked last for a while
  });

  test("are refused as the servers refuse, and fail when there is none", async () => {
    const refusing = await elsewhere(() => ({ flags: 5 }));
    expect(code(sent(await forwarding([refusing.server]).ask(example)))).toBe(5);
    expect(refusing.asked).toHaveLength(1);
    expect(await forwarding([]).ask(example)).toBeUndefined();
  });

  test("are asked without EDNS of a server that does not know it", async () => {
    const old = await elsewhere(({ additionals }) =>
      additionals?.length ? { flags: 1 } : { answers: [a("192.0.2.4")] },
    );
    expect(dataOf(sent(await forwarding([old.server]).ask(example)))).toEqual(["192.0.2.4"]);
  });

  test("get an old answer while no server can be reached", async () => {
    let reachable = true;
    const server = await elsewhere(() => (reachable ? { answers: [a("192.0.2.1")] } : { flags: 2 }));
    const clock = fakeClock();
    const { ask } = forwarding([server.server], clock);
    await ask(example);
    reachable = false;
    await clock.advance(600_000);
    const old = packet.decode(sent(await ask(example)));
    expect(old.answers).toMatchObject([{ data: "192.0.2.1", ttl: 0 }]);
  });

  test("that need TCP are asked by TCP", async () => {
    const many = Array.from({ length: 100 }, (_, index) => a(`192.0.2.${index}`));
    const server = await elsewhere((_, protocol) => (protocol === "udp" ? { flags: 0x0200 } : { answers: many }));
    const { ask } = forwarding([server.server]);
    expect(packet.decode(sent(await ask(example))).flag_tc).toBe(true);
    expect(dataOf(sent(await ask(example, "tcp", 65_535)))).toHaveLength(100);
    const cut = packet.decode(sent(await ask(example)));
    expect(cut.flag_tc).toBe(true);
    expect(cut.answers?.length).toBeGreaterThan(5);
    expect(server.asked).toEqual(["udp example.com", "tcp example.com"]);
  });

  test("come back with EDNS for those who use it, whatever the server sent", async () => {
    const server = await elsewhere(() => ({
      answers: [a("192.0.2.1")],
      additionals: [{ type: "OPT", name: ".", udpPayloadSize: 512 } as Answer],
    }));
    const { ask } = forwarding([server.server]);
    expect(packet.decode(sent(await ask(example))).additionals).toEqual([]);
    const opt = packet.decode(sent(await ask(question("example.com", "A", { udpPayloadSize: 4096 })))).additionals;
    expect(opt).toMatchObject([{ type: "OPT", udpPayloadSize: 1232 }]);
  });

  test("are not passed to a server that passes them back", async () => {
    const back: { ask?: ReturnType<typeof forwarding>["ask"] } = {};
    const looping = await elsewhere((query) => {
      void back.ask?.(packet.encode({ ...query, type: "query" }));
      return undefined;
    });
    const { ask, loops } = forwarding([looping.server]);
    back.ask = ask;
    await ask(example);
    expect(loops.leadsBack(looping.server)).toBe(true);
    const before = looping.asked.length;
    expect(await ask(question("other.org"))).toBeUndefined();
    expect(looping.asked).toHaveLength(before);
  });
});

test("answers that are kept never pass their bounds", () => {
  const clock = fakeClock();
  const cache = createAnswerCache(clock);
  const answer = { bytes: Buffer.alloc(4_000), code: 0, truncated: false, records: [], lifetimeSeconds: 60 };
  for (let index = 0; index < 20_000; index++) cache.put(`name-${index}`, answer);
  expect(cache.size).toBeLessThan(2_100);
  expect(cache.get("name-19999")?.fresh).toBe(true);
  expect(cache.get("name-0")).toBeUndefined();
});
