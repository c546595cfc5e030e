/** The tunnel's multiplexer: both ends together over one WebSocket without any socket. */
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import type { WebSocket } from "ws";
import { systemClock } from "../process/clock.ts";
import { fakeClock } from "../process/fake-clock.ts";
import { limits } from "../process/limits.ts";
import { createMux, MUX_PROTOCOL } from "./mux.ts";
import { acceptWebSocket, dialWebSocket } from "./upgrade.ts";

async function webSockets(): Promise<{ near: WebSocket; far: WebSocket; wire: Duplex; other: Duplex }> {
  const accepted = Promise.withResolvers<WebSocket>();
  const server = createServer().on("upgrade", (request, socket, head) => {
    acceptWebSocket(request, socket, head, [MUX_PROTOCOL]).then(({ ws }) => accepted.resolve(ws), accepted.reject);
  });
  const [wire, other] = duplexPair();
  server.emit("connection", other);
  const near = await dialWebSocket({ connect: () => wire, host: "x", path: "/" }, [MUX_PROTOCOL]);
  return { near, far: await accepted.promise, wire, other };
}

async function pair(onStream: (stream: Duplex, target: string) => void, clock = systemClock) {
  const { near, far, wire, other } = await webSockets();
  const client = createMux(near, { clock, side: "client", onStream: (stream) => stream.destroy() });
  const server = createMux(far, { clock, side: "server", onStream });
  return { client, server, wire, other };
}

const text = async (stream: Duplex) => Buffer.concat(await stream.toArray()).toString();

test("a stream carries its target, its bytes both ways, and half-closes", async () => {
  const { client, server } = await pair((stream, target) => {
    text(stream).then((asked) => stream.end(`${target}: ${asked}`));
  });
  const stream = client.open("kubelet");
  stream.end("ping");
  expect(await text(stream)).toBe("kubelet: ping");
  await systemClock.sleep(10);
  expect([client.size, server.size]).toEqual([0, 0]);
  client.close();
});

test("a reader that stands still holds up its own writer only, with bounded memory", async () => {
  const streams: Duplex[] = [];
  const { client } = await pair((stream) => void streams.push(stream));
  const slow = client.open();
  let sent = 0;
  const piece = Buffer.alloc(16 * 1024);
  const pump = () => {
    while (sent < 64 * limits.streamWindowBytes && slow.write(piece)) sent += piece.length;
  };
  slow.on("drain", pump);
  pump();
  await systemClock.sleep(50);
  expect(sent).toBeLessThan(2 * limits.streamWindowBytes);

  const quick = client.open();
  quick.end("hello");
  await systemClock.sleep(20);
  expect(await text(streams[1]!)).toBe("hello");

  streams[0]!.resume();
  await systemClock.sleep(200);
  expect(sent).toBeGreaterThan(4 * limits.streamWindowBytes);
  client.close();
});

test("destroying one end resets the other", async () => {
  const { client } = await pair((stream) => stream.destroy());
  const stream = client.open();
  const error = await new Promise<Error>((resolve) => stream.once("error", resolve));
  expect(error.message).toMatch(/reset/);
  client.close();
});

test("a tunnel that is cut destroys every stream at both ends", async () => {
  const streams: Duplex[] = [];
  const { client, server, wire, other } = await pair((stream) => void streams.push(stream));
  const stream = client.open();
  stream.on("error", () => {});
  await systemClock.sleep(10);
  wire.destroy(new Error("cut"));
  other.destroy();
  await new Promise((resolve) => stream.once("close", resolve));
  expect(client.signal.aborted).toBe(true);
  expect(() => client.open()).toThrow("closed");
  await systemClock.sleep(20);
  expect(streams[0]!.destroyed).toBe(true);
  expect(server.signal.aborted).toBe(true);
});

test("a tunnel that falls silent is given up", async () => {
  const clock = fakeClock();
  const { near } = await webSockets();
  const client = createMux(near, { clock, side: "client", onStream: (stream) => stream.destroy() });
  near.pong = () => {};
  near.ping = () => {};
  await clock.advance(limits.tunnelDeadMs + 2 * limits.tunnelPingMs);
  expect(client.signal.aborted).toBe(true);
});

test("a stream beyond the limit is refused and the rest live on", async () => {
  const { client } = await pair((stream) => void stream.on("error", () => {}));
  const streams = Array.from({ length: limits.tunnelStreams }, () => client.open());
  expect(() => client.open()).toThrow("too many streams");
  streams[0]!.destroy();
  expect(() => client.open()).not.toThrow();
  client.close();
});

test("malformed messages close the tunnel and harm nobody else", async () => {
  for (const bytes of [[], [1, 2], [5, 0, 0, 0, 1], [5, 0, 0, 0, 1, 9]]) {
    const { near, far } = await webSockets();
    const server = createMux(far, { clock: systemClock, side: "server", onStream: (stream) => stream.destroy() });
    near.on("error", () => {});
    near.resume();
    near.send(Buffer.from(bytes));
    if (!server.signal.aborted) await new Promise((resolve) => server.signal.addEventListener("abort", resolve));
  }
});

test("messages for streams that nobody opened are passed over", async () => {
  const { near, far } = await webSockets();
  const server = createMux(far, { clock: systemClock, side: "server", onStream: (stream) => stream.end("still here") });
  near.resume();
  for (const type of [2, 3, 4, 99]) near.send(Buffer.from([type, 0, 0, 0, 7, 1]));
  const client = createMux(near, { clock: systemClock, side: "client", onStream: (stream) => stream.destroy() });
  expect(await text(client.open())).toBe("still here");
  expect(server.signal.aborted).toBe(false);
  client.close();
});
