/**
 * Remote connection: requests to the API server behind one APIService, over connections that are kept for the next.
 *
 * Its certificate must be of the APIService's authority and for the Service's name, whatever place the connection
 * leads to, unless the APIService says that nobody looks. Only a GET on a kept connection that the other side had
 * closed meanwhile is sent again.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { ResolvePlace, ServicePort } from "../tunnel/service-dial.ts";
import { connectionFailure } from "../webhooks/failures.ts";
import type { FrontProxy } from "./contract.ts";

export interface RemoteTrust {
  /** PEM in base64; "" for the system's authorities. */
  readonly caBundle: string;
  readonly insecure: boolean;
}

export interface RemoteConnectionOptions {
  readonly service: ServicePort;
  readonly trust: RemoteTrust;
  readonly resolve: ResolvePlace;
  readonly frontProxy: FrontProxy | undefined;
  readonly clock: Clock;
}

export interface RemoteRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

export type RemoteAnswer =
  | { readonly kind: "response"; readonly response: IncomingMessage }
  | { readonly kind: "upgraded"; readonly response: IncomingMessage; readonly backend: Duplex; readonly head: Buffer };

export interface RemoteConnection {
  /** Rejects where no answer came; the message says why in Kubernetes' words. */
  send(request: RemoteRequest): Promise<RemoteAnswer>;
  close(): void;
}

/** Idle connections that are kept. */
const KEPT = 16;

/** https.Agent asks for a connection and takes what it is given later. */
class ServiceAgent extends Agent {
  private readonly open: () => Promise<TLSSocket>;

  constructor(open: () => Promise<TLSSocket>) {
    super({ keepAlive: true, maxFreeSockets: KEPT, timeout: limits.keepAliveMs });
    this.open = open;
  }

  override createConnection(_options: object, callback: (error: Error | null, stream: Duplex) => void): undefined {
    this.open().then(
      (stream) => callback(null, stream),
      (error: Error) => callback(error, undefined as never),
    );
  }
}

export function createRemoteConnection(options: RemoteConnectionOptions): RemoteConnection {
  const { service } = options;
  const host = `${service.name}.${service.namespace}.svc`;
  let place = `${host}:${service.port}`;
  const agent = new ServiceAgent(async () => {
    const found = options.resolve(service);
    place = `${found.host}:${found.port}`;
    return secured(options, found.dial, host);
  });

  const once = ({ method, path, headers, body, signal }: RemoteRequest) => {
    const outgoing = httpsRequest({ agent, method, host, port: service.port, path, headers, signal });
    const answer = new Promise<RemoteAnswer>((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.once("response", (response) => resolve({ kind: "response", response }));
      outgoing.once("upgrade", (response, backend, head) => resolve({ kind: "upgraded", response, backend, head }));
    });
    outgoing.end(body);
    return { outgoing, answer };
  };

  return {
    async send(request) {
      for (let again = request.method === "GET"; ; again = false) {
        const { outgoing, answer } = once(request);
        try {
          return await answer;
        } catch (error) {
          request.signal.throwIfAborted();
          const stale = outgoing.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET";
          if (!stale || !again) throw new Error(connectionFailure(error as Error, place), { cause: error });
        }
      }
    },
    close: () => agent.destroy(),
  };
}

/** The whole way, from the Service to a connection that is encrypted and trusted, is bounded in time. */
async function secured(
  { trust, frontProxy, clock }: RemoteConnectionOptions,
  dial: (signal: AbortSignal) => Promise<Duplex>,
  servername: string,
): Promise<TLSSocket> {
  const late = new AbortController();
  const timer = clock.after(limits.proxyConnectMs, () => late.abort(timedOut()));
  let tcp: Duplex | undefined;
  try {
    const identity = await frontProxy?.identity();
    tcp = await dial(late.signal);
    return await handshake(
      connectTls({
        socket: tcp,
        servername,
        ALPNProtocols: ["http/1.1"],
        rejectUnauthorized: !trust.insecure,
        ...(trust.caBundle ? { ca: Buffer.from(trust.caBundle, "base64").toString() } : {}),
        ...(identity ? { cert: identity.certificate, key: identity.key } : {}),
      }),
      late.signal,
    );
  } catch (error) {
    tcp?.destroy();
    throw late.signal.aborted ? late.signal.reason : error;
  } finally {
    timer.cancel();
  }
}

const timedOut = () => Object.assign(new Error("i/o timeout"), { code: "ETIMEDOUT" });

function handshake(stream: TLSSocket, late: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const expired = () => stream.destroy(late.reason);
    const settle = (result: () => void) => {
      late.removeEventListener("abort", expired);
      stream.off("error", failed);
      result();
    };
    const failed = (error: Error) => settle(() => reject(error));
    late.addEventListener("abort", expired, { once: true });
    stream.once("error", failed);
    stream.once("secureConnect", () => settle(() => resolve(stream)));
  });
}
