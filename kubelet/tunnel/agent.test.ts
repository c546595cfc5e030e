/** The agent's end of the tunnel against a WebSocket server on loopback. */
import { createServer, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { createMux, MUX_PROTOCOL, type Mux } from "../../machinery/streams/mux.ts";
import { acceptWebSocket } from "../../machinery/streams/upgrade.ts";
import { runTunnelAgent } from "./agent.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A server that hands out each tunnel as it comes. */
async function listen(port = 0): Promise<{ port: number; next(): Promise<Mux>; stop(): void }> {
  const waiting: ((mux: Mux) => void)[] = [];
  const sockets = new Set<Duplex>();
  const server: Server = createServer().on("upgrade", (upgrade, socket, head) => {
    sockets.add(socket);
    acceptWebSocket(upgrade, socket, head, [MUX_PROTOCOL]).then(({ ws }) =>
      waiting.shift()?.(createMux(ws, { clock: systemClock, side: "server", onStream: (stream) => stream.destroy() })),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  stops.push(stop);
  return {
    port: (server.address() as AddressInfo).port,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    stop,
  };
}

function startAgent(port: number) {
  const kubelet = createServer((incoming, response) => response.end(`hello ${incoming.url}`));
  const stopping = new AbortController();
  stops.push(() => stopping.abort());
  const done = runTunnelAgent({
    connect: async () => connect(port, "127.0.0.1"),
    host: "127.0.0.1",
    onConnection: (stream) => kubelet.emit("connection", stream),
    clock: systemClock,
    log: silent,
    signal: stopping.signal,
  });
  return { done, stop: () => stopping.abort() };
}

const ask = (mux: Mux, path: string) =>
  new Promise<string>((resolve, reject) => {
    request({ createConnection: () => mux.open(), path }, (response) => {
      response.toArray().then((chunks) => resolve(Buffer.concat(chunks).toString()), reject);
    })
      .on("error", reject)
      .end();
  });

test("a stream that the server opens is a connection to the kubelet's http server", async () => {
  const server = await listen();
  const tunnel = server.next();
  startAgent(server.port);
  expect(await ask(await tunnel, "/healthz")).toBe("hello /healthz");
});

test("many requests at a time share the tunnel", async () => {
  const server = await listen();
  const tunnel = server.next();
  startAgent(server.port);
  const mux = await tunnel;
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(mux, `/${index}`)));
  expect(answers.at(-1)).toBe("hello /49");
});

test("the tunnel is opened again after the server was away", async () => {
  const first = await listen();
  const tunnel = first.next();
  startAgent(first.port);
  await tunnel;
  first.stop();
  await systemClock.sleep(300);
  const second = await listen(first.port);
  expect(await ask(await second.next(), "/again")).toBe("hello /again");
});

test("an agent that is told to stop closes its tunnel and returns", async () => {
  const server = await listen();
  const tunnel = server.next();
  const agent = startAgent(server.port);
  const mux = await tunnel;
  agent.stop();
  await agent.done;
  if (!mux.signal.aborted) await new Promise((resolve) => mux.signal.addEventListener("abort", resolve));
});
