/** Tunnels and proxy together: an agent over loopback with a kubelet-like http server behind it. */
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, expect, test } from "vitest";
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { silent } from "../../machinery/process/logging.ts";
import { acceptExec, execOptionsOf } from "../../machinery/streams/accept.ts";
import { dialExec } from "../../machinery/streams/dial.ts";
import { createMux, MUX_PROTOCOL } from "../../machinery/streams/mux.ts";
import { dialWebSocket, refuse } from "../../machinery/streams/upgrade.ts";
import { kubeletPath } from "./kubelet-paths.ts";
import { proxyToNode } from "./proxy.ts";
import { createTunnels } from "./tunnels.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

function record(path: string, headers: Record<string, string | undefined> = {}, signal = new AbortController().signal) {
  const url = new URL(path, "http://x");
  const request: RequestRecord = {
    method: "GET",
    path: url.pathname,
    query: url.searchParams,
    headers,
    body: { kind: "none" },
    peer: { kind: "anonymous" },
    upgrade: headers["upgrade"] !== undefined,
    signal,
  };
  return request;
}

/** An API server that knows two things: tunnels of node "n1", and everything else for that node's kubelet. */
async function cluster(kubelet: RequestListener) {
  const tunnels = createTunnels({ clock: systemClock, log: silent });
  const api = createServer().on("upgrade", async (incoming, socket, head) => {
    incoming.resume();
    const request = record(incoming.url!, incoming.headers as Record<string, string>);
    const answer: Promise<ResponseRecord> =
      request.path === "/tunnel"
        ? Promise.resolve(tunnels.accept("n1", request))
        : proxyToNode(tunnels, { node: "n1", path: incoming.url! }, request);
    const { status, body } = await answer.catch((error: ApiError): ResponseRecord => {
      refuse(socket, error);
      return { status: error.code, headers: {}, body: { kind: "none" } };
    });
    if (body.kind === "upgrade") body.accept(socket, head);
    if (body.kind === "bytes") {
      socket.end(`HTTP/1.1 ${status} X\r\ncontent-length: ${body.bytes.length}\r\n\r\n${Buffer.from(body.bytes)}`);
    }
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  servers.push(api);
  const { port } = api.address() as AddressInfo;
  const dialTarget = (path: string) => ({ connect: () => connect(port, "127.0.0.1"), host: "x", path });
  const http = createServer(kubelet).on("upgrade", (incoming, socket, head) => {
    if (!incoming.url?.startsWith("/exec/")) {
      return void refuse(socket, new ApiError("NotFound", "container not found"));
    }
    const options = execOptionsOf(new URL(incoming.url, "http://x").searchParams);
    acceptExec(incoming, socket, head, options, { clock: systemClock }).then(async (session) => {
      session.stdin?.pipe(session.stdout!, { end: false });
      session.stdin?.once("end", () => void session.finish({ kind: "exited", code: 7 }));
    });
  });
  const attach = async () => {
    const ws = await dialWebSocket(dialTarget("/tunnel"), [MUX_PROTOCOL]);
    return createMux(ws, {
      clock: systemClock,
      side: "client",
      onStream: (stream: Duplex) => http.emit("connection", stream),
    });
  };
  return { tunnels, attach, dialTarget };
}

const logs = kubeletPath("log", { namespace: "default", pod: "web", container: "c" }, new URLSearchParams("follow=1"));

async function read(response: ResponseRecord): Promise<string> {
  if (response.body.kind !== "stream") throw new Error(response.body.kind);
  let text = "";
  for await (const chunk of response.body.chunks) text += Buffer.from(chunk).toString();
  return text;
}

test("logs are streamed from the kubelet, without the caller's credentials", async () => {
  const { tunnels, attach } = await cluster((request, response) => {
    response.end(`${request.url} ${request.headers.authorization ?? "nobody"}`);
  });
  await attach();
  const response = await proxyToNode(
    tunnels,
    { node: "n1", path: logs },
    record("/log", { authorization: "Bearer secret" }),
  );
  expect(response.status).toBe(200);
  expect(await read(response)).toBe("/containerLogs/default/web/c?follow=1 nobody");
});

test("a reader of logs that leaves early ends the kubelet's request", async () => {
  const left = Promise.withResolvers<void>();
  const { tunnels, attach } = await cluster((_request, response) => {
    response.write("line\n");
    response.once("close", () => left.resolve());
  });
  await attach();
  const response = await proxyToNode(tunnels, { node: "n1", path: logs }, record("/log"));
  if (response.body.kind !== "stream") throw new Error();
  for await (const _chunk of response.body.chunks) break;
  await left.promise;
});

test("the kubelet's errors become Kubernetes' errors", async () => {
  const { tunnels, attach } = await cluster((request, response) => {
    response.writeHead(request.url === "/bad" ? 400 : 500).end("no such container");
  });
  await attach();
  const ask = (path: string) => proxyToNode(tunnels, { node: "n1", path }, record("/log"));
  await expect(ask("/bad")).rejects.toMatchObject({ code: 400, reason: "BadRequest", message: "no such container" });
  await expect(ask("/x")).rejects.toMatchObject({
    code: 500,
    message: "Internal error occurred: no such container",
  });
});

test("exec is spliced through to the kubelet, in both framings", async () => {
  const { attach, dialTarget } = await cluster((_request, response) => void response.end());
  await attach();
  for (const framing of ["websocket", "spdy"] as const) {
    const path = kubeletPath(
      "exec",
      { namespace: "default", pod: "web", container: "c" },
      new URLSearchParams("stdin=true&stdout=true&command=cat"),
    );
    const options = { stdin: true, stdout: true, stderr: false, tty: false };
    const session = await dialExec({ ...dialTarget(path), framing }, options, { clock: systemClock });
    session.stdin!.end("through the tunnel");
    expect(Buffer.concat(await session.stdout!.toArray()).toString()).toBe("through the tunnel");
    expect(await session.outcome).toEqual({ kind: "exited", code: 7 });
  }
});

test("an exec that the kubelet refuses shows its words", async () => {
  const { attach, dialTarget } = await cluster((_request, response) => void response.end());
  await attach();
  const options = { stdin: true, stdout: true, stderr: false, tty: false };
  const services = { clock: systemClock };
  await expect(dialExec({ ...dialTarget("/attach/x") }, options, services)).rejects.toThrow("container not found");
});

test("a node without a tunnel is unreachable, after a short wait", async () => {
  const clock = fakeClock();
  const tunnels = createTunnels({ clock, log: silent });
  const dialed = tunnels.dial("n1").catch((error: unknown) => error);
  await clock.advance(limits.tunnelDialMs);
  expect(await dialed).toMatchObject({ code: 503, message: 'error dialing backend: no tunnel to node "n1"' });
});

test("a dial waits for an agent that is just coming back", async () => {
  const { tunnels, attach } = await cluster((_request, response) => void response.end("here"));
  const answer = proxyToNode(tunnels, { node: "n1", path: "/x" }, record("/log"));
  await attach();
  expect(await read(await answer)).toBe("here");
  expect(tunnels.nodes()).toEqual(["n1"]);
});

test("a later tunnel takes over, and streams of the earlier one live on", async () => {
  const going = Promise.withResolvers<() => void>();
  const { tunnels, attach } = await cluster((request, response) => {
    if (request.url !== "/slow") return void response.end("quick");
    response.write("begun ");
    going.resolve(() => response.end("done"));
  });
  await attach();
  const slow = await proxyToNode(tunnels, { node: "n1", path: "/slow" }, record("/log"));
  const second = await attach();
  expect(await read(await proxyToNode(tunnels, { node: "n1", path: "/x" }, record("/log")))).toBe("quick");
  (await going.promise)();
  expect(await read(slow)).toBe("begun done");
  second.close();
});

test("a later tunnel ends the earlier ones that carry nothing, and all but the last that do", async () => {
  const { tunnels, attach } = await cluster((_request, response) => void response.write("begun"));
  const closed = (agent: { signal: AbortSignal }) =>
    new Promise<void>((resolve) => agent.signal.addEventListener("abort", () => resolve(), { once: true }));
  const idle = await attach();
  const ended = closed(idle);
  const first = await attach();
  await ended;
  const ask = () => proxyToNode(tunnels, { node: "n1", path: "/x" }, record("/log"));
  const slow = await ask();
  const agents = [await attach()];
  expect(first.signal.aborted).toBe(false);
  const other = await ask();
  agents.push(await attach());
  await closed(first);
  expect(agents.map(({ signal }) => signal.aborted)).toEqual([false, false]);
  await expect(read(slow)).rejects.toThrow();
  for (const agent of agents) agent.close();
  await expect(read(other)).rejects.toThrow();
});

test("a token among a WebSocket's protocols does not travel on", async () => {
  const { attach, dialTarget } = await cluster((_request, response) => void response.end());
  await attach();
  const ws = await dialWebSocket(dialTarget("/exec/default/web/c?output=1&command=x"), [
    `base64url.bearer.authorization.k8s.io.${Buffer.from("secret").toString("base64url")}`,
    "v5.channel.k8s.io",
  ]);
  expect(ws.protocol).toBe("v5.channel.k8s.io");
  ws.terminate();
});

test("a tunnel cut in the middle of an answer fails the reader", async () => {
  const { tunnels, attach } = await cluster((_request, response) => void response.write("half"));
  const agent = await attach();
  const response = await proxyToNode(tunnels, { node: "n1", path: "/x" }, record("/log"));
  const reading = read(response).catch((error: unknown) => error);
  await systemClock.sleep(20);
  agent.close();
  expect(await reading).toBeInstanceOf(Error);
});
