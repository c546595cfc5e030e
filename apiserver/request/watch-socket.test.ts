/** Watches over WebSockets, and watchers that do not read, on real TLS connections. */
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import { targetFromFile } from "../../machinery/client/kubeconfig.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { homePaths } from "../../machinery/process/home.ts";

let pipeline: Pipeline;
let served: Served;
let tls: { ca?: string | Buffer; cert?: string | Buffer; key?: string | Buffer };

beforeAll(async () => {
  pipeline = await startPipeline();
  served = await serve(pipeline);
  const { access } = await targetFromFile(homePaths(served.directory).adminKubeconfig);
  tls = { ca: access.ca, cert: access.cert, key: access.key } as typeof tls;
});
afterAll(async () => {
  await served.close();
  await pipeline.close();
});

const MAPS = "/api/v1/namespaces/default/configmaps";
const make = (name: string, text = "x") =>
  pipeline.client().create("configmaps", { metadata: { name, namespace: "default" }, data: { text } });

interface Listener {
  readonly ws: WebSocket;
  readonly messages: { readonly text: string; readonly binary: boolean }[];
  next(count: number): Promise<void>;
  readonly closed: Promise<number>;
}

function open(path: string, protocols: string[] = []): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`wss://127.0.0.1:${served.port}${path}`, protocols, tls);
    const messages: Listener["messages"] = [];
    let wake = () => {};
    ws.on("message", (data, binary) => {
      messages.push({ text: String(data), binary });
      wake();
    });
    ws.on("error", reject);
    ws.on("unexpected-response", (_, response) => reject(new Error(String(response.statusCode))));
    const closed = new Promise<number>((end) => ws.on("close", end));
    ws.on("open", () =>
      resolve({
        ws,
        messages,
        closed,
        async next(count) {
          while (messages.length < count) await new Promise<void>((go) => (wake = go));
        },
      }),
    );
  });
}

describe("a watch over a WebSocket", () => {
  test("brings one event a text message, and goes on", async () => {
    await make("ws-a");
    const watch = await open(`${MAPS}?watch=true&fieldSelector=metadata.name%3Dws-a`);
    await watch.next(1);
    await pipeline.client().delete("configmaps", { namespace: "default", name: "ws-a" });
    await watch.next(2);
    expect(watch.messages.every(({ binary }) => !binary)).toBe(true);
    expect(watch.messages.map(({ text }) => JSON.parse(text).type)).toEqual(["ADDED", "DELETED"]);
    watch.ws.close();
    await watch.closed;
  });

  test("takes the old paths too, and agrees on a protocol beside a token", async () => {
    await make("ws-b");
    const watch = await open(`/api/v1/watch/namespaces/default/configmaps/ws-b`, ["base64.binary.k8s.io"]);
    expect(watch.ws.protocol).toBe("base64.binary.k8s.io");
    await watch.next(1);
    expect(JSON.parse(watch.messages[0]?.text ?? "")).toMatchObject({ type: "ADDED", object: { data: { text: "x" } } });
    watch.ws.terminate();
  });

  test("ends with its time, in good order", async () => {
    const watch = await open(`${MAPS}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=1`);
    expect(await watch.closed).toBe(1000);
    expect(JSON.parse(watch.messages.at(-1)?.text ?? "").type).toBe("BOOKMARK");
  });

  test("that is refused is an ordinary answer", async () => {
    await expect(open(`${MAPS}?watch=true&resourceVersionMatch=Exact`)).rejects.toThrow("422");
    await expect(open(`/api/v1/watch/nothing`)).rejects.toThrow("404");
  });

  test("brings Tables", async () => {
    await make("ws-c");
    const socket = new WebSocket(`wss://127.0.0.1:${served.port}${MAPS}?watch=true`, {
      ...tls,
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    const message = await new Promise<string>((resolve) => socket.once("message", (data) => resolve(String(data))));
    expect(JSON.parse(message)).toMatchObject({ type: "ADDED", object: { kind: "Table" } });
    socket.terminate();
  });
});

describe("a watcher that does not read", () => {
  test("takes bounded memory, and does not hold up those who do", async () => {
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect({ host: "127.0.0.1", port: served.port, ...tls });
        await new Promise((resolve) => socket.once("secureConnect", resolve));
        socket.pause();
        socket.write(`GET ${MAPS}?watch=true&resourceVersion=1 HTTP/1.1\r\nhost: x\r\n\r\n`);
        return socket;
      }),
    );
    const reader = await open(`${MAPS}?watch=true&fieldSelector=metadata.name%3Dflood`);
    await systemClock.sleep(200);
    const before = process.memoryUsage().rss;
    const text = "x".repeat(20_000);
    const client = pipeline.client();
    let last = await make("flood", text);
    for (let n = 0; n < 3_000; n++) {
      last = (await client.update("configmaps", { ...last, data: { text: `${n} ${text}` } } as never)) as typeof last;
      if (n % 20 === 0) await systemClock.sleep(1); // everybody shares this thread
    }
    await reader.next(3_001);
    // 60 MB went by for each of 20 watchers; what is kept is the window, a queue's worth of shared events and small pieces
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(400);
    for (const socket of sockets) socket.destroy();
    reader.ws.terminate();
  }, 60_000);
});
