/**
 * HTTPS transport: the API server over TLS with kept-alive connections.
 *
 * The client is known by its certificate, by a token, or by a token file that is read again
 * when it may have changed. Where these come from: ../kubeconfig.ts.
 */
import { readFile } from "node:fs/promises";
import { request as httpRequest, Agent as PlainAgent } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import type { Clock } from "../../process/clock.ts";
import { limits } from "../../process/limits.ts";
import type { Transport } from "./contract.ts";
import { type Connector, type ExchangeOptions, httpTransport } from "./exchange.ts";

/** How to reach a cluster and as whom. Certificates and keys are PEM. */
export interface ClusterAccess {
  /** "https://127.0.0.1:6443", with a path where the cluster lies under one. */
  readonly server: string;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly basic?: { readonly username: string; readonly password: string } | undefined;
  /** Name to expect in the server's certificate instead of the host's. */
  readonly tlsServerName?: string | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
  readonly impersonate?: { readonly user: string; readonly groups?: readonly string[] } | undefined;
}

export interface HttpsOptions extends ExchangeOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
}

const TOKEN_FILE_MS = 10_000;
const LOOPBACK = /^(localhost|127\..*|\[?::1\]?)$/;

export function httpsTransport({ access, clock, onWarning }: HttpsOptions): Transport {
  const url = new URL(access.server);
  const prefix = url.pathname.replace(/\/+$/, "");
  const { agent, open } = url.protocol === "https:" ? secure(access, url) : plain();
  const target = { hostname: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || undefined };
  return httpTransport(
    {
      address: url.origin,
      compress: !LOOPBACK.test(url.hostname),
      open: (options) => open({ ...options, ...target, agent, path: `${prefix}${options.path}` }),
      headers: identity(access, clock),
      close: () => agent.destroy(),
    },
    { onWarning },
  );
}

function plain() {
  return { agent: new PlainAgent(keepAlive), open: httpRequest };
}

/** Dead peers are noticed by TCP keep-alive, also under a watch that is silent by nature. */
const keepAlive = { keepAlive: true, keepAliveMsecs: limits.tcpKeepAliveMs };

function secure(access: ClusterAccess, url: URL) {
  const { ca, cert, key } = access;
  const secureContext = createSecureContext({ ...(ca ? { ca } : {}), ...(cert && key ? { cert, key } : {}) });
  const host = access.tlsServerName ?? url.hostname;
  const agent = new TlsAgent({
    ...keepAlive,
    secureContext,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: !access.insecureSkipTlsVerify,
    ...(isIP(host) ? {} : { servername: host }),
  });
  return { agent, open: httpsRequest };
}

function identity(access: ClusterAccess, clock: Clock): Connector["headers"] {
  const fixed: Record<string, string | string[]> = {};
  const { basic, impersonate } = access;
  if (impersonate) fixed["impersonate-user"] = impersonate.user;
  if (impersonate?.groups?.length) fixed["impersonate-group"] = [...impersonate.groups];
  if (basic) {
    const pair = Buffer.from(`${basic.username}:${basic.password}`).toString("base64");
    fixed["authorization"] = `Basic ${pair}`;
  }
  const token = access.tokenFile ? tokenFrom(access.tokenFile, clock) : async () => access.token;
  return async () => {
    const bearer = await token();
    return bearer ? { ...fixed, authorization: `Bearer ${bearer}` } : fixed;
  };
}

/** The file's token, read again when some time has passed; a file that cannot be read fails the request. */
function tokenFrom(file: string, clock: Clock): () => Promise<string> {
  let token: string | undefined;
  let readAt = 0;
  return async () => {
    if (token === undefined || clock.monotonic() - readAt >= TOKEN_FILE_MS) {
      readAt = clock.monotonic();
      token = (await readFile(file, "utf8")).trim();
    }
    return token;
  };
}
