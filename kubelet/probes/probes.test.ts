import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";
import type { ProbeVerdict } from "../pods/probe-results.ts";
import type { Verdict } from "./attempt.ts";
import { probeGrpc } from "./grpc.ts";
import { probeHttp } from "./http.ts";
import { INITIAL, type ProbeKind, runProbe } from "./probe-loop.ts";
import { probeTcp } from "./tcp.ts";

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
const listen = async (server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
  close(): void;
}) => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
};
const unused = async () => {
  const server = createTcp();
  const port = await listen(server);
  await new Promise((resolve) => (servers.pop() as Server).close(resolve));
  return port;
};

describe("HTTP probes", () => {
  const probe = (port: number, path = "/", timeoutMs = 500) =>
    probeHttp({ scheme: "HTTP", host: "127.0.0.1", port, path, headers: [["X-Probe", "yes"]], timeoutMs });
  const server = createHttp((request, response) => {
    const status = Number(request.url?.slice(1)) || 200;
    if (request.url === "/slow") return;
    if (request.url === "/here") response.setHeader("location", "/500");
    if (request.url === "/away") response.setHeader("location", "http://example.invalid/");
    response.statusCode =
      request.url === "/here" || request.url === "/away" ? 302 : request.headers["x-probe"] === "yes" ? status : 400;
    response.end("x".repeat(20_000));
  });

  it("succeed from 200 to 399, follow the same host, and say what they got", async () => {
    const port = await listen(server);
    expect(await probe(port)).toEqual({ ok: true, output: "" });
    expect(await probe(port, "/399")).toMatchObject({ ok: true });
    expect(await probe(port, "/503")).toEqual({ ok: false, output: "HTTP probe failed with statuscode: 503" });
    expect(await probe(port, "/here")).toEqual({ ok: false, output: "HTTP probe failed with statuscode: 500" });
    expect(await probe(port, "/away")).toMatchObject({ ok: true });
    expect(await probe(port, "/slow", 100)).toEqual({
      ok: false,
      output: `Get "http://127.0.0.1:${port}/slow": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    });
    server.closeAllConnections();
  });

  it("say who refused them", async () => {
    const port = await unused();
    expect(await probe(port)).toEqual({
      ok: false,
      output: `Get "http://127.0.0.1:${port}/": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    });
  });

  it("send each header as often as it is given, and take their own away", async () => {
    const seen: string[][] = [];
    const echo = createHttp((request, response) => {
      seen.push(request.rawHeaders);
      response.end();
    }).listen(0, "127.0.0.1");
    await once(echo, "listening");
    const { port } = echo.address() as AddressInfo;
    const headers = [
      ["X-Two", "a"],
      ["x-two", "b"],
      ["Accept", ""],
      ["Host", "web.example"],
    ] as const;
    const verdict = await probeHttp({ scheme: "HTTP", host: "127.0.0.1", port, path: "/", headers, timeoutMs: 5_000 });
    echo.close();
    expect(verdict.ok).toBe(true);
    const sent = (name: string) => seen[0]?.filter((_one, at) => seen[0]?.[at - 1]?.toLowerCase() === name);
    expect(sent("x-two")).toEqual(["a", "b"]);
    expect(sent("accept")).toEqual([]);
    expect(sent("host")).toEqual(["web.example"]);
    expect(sent("user-agent")).toEqual(["kube-probe/1.36"]);
  });
});

describe("TCP probes", () => {
  it("succeed when something listens", async () => {
    expect(
      await probeTcp("127.0.0.1", await listen(createTcp((socket) => socket.on("error", () => undefined))), 500),
    ).toEqual({ ok: true, output: "" });
    const port = await unused();
    expect(await probeTcp("127.0.0.1", port, 500)).toEqual({
      ok: false,
      output: `dial tcp 127.0.0.1:${port}: connect: connection refused`,
    });
  });
});

describe("gRPC probes", () => {
  const health = async (status: number, grpcStatus = "0") => {
    const server = createHttp2();
    server.on("stream", (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": grpcStatus, "grpc-message": "no" }));
      stream.end(grpcStatus === "0" ? Buffer.from([0, 0, 0, 0, 2, 8, status]) : undefined);
    });
    return listen(server);
  };
  it("succeed when the service serves", async () => {
    expect(await probeGrpc("127.0.0.1", await health(1), "web", 1000)).toMatchObject({ ok: true });
    expect(await probeGrpc("127.0.0.1", await health(2), "", 1000)).toEqual({
      ok: false,
      output: 'service unhealthy (responded with "NOT_SERVING")',
    });
    expect(await probeGrpc("127.0.0.1", await health(0, "12"), "", 1000)).toEqual({
      ok: false,
      output: "error: health rpc probe failed: no",
    });
    expect((await probeGrpc("127.0.0.1", await unused(), "", 1000)).output).toMatch(
      /^error: failed to connect service/,
    );
  });
});

describe("the loop", () => {
  const run = (
    kind: ProbeKind,
    verdicts: readonly (boolean | undefined)[],
    probe = {},
    initial: ProbeVerdict = INITIAL[kind],
  ) => {
    const clock: FakeClock = fakeClock();
    const stop = new AbortController();
    const results: string[] = [];
    let tries = 0;
    let failures = 0;
    const started = { value: true };
    const done = runProbe({
      kind,
      probe: { periodSeconds: 10, ...probe },
      startedAt: clock.now(),
      initial,
      clock,
      signal: stop.signal,
      attempt: async (): Promise<Verdict> => {
        const ok = verdicts[Math.min(tries++, verdicts.length - 1)];
        return ok === undefined ? { ok: false, unknown: true, output: "" } : { ok, output: "" };
      },
      isStarted: () => started.value,
      onResult: (result) => results.push(`${result} at ${(clock.now() - Date.UTC(2026, 0, 1)) / 1000}`),
      onFailure: () => {
        failures++;
      },
    });
    return { clock, results, stop, done, started, tries: () => tries, failures: () => failures };
  };

  it("waits for the initial delay and counts to the threshold", async () => {
    const loop = run("readiness", [false, false, true, true, false], {
      initialDelaySeconds: 5,
      successThreshold: 2,
      failureThreshold: 1,
    });
    await loop.clock.advance(60_000);
    expect(loop.results).toEqual(["success at 35", "failure at 45"]);
    loop.stop.abort();
    await loop.done;
  });

  it("ends a startup probe with its first success", async () => {
    const loop = run("startup", [false, true]);
    await loop.clock.advance(60_000);
    await loop.done;
    expect(loop.results).toEqual(["success at 10"]);
    expect(loop.tries()).toBe(2);
  });

  it("fails liveness after the threshold, once", async () => {
    const loop = run("liveness", [true, false], { failureThreshold: 3 });
    await loop.clock.advance(100_000);
    await loop.done;
    expect(loop.results).toEqual(["failure at 30"]);
    expect(loop.failures()).toBe(3);
  });

  it("does not count what it could not find out", async () => {
    const loop = run("liveness", [undefined], { failureThreshold: 1 });
    await loop.clock.advance(60_000);
    expect(loop.results).toEqual([]);
    loop.stop.abort();
    await loop.done;
  });

  it("waits for the container to have started", async () => {
    const loop = run("liveness", [false], { failureThreshold: 1 });
    loop.started.value = false;
    // the first try is immediate, so it is held back only from here on
    await loop.clock.advance(30_000);
    const before = loop.tries();
    expect(before).toBeLessThanOrEqual(1);
    loop.stop.abort();
    await loop.done;
  });
});
