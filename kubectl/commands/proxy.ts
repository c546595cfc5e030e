/**
 * kubectl proxy: the API on a port of this machine, with the user's identity added.
 *
 * Whoever reaches the port acts as the user: other hosts, other paths than accepted and sessions in Pods are refused
 * unless the line says otherwise. Bytes pass through as they are, upgrades too.
 */
import { createReadStream } from "node:fs";
import { stat, unlink } from "node:fs/promises";
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, posix, resolve, sep } from "node:path";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";

const flags = {
  "accept-hosts": {
    type: "string",
    default: "^localhost$,^127\\.0\\.0\\.1$,^\\[::1\\]$",
    help: "Regular expression for hosts that the proxy should accept.",
  },
  "accept-paths": {
    type: "string",
    default: "^.*",
    help: "Regular expression for paths that the proxy should accept.",
  },
  address: { type: "string", default: "127.0.0.1", help: "The IP address on which to serve on." },
  "api-prefix": { type: "string", default: "/", help: "Prefix to serve the proxied API under." },
  "append-server-path": { type: "boolean", help: "Append the path of the server's address to each request." },
  "disable-filter": { type: "boolean", help: "If true, disable request filtering in the proxy. This is dangerous." },
  keepalive: { type: "string", default: "0s", help: "The keep-alive period for an active network connection." },
  port: { type: "number", short: "p", default: 8001, help: "The port on which to run the proxy; 0 for a random one." },
  "reject-methods": { type: "string", default: "^$", help: "Regular expression for HTTP methods to reject." },
  "reject-paths": {
    type: "string",
    default: "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach",
    help: "Regular expression for paths that the proxy should reject.",
  },
  "unix-socket": { type: "string", short: "u", default: "", help: "Unix socket on which to run the proxy." },
  www: { type: "string", short: "w", default: "", help: "Also serve static files from the given directory." },
  "www-prefix": { type: "string", short: "P", default: "/static/", help: "Prefix to serve static files under." },
} as const satisfies FlagTable;

type ProxyRun = Run<typeof flags>;

export const proxy = defineCommand({
  usage: "proxy [--port=PORT] [--www=static-dir] [--www-prefix=prefix] [--api-prefix=prefix] [options]",
  summary: "Creates a proxy server between localhost and the Kubernetes API server.",
  examples: ["kubectl proxy --port=8011 --www=./local/www/", "kubectl proxy --api-prefix=/k8s-api"],
  flags,
  async run(run) {
    const { flags: given, io } = run;
    if (run.given.has("port") && given["unix-socket"] !== "")
      throw new CommandError("cannot set --unix-socket and --port at the same time");
    if (given["disable-filter"] && given["unix-socket"] === "")
      run.err("Request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious\n");
    const cluster = await run.cluster();
    const forward = await forwarder(run, cluster);
    const allowed = filter(run);
    const server = createServer((asked, answer) => {
      if (!allowed(asked)) return refuse(answer, 403, "Forbidden");
      const { pathname } = new URL(asked.url ?? "/", "http://proxy");
      if (given.www !== "" && pathname.startsWith(given["www-prefix"]))
        return void file(given, io.cwd, pathname, answer);
      const path = pathIn(given, asked);
      if (path === undefined) return refuse(answer, 404, "404 page not found");
      forward.request(asked, path, answer);
    });
    server.on("upgrade", (asked: IncomingMessage, socket: Duplex, head: Buffer) => {
      const path = allowed(asked) ? pathIn(given, asked) : undefined;
      if (path === undefined) return void socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
      forward.upgrade(asked, path, socket, head);
    });
    try {
      run.out(`Starting to serve on ${await listen(run, server)}\n`);
      await new Promise<void>((done) => io.signal.addEventListener("abort", () => done(), { once: true }));
    } finally {
      server.closeAllConnections();
      server.close();
      forward.close();
    }
  },
});

function listen({ flags: given }: ProxyRun, server: Server): Promise<string> {
  const socket = given["unix-socket"];
  return new Promise((done, reject) => {
    server.once("error", (error) => reject(new CommandError(error.message)));
    const started = () => {
      if (socket !== "") return done(socket);
      const { address, port } = server.address() as AddressInfo;
      done(address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);
    };
    if (socket === "") server.listen(given.port, given.address, started);
    else
      void unlink(socket)
        .catch(() => undefined)
        .finally(() => server.listen(socket, started)); // one that was left behind
  });
}

/** The path at the server; undefined for what is not under the prefix. */
function pathIn({ "api-prefix": prefix }: ProxyRun["flags"], { url = "/" }: IncomingMessage): string | undefined {
  const under = `/${prefix.replace(/^\/+|\/+$/g, "")}`.replace(/\/$/, "");
  if (under === "") return url;
  if (url !== under && !url.startsWith(`${under}/`)) return undefined;
  return url.slice(under.length) || "/";
}

function filter({ flags: given }: ProxyRun): (asked: IncomingMessage) => boolean {
  if (given["disable-filter"]) return () => true;
  const lists = (["accept-hosts", "accept-paths", "reject-paths", "reject-methods"] as const).map((name) =>
    given[name].split(",").map((text) => expression(text)),
  );
  const [hosts = [], paths = [], badPaths = [], badMethods = []] = lists;
  const any = (list: readonly RegExp[], text: string) => list.some((one) => one.test(text));
  return ({ headers, url = "/", method = "" }) => {
    const host = (headers.host ?? "").replace(/:\d+$/, "");
    const path = plainPath(url);
    if (path === undefined) return false;
    if (any(badPaths, path) || any(badMethods, method)) return false;
    return any(hosts, host) && any(paths, path);
  };
}

/** As the server will understand it: no escape and no detour may hide what is asked for. */
function plainPath(url: string): string | undefined {
  try {
    const decoded = decodeURIComponent(url.replace(/\?.*$/, ""));
    return decoded === posix.normalize(decoded) ? decoded : undefined;
  } catch {
    return undefined; // no path at all
  }
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new CommandError(`error parsing regexp: ${(error as Error).message}`);
  }
}

function refuse(answer: ServerResponse, status: number, text: string): void {
  answer.writeHead(status, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" });
  answer.end(`${text}\n`);
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

async function file(given: ProxyRun["flags"], cwd: string, pathname: string, answer: ServerResponse): Promise<void> {
  const root = resolve(cwd, given.www);
  try {
    const wanted = resolve(root, `./${decodeURIComponent(pathname.slice(given["www-prefix"].length))}`);
    if (wanted !== root && !wanted.startsWith(root + sep)) return refuse(answer, 404, "404 page not found");
    const path = (await stat(wanted)).isDirectory() ? join(wanted, "index.html") : wanted;
    const { size } = await stat(path);
    answer.writeHead(200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "content-length": size,
    });
    await pipeline(createReadStream(path), answer);
  } catch {
    if (answer.headersSent) answer.destroy();
    else refuse(answer, 404, "404 page not found");
  }
}

interface Forwarder {
  request(asked: IncomingMessage, path: string, answer: ServerResponse): void;
  upgrade(asked: IncomingMessage, path: string, socket: Duplex, head: Buffer): void;
  close(): void;
}

async function forwarder(run: ProxyRun, cluster: Cluster): Promise<Forwarder> {
  const target = await cluster.dialTarget("");
  const base = run.flags["append-server-path"] ? target.path : "";
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const connect = (_options: unknown, created: (error: Error | null, socket: Duplex) => void) => {
    Promise.resolve(target.connect()).then(
      (socket) => created(null, socket),
      (error: Error) => created(error, undefined as never),
    );
    return undefined;
  };
  agent.createConnection = connect;
  const options = ({ method, headers }: IncomingMessage, path: string) => ({
    agent,
    method,
    path: base + path,
    headers: { ...headers, ...target.headers, host: target.host },
  });
  return {
    request(asked, path, answer) {
      const out = request(options(asked, path), (response) => {
        answer.writeHead(response.statusCode ?? 502, response.statusMessage, response.headers);
        response.on("error", () => answer.destroy());
        response.pipe(answer);
      });
      out.on("error", (error) => {
        if (answer.headersSent) answer.destroy();
        else refuse(answer, 502, error.message);
      });
      answer.on("close", () => out.destroy());
      asked.pipe(out);
    },
    upgrade(asked, path, socket, head) {
      const out = request({ ...options(asked, path), agent: false, createConnection: connect });
      const fail = () => socket.destroy();
      out.on("error", fail);
      socket.on("error", () => out.destroy());
      out.on("response", (response) => {
        socket.write(headOf(response));
        response.pipe(socket);
      });
      out.on("upgrade", (response, upstream, first) => {
        socket.write(headOf(response));
        if (first.length > 0) socket.write(first);
        if (head.length > 0) upstream.write(head);
        upstream.on("error", fail);
        socket.on("close", () => upstream.destroy());
        upstream.on("close", fail);
        upstream.pipe(socket).pipe(upstream);
      });
      out.end();
    },
    close: () => agent.destroy(),
  };
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
