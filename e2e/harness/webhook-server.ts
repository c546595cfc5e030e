/**
 * Webhook server: somebody's https server with a certificate of an authority of its own, which answers as a test says.
 */
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createAuthority, issue } from "../../machinery/pki/certificates.ts";
import { systemClock } from "../../machinery/process/clock.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into questions of every shape
type Json = any;

/** An HTTP answer in place of a review's: a code and a text. */
export interface PlainAnswer {
  readonly code: number;
  readonly text: string;
}

/** What the review's response says besides its uid; undefined never answers. */
export type Responder = (request: Json, path: string) => Json | PlainAnswer | undefined | Promise<Json>;

export interface WebhookServer {
  readonly port: number;
  readonly caBundle: string;
  /** The requests of the reviews that came in, with the path that was asked. */
  readonly asked: { readonly path: string; readonly request: Json }[];
  url(path?: string): string;
  respond(by: Responder): void;
  /** Closes all connections; new ones are taken. */
  drop(): void;
  connections(): Promise<number>;
  close(): void;
}

export const patchOf = (...operations: readonly object[]): Json => ({
  allowed: true,
  patchType: "JSONPatch",
  patch: Buffer.from(JSON.stringify(operations)).toString("base64"),
});

export async function startWebhookServer(): Promise<WebhookServer> {
  const authority = await createAuthority(systemClock, "hooks");
  const { certificate, key } = await issue(systemClock, authority, {
    commonName: "hook",
    use: "server",
    dnsNames: ["hook.default.svc"],
    addresses: ["127.0.0.1"],
  });
  const asked: { path: string; request: Json }[] = [];
  let responder: Responder = () => ({ allowed: true });
  const server = createServer({ cert: certificate, key }, (incoming, outgoing) => {
    void (async () => {
      const review = JSON.parse(await textOf(incoming));
      const path = incoming.url ?? "";
      asked.push({ path, request: review.request });
      const said = await responder(review.request, path);
      if (said === undefined) return;
      if ("code" in said && "text" in said) {
        outgoing.writeHead(said.code).end(said.text);
        return;
      }
      const answer = { kind: review.kind, apiVersion: review.apiVersion, ...said.review };
      const response = { uid: review.request.uid, ...said, review: undefined };
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ response, ...answer }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    caBundle: Buffer.from(authority.certificate).toString("base64"),
    asked,
    url: (path = "/") => `https://127.0.0.1:${port}${path}`,
    respond(by) {
      responder = by;
    },
    drop: () => server.closeAllConnections(),
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}
