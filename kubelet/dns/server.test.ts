import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection } from "node:net";
import packet from "dns-packet";
import { afterEach, describe, expect, test } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { code, dataOf, overTcp, overUdp, question, service, slice } from "./dns.fixture.ts";
import { createReplyWriter } from "./message.ts";
import { fitted, readPassed } from "./passed-answer.ts";
import { createRespond } from "./respond.ts";
import { type DnsServer, startDnsServer } from "./server.ts";
import { createZone } from "./zone.ts";

let server: DnsServer | undefined;
afterEach(() => server?.close());

async function start(endpoints: number, complete = true) {
  const zone = createZone("cluster.local");
  zone.setService("default/db", service("db", { clusterIP: "None" }));
  zone.setService("default/inner", service("inner", { type: "ExternalName", externalName: `db.${svc}` }));
  zone.setService("default/circle", service("circle", { type: "ExternalName", externalName: `circle.${svc}` }));
  const addresses = Array.from({ length: endpoints }, (_, index) => ({ addresses: [`10.42.0.${index + 2}`] }));
  zone.setSlice("default/db-1", slice("db-1", "db", addresses, [{ name: "sql", port: 5432 }]));
  const respond = createRespond({
    zone,
    domain: "cluster.local",
    forward: async ({ id }) => Buffer.concat([Buffer.from([id >> 8, id & 255]), Buffer.from("passed on")]),
    complete: () => complete,
    write: createReplyWriter(),
  });
  server = await startDnsServer({ respond, address: "127.0.0.1", port: 0, log: silent });
  return server.port;
}

const svc = "default.svc.cluster.local";
const db = `db.${svc}`;

describe("DNS server", () => {
  test("answers a name of the cluster, beginning with another address each time", async () => {
    const port = await start(2);
    const first = await overUdp(port, question(db));
    expect(packet.decode(first)).toMatchObject({ id: 7, flag_aa: true, flag_rd: true, flag_ra: true, flag_tc: false });
    expect(dataOf(first).toSorted()).toEqual(["10.42.0.2", "10.42.0.3"]);
    expect(dataOf(await overUdp(port, question(db)))).toEqual(dataOf(first).toReversed());
  });

  test("gives the question back as it was asked", async () => {
    const mixed = "Db.DEFAULT.svc.cluster.LOCAL";
    const answer = packet.decode(await overUdp(await start(1), question(mixed)));
    expect(answer.questions?.[0]?.name).toBe(mixed);
    expect(answer.answers?.[0]?.name).toBe(mixed);
  });

  test("fills a short answer as far as it goes and gives all by TCP", async () => {
    const port = await start(100);
    const cut = packet.decode(await overUdp(port, question(db)));
    expect(cut.flag_tc).toBe(true);
    expect(cut.answers?.length).toBeGreaterThan(25);
    const [whole = Buffer.alloc(0)] = await overTcp(port, question(db));
    expect(new Set(dataOf(whole)).size).toBe(100);
    expect(packet.decode(whole).flag_tc).toBe(false);
  });

  test("gives a client with EDNS as much as it takes, and says what it takes itself", async () => {
    const port = await start(100);
    const bytes = await overUdp(port, question(db, "A", { udpPayloadSize: 4096, flags: packet.DNSSEC_OK }));
    expect(dataOf(bytes)).toHaveLength(100);
    const opt = packet.decode(bytes).additionals?.find(({ type }) => type === "OPT");
    expect(opt).toMatchObject({ udpPayloadSize: 1232, flag_do: true, extendedRcode: 0 });
    const narrow = await overUdp(port, question(db, "A", { udpPayloadSize: 100 }));
    expect(narrow.length).toBeLessThanOrEqual(512);
    const newer = await overUdp(port, question(db, "A", { ednsVersion: 1 }));
    expect(packet.decode(newer).additionals?.[0]).toMatchObject({ extendedRcode: 1 });
  });

  test("leaves out addresses of an SRV answer that do not fit, without calling it cut", async () => {
    const port = await start(10);
    const answer = packet.decode(await overUdp(port, question(`_sql._tcp.${db}`, "SRV")));
    expect(answer.flag_tc).toBe(false);
    expect(answer.answers).toHaveLength(10);
    expect(answer.answers?.[0]).toMatchObject({ data: { port: 5432, target: `10-42-0-2.${db}` } });
    expect(answer.additionals?.length).toBeLessThan(10);
  });

  test("fails before it knows everything, instead of denying a name", async () => {
    expect(code(await overUdp(await start(0, false), question(`web.${svc}`)))).toBe(2);
  });

  test("denies a name that does not exist and says for how long", async () => {
    const bytes = await overUdp(await start(0), question(`web.${svc}`));
    expect(code(bytes)).toBe(3);
    const [authority] = packet.decode(bytes).authorities ?? [];
    expect(authority).toMatchObject({ type: "SOA", name: "cluster.local", ttl: 5, data: { minimum: 5 } });
  });

  test("says that a name is there which has no record of the type", async () => {
    const bytes = await overUdp(await start(1), question(db, "AAAA"));
    expect(code(bytes)).toBe(0);
    expect(packet.decode(bytes)).toMatchObject({ answers: [], authorities: [{ type: "SOA" }] });
  });

  test("follows an alias within the cluster, and ends in a circle of them", async () => {
    const port = await start(1);
    expect(dataOf(await overUdp(port, question(`inner.${svc}`)))).toEqual([db, "10.42.0.2"]);
    expect(code(await overUdp(port, question(`circle.${svc}`)))).toBe(0);
  });

  test("passes on what is of another domain", async () => {
    const answer = await overUdp(await start(0), question("example.com"));
    expect(answer.subarray(2).toString()).toBe("passed on");
  });

  test.each([
    ["a transfer of the zone", question("cluster.local", "AXFR"), 5],
    [
      "another class",
      packet.encode({ type: "query", id: 1, questions: [{ name: "version.bind", type: "TXT", class: "CH" }] }),
      5,
    ],
    ["an update", Buffer.concat([Buffer.from([0, 1, 0x28, 0]), question("cluster.local").subarray(4)]), 4],
  ])("refuses %s", async (_, bytes, wanted) => {
    expect(code(await overUdp(await start(0), bytes))).toBe(wanted);
  });

  test("answers after garbage", async () => {
    const port = await start(1);
    const socket = createSocket("udp4");
    const pointer = Buffer.concat([question(db).subarray(0, 12), Buffer.from([0xc0, 0x00, 0, 1, 0, 1])]);
    const bad = [Buffer.from("garbage"), Buffer.alloc(12), question(db).subarray(0, 20), pointer];
    for (const bytes of bad) socket.send(bytes, port, "127.0.0.1");
    expect(code(await overUdp(port, question(db)))).toBe(0);
    socket.close();
  });

  test("answers many questions of one connection, and ends with connections open", async () => {
    const port = await start(3);
    const questions = Array.from({ length: 100 }, () => question(db));
    expect(await overTcp(port, ...questions)).toHaveLength(100);
    const open = createConnection(port, "127.0.0.1");
    open.on("error", () => undefined);
    await once(open, "connect");
    const closed = once(open, "close");
    await server?.close();
    server = undefined;
    await closed;
  });
});

test("whatever is sent, answers can be read and nothing takes long", async () => {
  const { random } = fakeClock();
  const pick = (count: number) => Math.floor(random() * count);
  let forwarded = false;
  const zone = createZone("cluster.local");
  zone.setService("default/db", service("db", { clusterIP: "None" }));
  zone.setSlice(
    "default/db-1",
    slice("db-1", "db", [{ addresses: ["10.42.0.2", "fd00::2"] }], [{ name: "sql", port: 1 }]),
  );
  const passed = packet.encode({
    type: "response",
    questions: [{ name: "x.y", type: "A" }],
    answers: [{ type: "A", name: "x.y", ttl: 1, data: "192.0.2.1" }],
  });
  const bent = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes.subarray(0, pick(8) ? bytes.length : pick(bytes.length + 1)));
    for (let count = pick(4); count > 0 && copy.length; count--) copy[pick(copy.length)] = pick(2) ? pick(256) : 0xc0;
    return copy;
  };
  const respond = createRespond({
    ...{ zone, domain: "cluster.local", complete: () => true, write: createReplyWriter() },
    forward: async (query, _, most) => {
      forwarded = true;
      return fitted(readPassed(bent(passed)), query, 0, most);
    },
  });
  const names = [db, `_sql._tcp.${db}`, "2.0.42.10.in-addr.arpa", "fd00--2.default.pod.cluster.local", "x.y"];
  const types = ["A", "AAAA", "SRV", "PTR", "ANY"] as packet.RecordType[];
  const start = performance.now();
  let answered = 0;
  for (let round = 0; round < 5_000; round++) {
    forwarded = false;
    const opt = pick(2) ? { udpPayloadSize: pick(2_000) } : undefined;
    const bytes = bent(question(names[pick(names.length)] ?? db, types[pick(types.length)], opt));
    let answer: Buffer | undefined;
    try {
      answer = await respond(bytes, pick(2) ? "udp" : "tcp");
    } catch (error) {
      expect(error).toBeInstanceOf(Error); // dropped
    }
    if (!answer || forwarded) continue;
    packet.decode(answer);
    answered++;
  }
  expect(answered).toBeGreaterThan(1_000);
  expect(performance.now() - start).toBeLessThan(10_000);
});
