/** pods/…/proxy and services/…/proxy: a web server of a Pod, reached through the API server and the node's tunnel. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import { joinTunnel } from "../../e2e/harness/tunnel.ts";
import { homePaths } from "../../machinery/process/home.ts";

let pipeline: Pipeline;
let node: TestNode;
let served: Served;
let web: Server;
let port: number;
let leave: () => Promise<void>;

const PAGE = '<html><a href="/docs">docs</a><img src=\'/logo.png\'><a href="https://other.example/x">x</a></html>';

beforeAll(async () => {
  web = createServer((request, response) => {
    if (request.url === "/moved") return void response.writeHead(302, { location: "/docs?a=1" }).end();
    if (request.url === "/page") return void response.setHeader("content-type", "text/html").end(PAGE);
    if (request.url === "/broken") return void response.writeHead(500).end("broken inside");
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      const { method, url, headers } = request;
      response.setHeader("content-type", "application/json").end(JSON.stringify({ method, url, body, headers }));
    });
  });
  new WebSocketServer({ server: web }).on("connection", (socket) => {
    socket.on("message", (text) => socket.send(`heard ${String(text)}`));
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  port = (web.address() as AddressInfo).port;

  pipeline = await startPipeline();
  served = await serve(pipeline);
  node = await startNode(pipeline, { address: "127.0.0.1" });
  leave = await joinTunnel(pipeline, served, node);
  const client = pipeline.client();
  const ports = [{ name: "http", containerPort: port, hostPort: port }];
  await client.create("pods", {
    metadata: { name: "web", namespace: "default" },
    spec: { nodeName: "node-1", hostNetwork: true, containers: [{ name: "main", image: "busybox:1.36", ports }] },
  } as never);
  await podUntil(client, { namespace: "default", name: "web" }, (pod) => pod?.status?.podIP === "127.0.0.1");
  for (const name of ["web", "nobody"])
    await client.create("services", {
      metadata: { name, namespace: "default" },
      spec: { ports: [{ name: "http", port: 80, targetPort: port }] },
    } as never);
  await pipeline.send({
    method: "POST",
    path: "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    body: {
      metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "http", port }],
      endpoints: [{ addresses: ["10.42.0.9"], targetRef: { kind: "Pod", name: "web", namespace: "default" } }],
    },
  });
});
afterAll(async () => {
  await leave?.();
  await node?.close();
  await served?.close();
  await pipeline?.close();
  web.closeAllConnections();
  web.close();
});

const ROOT = "/api/v1/namespaces/default";

async function send(path: string, method = "GET", body?: string, headers: Record<string, string> = {}) {
  const answer = await pipeline.send({ method, path: `${ROOT}/${path}`, headers, ...(body ? { body } : {}) });
  const chunks: Uint8Array[] = [];
  if (answer.body.kind === "stream") for await (const chunk of answer.body.chunks) chunks.push(chunk);
  if (answer.body.kind === "bytes") chunks.push(answer.body.bytes);
  return { ...answer, text: Buffer.concat(chunks).toString() };
}

describe("a request", () => {
  test.each([
    ["pods/web/proxy/a%20b/c/?q=1", "/a%20b/c/?q=1"],
    ["pods/web/proxy/", "/"],
    ["pods/http:web:PORT/proxy/x", "/x"],
    ["services/web/proxy/x", "/x"],
    ["services/web:http/proxy/x", "/x"],
    ["services/web:80/proxy/x", "/x"],
    ["services/http:web:80/proxy/x", "/x"],
  ])("%s arrives as %s", async (path, url) => {
    const { status, text } = await send(path.replace("PORT", String(port)));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ method: "GET", url });
  });

  test("keeps its method and body, and loses the caller's credentials", async () => {
    const { text } = await send("services/web/proxy/x", "POST", "hello", {
      authorization: "Basic c2VjcmV0",
      "k8ts-cause-controller": "me",
      cookie: "own=1",
      "content-type": "text/plain",
    });
    const arrived = JSON.parse(text);
    expect(arrived).toMatchObject({ method: "POST", body: "hello" });
    expect(arrived.headers).toMatchObject({
      cookie: "own=1",
      "content-type": "text/plain",
      "x-forwarded-uri": `${ROOT}/services/web/proxy/x`,
    });
    expect(arrived.headers.authorization).toBeUndefined();
    expect(arrived.headers["k8ts-cause-controller"]).toBeUndefined();
  });
});

describe("an answer", () => {
  test("that is an error of the server stays what it is", async () => {
    expect(await send("pods/web/proxy/broken")).toMatchObject({ status: 500, text: "broken inside" });
  });
  test("that leads elsewhere leads there through the proxy", async () => {
    const { status, headers } = await send("services/web/proxy/moved");
    expect(status).toBe(302);
    expect(headers["location"]).toBe(`${ROOT}/services/web/proxy/docs?a=1`);
  });
  test("that is a page has its links lead through the proxy", async () => {
    const { text } = await send("services/web/proxy/page");
    const to = `${ROOT}/services/web/proxy`;
    expect(text).toBe(PAGE.replace("/docs", `${to}/docs`).replace("/logo.png", `${to}/logo.png`));
  });
  test("at the root without a slash is the place with one", async () => {
    const { status, headers } = await send("services/web/proxy?a=1");
    expect(status).toBe(301);
    expect(headers["location"]).toBe(`${ROOT}/services/web/proxy/?a=1`);
  });
});

test("a WebSocket goes through", async () => {
  const config = readFileSync(homePaths(served.directory).adminKubeconfig, "utf8");
  const data = (name: string) => Buffer.from(new RegExp(`${name}: (\\S+)`).exec(config)?.[1] ?? "", "base64");
  const socket = new WebSocket(`wss://127.0.0.1:${served.port}${ROOT}/services/web/proxy/live`, {
    ca: data("certificate-authority-data"),
    cert: data("client-certificate-data"),
    key: data("client-key-data"),
  });
  const heard = await new Promise<string>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () => socket.send("you"));
    socket.on("message", (text) => resolve(String(text)));
  });
  socket.close();
  expect(heard).toBe("heard you");
});

describe("what cannot be reached", () => {
  test.each([
    ["pods/none/proxy/", 404, 'pods "none" not found'],
    ["pods/web:1/proxy/", 503, "error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused"],
    ["services/web:81/proxy/", 503, 'no service port 81 found for service "web"'],
    ["services/nobody/proxy/", 503, 'no endpoints available for service "nobody"'],
    ["services/ftp:web:80/proxy/", 400, 'invalid service request "ftp:web:80"'],
  ])("%s says so", async (path, status, message) => {
    const answer = await send(path);
    expect(answer.status).toBe(status);
    expect(answer.value.message).toBe(message);
  });
});
