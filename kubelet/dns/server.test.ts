import { createSocket } from "node:dgram";
import { createConnection } from "node:net";
import packet from "dns-packet";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type DnsServer, startDnsServer } from "./server.ts";
import { createZone } from "./zone.ts";

let server: DnsServer | undefined;
afterEach(() => server?.close());

async function start(endpoints: number, complete = true) {
  const zone = createZone("cluster.local");
  const metadata = { name: "db", namespace: "default", uid: "1", resourceVersion: "1", creationTimestamp: "" };
  zone.setService("default/db", { apiVersion: "v1", kind: "Service", metadata, spec: { clusterIP: "None" } });
  zone.setSlice("default/db-1", {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    endpoints: Array.from({ length: endpoints }, (_, index) => ({ addresses: [`10.42.0.${index + 2}`] })),
  });
  const upstream = {
    ask: async (question: Buffer) => Buffer.concat([question.subarray(0, 2), Buffer.from("upstream")]),
  };
  server = await startDnsServer({
    zone,
    domain: "cluster.local",
    upstream,
    complete: () => complete,
    address: "127.0.0.1",
    port: 0,
    clock: systemClock,
    log: silent,
  });
  return server.port;
}

const question = (name: string, type: "A" | "AAAA" = "A") =>
  packet.encode({ type: "query", id: 7, flags: packet.RECURSION_DESIRED, questions: [{ name, type }] });

function overUdp(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.once("message", (answer) => {
      socket.close();
      resolve(answer);
    });
    socket.send(bytes, port, "127.0.0.1");
  });
}

const rcode = (bytes: Buffer) => bytes.readUInt16BE(2) & 15;

test("DNS question for a name of the cluster", async () => {
  const answer = packet.decode(await overUdp(await start(2), question("db.default.svc.cluster.local")));
  expect(answer.id).toBe(7);
  expect(answer.answers?.map((one) => (one as { data: unknown }).data)).toEqual(["10.42.0.2", "10.42.0.3"]);
});

test("DNS answer too long for UDP is cut and whole over TCP", async () => {
  const port = await start(100);
  const cut = packet.decode(await overUdp(port, question("db.default.svc.cluster.local")));
  expect(cut.flag_tc).toBe(true);
  const bytes = question("db.default.svc.cluster.local");
  const whole = await new Promise<Buffer>((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1");
    let received = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        socket.end(() => resolve(received.subarray(2)));
    });
    socket.write(Buffer.concat([Buffer.from([0, bytes.length]), bytes]));
  });
  expect(packet.decode(whole).answers).toHaveLength(100);
});

test("DNS question before the zone is complete fails instead of denying the name", async () => {
  expect(rcode(await overUdp(await start(0, false), question("web.default.svc.cluster.local")))).toBe(2);
});

test("DNS question for a name that does not exist", async () => {
  const bytes = await overUdp(await start(0), question("web.default.svc.cluster.local"));
  expect(rcode(bytes)).toBe(3);
  expect(packet.decode(bytes).authorities?.[0]?.type).toBe("SOA");
});

test("DNS question for another domain goes upstream", async () => {
  const answer = await overUdp(await start(0), question("example.com"));
  expect(answer.subarray(2).toString()).toBe("upstream");
});

test("DNS server that got garbage answers the next question", async () => {
  const port = await start(1);
  const socket = createSocket("udp4");
  socket.send(Buffer.from("garbage"), port, "127.0.0.1", () => socket.close());
  expect(rcode(await overUdp(port, question("db.default.svc.cluster.local")))).toBe(0);
});
