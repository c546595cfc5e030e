/**
 * Node client: requests by Node's own https client, as most programs in Node would send them.
 *
 * It costs more than many a server, so what it measures is client and server together: see http-connection.ts
 * for the one that shows what a server can do.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { Answer, Target } from "./http-connection.ts";

export interface NodeRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: string | undefined;
}

export interface NodeClient {
  send(request: NodeRequest): Promise<Answer>;
  close(): void;
}

export function nodeClient(target: Target, connections: number): NodeClient {
  const { transport, port, socket, authority, certificate, key } = target;
  const unix = transport === "unix";
  const pool = { keepAlive: true, maxSockets: connections };
  const agent = unix ? new HttpAgent(pool) : new Agent({ ...pool, ca: authority, cert: certificate, key });
  const where = unix ? { socketPath: socket } : { host: "127.0.0.1", port };
  const open = unix ? httpRequest : request;
  return {
    send: ({ method, path, body }) =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": body.length };
        const outgoing = open({ ...where, agent, method, path, headers }, (response) =>
          answerOf(response).then(resolve, reject),
        );
        outgoing.on("error", reject);
        outgoing.end(body);
      }),
    close: () => agent.destroy(),
  };
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return { status: response.statusCode ?? 0, bytes: body.length, start: body.toString("latin1", 0, 300) };
}
