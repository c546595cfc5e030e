/** What a listener bounds: requests in flight, their bodies, slow and endless ones, connections. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Handler, Peer } from "../../machinery/client/transport/contract.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type HttpBounds, type Listening, listenUnix } from "./http.ts";
import { createInFlight, defaultBounds, type InFlightBounds } from "./in-flight.ts";

let home: string;
let count = 0;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "http-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const USER: Peer = { kind: "certificate", user: "ann", groups: [] };
const NODE: Peer = { kind: "certificate", user: "system:node:n1", groups: ["system:nodes"] };
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";

interface Started {
  readonly listening: Listening;
  readonly socketPath: string;
  /** Lets everything that is held be answered. */
  release(): void;
  send(options: RequestOptions, body?: string): Promise<IncomingMessage>;
}

/** A server for one peer, which answers "/hold" when it is told to and watches with a stream that stays open. */
async function start(peer: Peer, bounds: { http?: HttpBounds; inFlight?: InFlightBounds } = {}): Promise<Started> {
  const held = Promise.withResolvers<void>();
  const handler: Handler = async ({ path, query, signal }) => {
    if (path === "/hold") await held.promise;
    const headers = { "content-type": "text/plain" };
    if (!query.has("watch")) return { status: 200, headers, body: { kind: "bytes", bytes: Buffer.from("ok") } };
    async function* chunks() {
      yield Buffer.from("begun");
      await once(signal, "abort");
    }
    return { status: 200, headers, body: { kind: "stream", chunks: chunks() } };
  };
  count++;
  const socketPath = join(home, String(count));
  const listening = await listenUnix({
    handler,
    clock: systemClock,
    log: silent,
    path: socketPath,
    peer: peer as never,
    inFlight: createInFlight({ clock: systemClock, bounds: bounds.inFlight }),
    ...(bounds.http ? { bounds: bounds.http } : {}),
  });
  const send = (options: RequestOptions, body?: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({ socketPath, agent: false, ...options }, resolve);
      request.on("error", reject);
      request.end(body);
    });
  return { listening, socketPath, send, release: held.resolve };
}

const shares = (everyone: number) => ({ everyone, system: everyone + 1, vital: everyone + 2 });

describe("requests in flight", () => {
  const waiting = { all: 0, ofOne: 0 };
  const inFlight = { ...defaultBounds, requests: shares(2), waiting };
  const soon = () => systemClock.sleep(30);

  test("beyond the bound are told to come back", async () => {
    const { send, listening, release } = await start(USER, { inFlight });
    const held = [send({ path: "/hold" }), send({ path: "/hold" })];
    await soon();
    const third = await send({ path: "/api" });
    expect([third.statusCode, third.headers["retry-after"]]).toEqual([429, "1"]);
    expect((await send({ path: "/livez" })).statusCode).toBe(200);
    release();
    expect((await Promise.all(held)).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect((await send({ path: "/api" })).statusCode).toBe(200);
    await listening.close();
  });

  test("leave room for components, and above them for heartbeats", async () => {
    const { send, listening, release } = await start(NODE, { inFlight });
    const held = [1, 2, 3].map(() => send({ path: "/hold" }));
    await soon();
    expect((await send({ path: "/api/v1/pods" })).statusCode).toBe(429);
    expect((await send({ path: LEASE, method: "GET" })).statusCode).toBe(429);
    expect((await send({ path: LEASE, method: "PUT" })).statusCode).toBe(200);
    expect((await send({ path: "/api/v1/nodes/n1/status", method: "PATCH" })).statusCode).toBe(200);
    release();
    await Promise.all(held);
    await listening.close();
  });

  test("do not count watches that stand", async () => {
    const { send, listening } = await start(USER, { inFlight });
    const watches = await Promise.all([1, 2].map(() => send({ path: "/api/v1/pods?watch=1" })));
    const more = await send({ path: "/api/v1/pods?watch=1" });
    expect([...watches, more].map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    expect((await send({ path: "/api" })).statusCode).toBe(200);
    for (const response of [...watches, more]) response.destroy();
    await listening.close();
  });

  test("bring no more bodies into memory than there is room for", async () => {
    const { send, listening, release } = await start(USER, {
      inFlight: { ...defaultBounds, bodyBytes: shares(100), waiting },
    });
    const held = send({ path: "/hold", method: "POST" }, "x".repeat(80));
    await soon();
    expect((await send({ path: "/api", method: "POST" }, "x".repeat(21))).statusCode).toBe(429);
    expect(
      (await send({ path: "/api", method: "POST", headers: { "transfer-encoding": "chunked" } }, "x")).statusCode,
    ).toBe(429);
    expect((await send({ path: "/api", method: "POST" }, "x".repeat(20))).statusCode).toBe(200);
    release();
    await held;
    await listening.close();
  });
});

describe("a client that", () => {
  const http: HttpBounds = { requestMs: 100, lookMs: 20, connections: 4 };
  /** What the server says to these bytes until it hangs up. */
  const raw = (socketPath: string, text: string) =>
    new Promise<string>((resolve) => {
      let seen = "";
      const socket = connect(socketPath, () => socket.write(text));
      socket.on("data", (data) => {
        seen += data.toString();
      });
      socket.on("error", () => resolve(seen));
      socket.on("close", () => resolve(seen));
    });

  test("never ends its body is cut off", async () => {
    const { socketPath, listening } = await start(USER, { http });
    const answer = await raw(socketPath, "POST /api HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nx");
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    await listening.close();
  });

  test("trickles, a byte at a time, is cut off as well: in its headers and in its body", async () => {
    for (const begin of [
      "GET /api HTTP/1.1\r\nhost: x\r\na: ",
      "POST /api HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n",
    ]) {
      const { socketPath, listening } = await start(USER, { http });
      const started = systemClock.monotonic();
      const socket = connect(socketPath, () => socket.write(begin));
      const ended = once(socket, "close");
      socket.on("error", () => undefined).resume();
      while (!socket.destroyed && systemClock.monotonic() - started < 5_000) {
        if (socket.writable) socket.write("x");
        await systemClock.sleep(10);
      }
      await ended;
      expect(systemClock.monotonic() - started).toBeLessThan(2_000);
      await listening.close();
    }
  });

  test("never says anything is cut off", async () => {
    const { socketPath, listening } = await start(USER, { http });
    expect(await raw(socketPath, "")).toMatch(/^(HTTP\/1.1 408 |$)/);
    await listening.close();
  });

  test.each([
    ["has an endless URL", `GET /${"x".repeat(limits.requestHeaderBytes)} HTTP/1.1\r\nhost: x\r\n\r\n`],
    ["has endless headers", `GET / HTTP/1.1\r\nhost: x\r\na: ${"b".repeat(limits.requestHeaderBytes)}\r\n\r\n`],
    [
      "has very many headers",
      `GET / HTTP/1.1\r\nhost: x\r\n${"a: b\r\n".repeat(limits.requestHeaders)}connection: close\r\n\r\n`,
    ],
    [
      "has more headers than anybody counts",
      `GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${"a: b\r\n".repeat(9_000)}\r\n`,
    ],
  ])("%s is refused", async (_what, text) => {
    const { socketPath, listening } = await start(USER);
    expect(await raw(socketPath, text)).toMatch(/^HTTP\/1.1 431 /);
    await listening.close();
  });

  test("has a method that is none, and much to say, hears so", async () => {
    const { socketPath, listening } = await start(USER);
    const much = `content-length: 5000000\r\n\r\n${"x".repeat(5_000_000)}`;
    expect(await raw(socketPath, `BREW /api HTTP/1.1\r\nhost: x\r\n${much}`)).toMatch(/^HTTP\/1.1 400 /);
    await listening.close();
  });

  test("keeps many connections idle does not keep others out", async () => {
    const { socketPath, listening, send } = await start(USER, { http: { ...http, requestMs: 60_000 } });
    const idle = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const socket = connect(socketPath, () => socket.write("GET /api HTTP/1.1\r\nhost: x\r\n\r\n"));
        socket.on("error", () => {});
        await once(socket, "data");
        return socket;
      }),
    );
    await send({ path: "/api" }).catch(() => undefined); // dropped; the idle ones go
    await systemClock.sleep(20);
    expect((await send({ path: "/api" })).statusCode).toBe(200);
    for (const socket of idle) socket.destroy();
    await listening.close();
  });
});
