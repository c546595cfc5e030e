import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { silent } from "../../machinery/process/logging.ts";
import { createSimulatedRuntime } from "../runtime/simulated/runtime.ts";
import { connectRuntime } from "./client.ts";
import type { Runtime } from "./contract.ts";
import { type CriServer, serveRuntime } from "./server.ts";

describe("the runtime server", () => {
  let directory: string;
  let socket: string;
  let behind: Runtime;
  let server: CriServer | undefined;
  const serve = async () => {
    server = await serveRuntime({ runtime: behind, socket, clock: systemClock, log: silent });
  };
  const stop = async () => {
    await server?.close();
    server = undefined;
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "cri-"));
    socket = join(directory, "cri.sock");
    behind = createSimulatedRuntime({ clock: systemClock, podCidr: "10.42.1.0/24" });
    await serve();
  });
  afterEach(async () => {
    await stop();
    await behind.close();
    rmSync(directory, { recursive: true });
  });

  const post = (path: string, body: string, method = "POST") =>
    new Promise<{ status: number | undefined; body: unknown }>((resolve, reject) => {
      const sent = request({ socketPath: socket, path, method }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
      });
      sent.on("error", reject);
      sent.end(body);
    });

  test("opens its socket to its owner only", () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
  });

  test("takes over a socket that was left behind, and refuses one in use", async () => {
    await expect(serveRuntime({ runtime: behind, socket, clock: systemClock, log: silent })).rejects.toMatchObject({
      code: "AlreadyExists",
    });
    await stop();
    writeFileSync(socket, "");
    await serve();
    expect(await connectRuntime({ socket }).version({})).toMatchObject({ runtimeName: "simulated" });
  });

  test.each([
    ["a body that is no JSON", "/v1/Version", "{", 400, "InvalidArgument"],
    ["a body that is no object", "/v1/Version", "[]", 400, "InvalidArgument"],
    ["a call that does not exist", "/v1/Nothing", "{}", 501, "Unimplemented"],
    ["a sandbox that does not exist", "/v1/PodSandboxStatus", '{"podSandboxId":"x"}', 404, "NotFound"],
    ["a body beyond the limit", "/v1/Version", " ".repeat(limits.requestBodyBytes + 1), 429, "ResourceExhausted"],
  ])("answers %s with its code", async (_case, path, body, status, code) => {
    expect(await post(path, body)).toMatchObject({ status, body: { code } });
  });

  test("answers a GET of a call as unknown", async () => {
    expect(await post("/v1/Version", "", "GET")).toMatchObject({ status: 501 });
  });

  describe("its client", () => {
    test("waits for a server that is being restarted", async () => {
      const client = connectRuntime({ socket });
      await stop();
      const asked = client.version({});
      await systemClock.sleep(300);
      await serve();
      expect(await asked).toMatchObject({ runtimeName: "simulated" });
    });

    test("says that nobody answers, once its patience is over", async () => {
      await stop();
      const client = connectRuntime({ socket, patienceMs: 100 });
      await expect(client.version({})).rejects.toMatchObject({
        code: "Unavailable",
        message: expect.stringContaining(socket),
      });
    });

    test("gives up a call after its time, and when it is told to", async () => {
      await stop();
      const mute = createServer();
      await new Promise<void>((resolve) => mute.listen(socket, resolve));
      const client = connectRuntime({ socket });
      await expect(client.version({}, { timeoutMs: 50 })).rejects.toMatchObject({ code: "DeadlineExceeded" });
      const leave = new AbortController();
      const asked = client.version({}, { signal: leave.signal });
      leave.abort();
      await expect(asked).rejects.toMatchObject({ code: "Canceled" });
      mute.close();
    });

    test("does not repeat a call that may have arrived, unless asking twice is safe", async () => {
      await stop();
      let connections = 0;
      const rude = createServer((connection) => {
        connections++;
        connection.once("data", () => connection.destroy());
      });
      await new Promise<void>((resolve) => rude.listen(socket, resolve));
      const client = connectRuntime({ socket, patienceMs: 200 });
      const config = { metadata: { name: "a", uid: "a", namespace: "a", attempt: 0 } };
      await expect(client.runPodSandbox({ config })).rejects.toMatchObject({ code: "Unavailable" });
      expect(connections).toBe(1);
      await expect(client.listPodSandbox({})).rejects.toMatchObject({ code: "Unavailable" });
      expect(connections).toBeGreaterThan(2);
      rude.close();
    });

    test("learns that events were cut, so that it can subscribe again", async () => {
      const client = connectRuntime({ socket });
      const stream = client.getContainerEvents(new AbortController().signal)[Symbol.asyncIterator]();
      expect(await stream.next()).toEqual({ done: false, value: undefined });
      const next = stream.next();
      next.catch(() => undefined);
      await stop();
      await expect(next).rejects.toMatchObject({ code: "Unavailable" });
    });

    test("ends its events quietly when it is told to", async () => {
      const leave = new AbortController();
      const stream = connectRuntime({ socket }).getContainerEvents(leave.signal)[Symbol.asyncIterator]();
      await stream.next();
      const next = stream.next();
      leave.abort();
      expect(await next).toEqual({ done: true, value: undefined });
    });
  });
});
