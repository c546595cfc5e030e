/**
 * No-op server: the ceiling of every measurement over HTTP: what Node's own server does with the same bytes.
 *
 * A POST is read and answered with its own body, a GET with bytes kept ready, a watch with lines that are
 * pushed to everyone. Nothing is parsed.
 */
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Pki } from "../../machinery/pki/pki.ts";

export interface NoopServer {
  readonly port: number;
  /** From now on a GET of the path is answered with so many bytes. */
  keep(path: string, bytes: number): void;
  /** Writes so many lines of so many bytes to every open watch. */
  push(lines: { readonly events: number; readonly bytes: number }): Promise<void>;
  close(): Promise<void>;
}

export async function startNoop(pki: Pki, socket: string): Promise<NoopServer> {
  const kept = new Map<string, Buffer>();
  const watches = new Set<ServerResponse>();

  const serve: RequestListener = (request, response) => {
    const url = request.url ?? "/";
    if (request.method === "POST") {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () =>
        answer(response, 201, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
      );
    } else if (url.includes("watch=")) {
      watches.add(response);
      response.on("close", () => watches.delete(response));
      response.flushHeaders();
    } else answer(response, 200, kept.get(url) ?? Buffer.alloc(0));
  };
  const { serving, authority } = pki;
  const tls = createTlsServer(
    {
      cert: serving.certificate,
      key: serving.key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    },
    serve,
  );
  const unix = createServer(serve);
  await listening(tls, () => tls.listen(0, "127.0.0.1"));
  await listening(unix, () => unix.listen(socket));
  return {
    port: (tls.address() as AddressInfo).port,
    keep: (path, bytes) => void kept.set(path, Buffer.alloc(bytes, "x")),
    async push({ events, bytes }) {
      const line = Buffer.alloc(bytes, "x");
      line.write("}\n", bytes - 2);
      for (let event = 0; event < events; event++) {
        const full = [...watches].filter((response) => !response.write(line));
        await Promise.all(full.map(drained));
      }
    },
    async close() {
      for (const server of [tls, unix]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function answer(response: ServerResponse, status: number, body: Buffer): void {
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", resolve);
    listen();
  });
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once("drain", resolve));
}
