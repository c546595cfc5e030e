/**
 * Aggregated server: somebody's API server, to which a test's server hands a group over. It answers as the test says.
 *
 * It trusts nobody but who comes with a certificate of the front proxy's authority.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { FRONT_PROXY_CLIENT, type FrontProxy } from "../../apiserver/aggregation/contract.ts";
import { createAuthority, issue } from "../../machinery/pki/certificates.ts";
import { dailyIdentity } from "../../machinery/pki/front-proxy.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import type { Pipeline } from "./pipeline.ts";

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answer = (asked: Asked, response: ServerResponse) => void;

export interface AggregatedServer {
  readonly port: number;
  readonly caBundle: string;
  /** Every request, in order. */
  readonly asked: Asked[];
  /** Path without query ► JSON that is answered, or what answers. All else is 404. */
  readonly answers: Record<string, object | Answer>;
  close(): void;
}

export async function testFrontProxy(): Promise<FrontProxy> {
  const authority = await createAuthority(systemClock, "front-proxy-ca");
  const identity = dailyIdentity(systemClock, authority, { commonName: FRONT_PROXY_CLIENT });
  return { authority: authority.certificate, identity };
}

/** For the Service default/adapter. */
export async function startAggregatedServer(frontProxy: FrontProxy): Promise<AggregatedServer> {
  const authority = await createAuthority(systemClock, "adapters");
  const names = { commonName: "adapter", dnsNames: ["adapter.default.svc"] };
  const { certificate, key } = await issue(systemClock, authority, { ...names, use: "server" });
  const asked: Asked[] = [];
  const answers: AggregatedServer["answers"] = {};
  const trust = { requestCert: true, rejectUnauthorized: false, ca: frontProxy.authority };
  const server = createServer({ cert: certificate, key, ...trust }, (incoming, outgoing) => {
    let body = "";
    incoming.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    incoming.on("end", () => {
      const one = { method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers, body };
      asked.push(one);
      if (!trusted(incoming)) return void outgoing.writeHead(401).end();
      const answer = answers[one.url.split("?", 1)[0] ?? ""];
      if (typeof answer === "function") return answer(one, outgoing);
      if (answer) return json(outgoing, 200, answer);
      json(outgoing, 404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 });
    });
  });
  new WebSocketServer({ server }).on("connection", (socket, { headers }) => {
    socket.on("message", (text) => socket.send(`${headers["x-remote-user"]} said ${String(text)}`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    caBundle: Buffer.from(authority.certificate).toString("base64"),
    asked,
    answers,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function trusted({ socket }: IncomingMessage): boolean {
  const tls = socket as TLSSocket;
  return tls.authorized && tls.getPeerCertificate().subject?.CN === FRONT_PROXY_CLIENT;
}

export function json(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value));
}

export const API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";

export interface Registered {
  readonly group: string;
  readonly version: string;
  readonly server: AggregatedServer;
  /** Of the Service, where that is not the server's. */
  readonly port?: number;
  readonly insecure?: boolean;
}

/** An APIService whose Service is default/adapter. */
export async function register(pipeline: Pipeline, { group, version, server, port, insecure }: Registered) {
  const trust = insecure ? { insecureSkipTLSVerify: true } : { caBundle: server.caBundle };
  const service = { namespace: "default", name: "adapter", port: port ?? server.port };
  const body = {
    metadata: { name: `${version}.${group}` },
    spec: { group, version, groupPriorityMinimum: 100, versionPriority: 100, service, ...trust },
  };
  return pipeline.send({ method: "POST", path: API_SERVICES, body });
}

/** "True Passed all checks passed" */
export async function availability(pipeline: Pipeline, name: string): Promise<string> {
  const { value } = await pipeline.send({ path: `${API_SERVICES}/${name}` });
  const [condition] = (value.status?.conditions ?? []) as { status: string; reason: string; message: string }[];
  return condition ? `${condition.status} ${condition.reason} ${condition.message}` : "";
}

export async function availableUntil(pipeline: Pipeline, name: string, wanted: RegExp): Promise<string> {
  for (let tries = 0; ; tries++) {
    const found = await availability(pipeline, name);
    if (wanted.test(found)) return found;
    if (tries > 2_000) throw new Error(`${name} is ${found || "unknown"}, not ${wanted}`);
    await systemClock.sleep(10);
  }
}

/** A Service that leads to this machine, whatever the port. */
export const localService = {
  metadata: { name: "adapter", namespace: "default" },
  spec: { type: "ExternalName", externalName: "localhost" },
} as const;
