/**
 * Https: requests to an API server as bytes on the wire, for what no well-behaved client would send.
 *
 * Everything a client sends in earnest goes through kubectl or machinery/client.
 */
import { Agent, request } from "node:https";
import { targetFromFile } from "../../machinery/client/kubeconfig.ts";

export interface Asked {
  readonly method?: string;
  readonly path: string;
  /** Text is sent as it stands, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without the administrator's certificate. */
  readonly anonymous?: true;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The text as JSON, undefined where it is none. */
  readonly json: {
    readonly kind?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly code?: number;
  };
}

export type Ask = (asked: Asked) => Promise<Answered>;

export async function asker(kubeconfig: string): Promise<Ask> {
  const { access } = await targetFromFile(kubeconfig);
  const { ca, cert, key } = access;
  const agents = { known: new Agent({ ca, cert, key }), anonymous: new Agent({ ca }) };
  return ({ method = "GET", path, body, headers = {}, anonymous }) =>
    new Promise((resolve, reject) => {
      const payload =
        body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const sent = request(new URL(path, access.server), {
        method,
        agent: anonymous ? agents.anonymous : agents.known,
        headers: {
          ...(payload === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
          ...headers,
        },
        timeout: 30_000,
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
      sent.on("error", reject);
      sent.on("response", (response) => {
        response.toArray().then((chunks) => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
        }, reject);
      });
      sent.end(payload);
    });
}

function parsed(text: string): Answered["json"] {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
