/** All transports against the same cases, and what is particular to each. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeClock } from "../../process/fake-clock.ts";
import { limits } from "../../process/limits.ts";
import type { Handler, RequestRecord, ResponseRecord } from "./contract.ts";
import { directTransport } from "./direct.ts";
import { httpsTransport } from "./https.ts";
import { caseHandler, describeTransport, thing } from "./transport.cases.ts";
import { unixTransport } from "./unix.ts";
import { decodeWatch } from "./watch-lines.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "transport-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describeTransport("direct", async () => {
  const seen: RequestRecord[] = [];
  return {
    transport: directTransport({ handler: caseHandler(seen), user: "me", groups: ["g"] }),
    seen,
    close: async () => {},
  };
});

describeTransport("https", async () => {
  const seen: RequestRecord[] = [];
  const server = await listening(createServer(adapter(caseHandler(seen))));
  const transport = httpsTransport({ access: { server: addressOf(server) }, clock: fakeClock() });
  return { transport, seen, close: () => closed(server) };
});

describeTransport("unix", async () => {
  const seen: RequestRecord[] = [];
  const socketPath = join(directory, "s");
  const server = createServer(adapter(caseHandler(seen)));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return { transport: unixTransport({ socketPath }), seen, close: () => closed(server) };
});

describe("direct transport", () => {
  it("hands out the server's own frozen objects", async () => {
    const transport = directTransport({ handler: caseHandler([]), user: "me", groups: [] });
    expect(Object.isFrozen(await transport.request({ method: "GET", path: "/thing" }))).toBe(true);
  });

  it("says who the component is", async () => {
    const seen: RequestRecord[] = [];
    const transport = directTransport({ handler: caseHandler(seen), user: "system:kube-scheduler", groups: ["g"] });
    await transport.request({ method: "GET", path: "/thing" });
    expect(seen[0]?.peer).toEqual({ kind: "direct", user: "system:kube-scheduler", groups: ["g"] });
  });
});

describe("https transport", () => {
  it("reads a token file again after a while", async () => {
    const tokens: (string | undefined)[] = [];
    const server = await listening(
      createServer((request, response) => {
        tokens.push(request.headers.authorization);
        response.end();
      }),
    );
    const tokenFile = join(directory, "token");
    const clock = fakeClock();
    const transport = httpsTransport({ access: { server: addressOf(server), tokenFile }, clock });
    await writeFile(tokenFile, "one\n");
    await transport.request({ method: "GET", path: "/" });
    await writeFile(tokenFile, "two\n");
    await transport.request({ method: "GET", path: "/" });
    await clock.advance(10_000);
    await transport.request({ method: "GET", path: "/" });
    expect(tokens).toEqual(["Bearer one", "Bearer one", "Bearer two"]);
    await transport.close();
    await closed(server);
  });

  it("decodes gzip and reports warnings", async () => {
    const warnings: string[] = [];
    const server = await listening(
      createServer((_request, response) => {
        const warning = '299 - "a \\"quoted\\" word"';
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip", warning });
        response.end(gzipSync('{"a":1}'));
      }),
    );
    const access = { server: addressOf(server) };
    const transport = httpsTransport({ access, clock: fakeClock(), onWarning: (text) => warnings.push(text) });
    expect(await transport.request({ method: "GET", path: "/" })).toEqual({ a: 1 });
    expect(warnings).toEqual(['a "quoted" word']);
    await transport.close();
    await closed(server);
  });

  it("says that nobody answers where nobody listens", async () => {
    const server = await listening(createServer());
    const address = addressOf(server);
    await closed(server);
    const transport = httpsTransport({ access: { server: address }, clock: fakeClock() });
    const failure = transport.request({ method: "GET", path: "/" });
    await expect(failure).rejects.toMatchObject({ reason: "ServiceUnavailable", retryable: true });
    await expect(failure).rejects.toThrow(`cannot reach ${address}`);
  });

  it("ends what waits for an answer when it is closed, and asks nobody again", async () => {
    const seen: RequestRecord[] = [];
    const server = await listening(createServer(adapter(caseHandler(seen))));
    const transport = httpsTransport({ access: { server: addressOf(server) }, clock: fakeClock() });
    await transport.request({ method: "GET", path: "/thing" });
    const waiting = [
      transport.request({ method: "GET", path: "/never" }),
      transport.request({ method: "POST", path: "/never", body: {} }),
    ].map((request) => expect(request).rejects.toThrow("the transport is closed"));
    await expect.poll(() => seen.length).toBe(3);
    await transport.close();
    await Promise.all(waiting);
    await closed(server);
    expect(seen.length).toBe(3);
  });

  it("asks again when a kept connection turns out to be closed, but never repeats a write", async () => {
    const sockets: Socket[] = [];
    let requests = 0;
    const server = createServer((request, response) => {
      requests++;
      if (requests % 2 === 0) request.socket.resetAndDestroy();
      else response.end();
    });
    server.on("connection", (socket) => sockets.push(socket));
    await listening(server);
    const transport = httpsTransport({ access: { server: addressOf(server) }, clock: fakeClock() });
    await transport.request({ method: "GET", path: "/" });
    await new Promise((resolve) => setImmediate(resolve));
    await transport.request({ method: "GET", path: "/" });
    expect(requests).toBe(3);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(transport.request({ method: "POST", path: "/", body: {} })).rejects.toMatchObject({
      reason: "ServiceUnavailable",
    });
    expect(requests).toBe(4);
    await transport.close();
    await closed(server);
  });

  it("reports a watch that was cut as unavailable, not as ended", async () => {
    const server = await listening(
      createServer((_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write(`${JSON.stringify({ type: "ADDED", object: thing("a", 1) })}\n{"type":"AD`);
        setImmediate(() => setTimeout(() => response.destroy(), 20));
      }),
    );
    const transport = httpsTransport({ access: { server: addressOf(server) }, clock: fakeClock() });
    const watch = transport.watch({ method: "GET", path: "/" })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toHaveLength(1);
    await expect(watch.next()).rejects.toMatchObject({ reason: "ServiceUnavailable" });
    await transport.close();
    await closed(server);
  });
});

describe("watch lines", () => {
  it("are put together however the bytes are cut", async () => {
    const text = [1, 2, 3].map((n) => `${JSON.stringify({ type: "ADDED", object: thing(`ü${n}`, n) })}\n`).join("");
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, 50, 1000]) {
      const found: string[] = [];
      for await (const batch of decodeWatch(cut(bytes, size)))
        found.push(...batch.map(({ object }) => object.metadata.name));
      expect(found).toEqual(["ü1", "ü2", "ü3"]);
    }
  });

  it("are refused beyond the limit", async () => {
    const endless = (async function* () {
      for (;;) yield new Uint8Array(1024 * 1024).fill(32);
    })();
    const read = async () => {
      for await (const _batch of decodeWatch(endless)) expect.fail("there is no line");
    };
    await expect(read()).rejects.toThrow(`exceeds ${limits.watchLineBytes} bytes`);
  });
});

async function* cut(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Just enough HTTP in front of a handler. */
function adapter(handler: Handler): RequestListener {
  return async (request, response) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const url = new URL(request.url ?? "/", "http://x");
    const answer = await handler({
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers as Record<string, string>,
      body: { kind: "bytes", bytes: await bodyOf(request) },
      peer: { kind: "anonymous" },
      upgrade: false,
      signal: gone.signal,
    });
    await write(answer, response);
  };
}

async function write({ status, headers, body }: ResponseRecord, response: ServerResponse): Promise<void> {
  response.writeHead(status, headers as Record<string, string>);
  if (body.kind === "object") response.write(JSON.stringify(body.value()));
  if (body.kind === "bytes") response.write(body.bytes);
  if (body.kind === "stream") for await (const chunk of body.chunks) response.write(chunk);
  if (body.kind === "watch")
    for await (const batch of body.batches) for (const item of batch) response.write(item.encoded());
  response.end();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

async function listening(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
