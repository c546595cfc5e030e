/**
 * Webhook client: one POST over https, one time limit, one answer; connections are kept for the next.
 *
 * One attempt: whoever waits is told what went wrong. Only a kept connection that the other side had closed
 * meanwhile is replaced by a new one. The certificate must be of the configuration's authority (else of the
 * system's) and for the name that the configuration has, whatever address the Service's port is reached at.
 */
import type { IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { parseJson } from "../../machinery/objects/json.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import {
  type ResolveService,
  type ServicePlace,
  type WebhookCall,
  type WebhookClient,
  type WebhookClientConfig,
  WebhookError,
} from "./contract.ts";
import { answerFailure, connectionFailure } from "./failures.ts";

export interface WebhookClientOptions {
  readonly clock: Clock;
  readonly resolve: ResolveService;
}

/** Idle connections that are kept to one place. */
const KEPT = 16;

interface Dialed {
  readonly dial: ServicePlace["dial"];
}

/** Connections are kept by host and port, which tell places apart however they are reached. */
class PlaceAgent extends Agent {
  override createConnection(options: object, callback: (error: Error | null, stream: Duplex) => void) {
    const { dial, ...rest } = options as Partial<Dialed>;
    if (!dial) return super.createConnection(options, callback);
    dial(new AbortController().signal).then(
      (socket) => callback(null, connectTls({ ...rest, socket })),
      (error: Error) => callback(error, undefined as never),
    );
    return undefined;
  }
}

export function createWebhookClient({ clock, resolve }: WebhookClientOptions): WebhookClient {
  const agent = new PlaceAgent({ keepAlive: true, maxFreeSockets: KEPT, timeout: limits.webhookMs });
  return {
    async post(call) {
      const target = targetOf(call.config, call.timeoutMs);
      const failed: Failed = (why, code, canceled) =>
        new WebhookError(`Post ${JSON.stringify(target.shown)}: ${why}`, code, canceled);
      const place = await placeOf(target, resolve, failed);
      return exchange({ agent, clock, call, target, place, failed });
    },
    close: () => agent.destroy(),
  };
}

type Failed = (why: string, code?: number, canceled?: boolean) => WebhookError;

interface Target {
  /** The URL as it is told. */
  readonly shown: string;
  readonly host: string;
  readonly path: string;
  readonly hostname: string;
  readonly port: number;
  readonly service: WebhookClientConfig["service"] | undefined;
}

function targetOf({ url, service }: WebhookClientConfig, timeoutMs: number): Target {
  const timeout = `timeout=${Math.ceil(timeoutMs / 1000)}s`;
  if (url) {
    const parsed = new URL(url);
    const path = `${parsed.pathname}?${parsed.search ? `${parsed.search.slice(1)}&` : ""}${timeout}`;
    const hostname = parsed.hostname.replace(/^\[|\]$/g, "");
    const { host } = parsed;
    return {
      shown: `https://${host}${path}`,
      host,
      path,
      hostname,
      port: Number(parsed.port || 443),
      service: undefined,
    };
  }
  if (!service) throw new WebhookError("webhook configuration must have either service or URL", 500);
  const { namespace, name, path = "", port = 443 } = service;
  const hostname = `${name}.${namespace}.svc`;
  const host = `${hostname}:${port}`;
  const whole = `${new URL(path || "/", `https://${host}`).pathname}?${timeout}`;
  return { shown: `https://${host}${whole}`, host, path: whole, hostname, port, service };
}

async function placeOf(
  { service, hostname, port }: Target,
  resolve: ResolveService,
  failed: Failed,
): Promise<ServicePlace> {
  if (!service) return { host: hostname, port };
  try {
    return await resolve(service.namespace, service.name, port);
  } catch (error) {
    throw failed((error as Error).message);
  }
}

interface Exchange {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly call: WebhookCall;
  readonly target: Target;
  readonly place: ServicePlace;
  readonly failed: Failed;
}

function exchange({ agent, clock, call, target, place, failed }: Exchange): Promise<unknown> {
  const { config, body, timeoutMs, signal } = call;
  const ca = config.caBundle && Buffer.from(config.caBundle, "base64").toString();
  const options: RequestOptions & Dialed = {
    agent,
    dial: place.dial,
    method: "POST",
    host: place.host,
    port: place.port,
    path: target.path,
    ...(ca ? { ca } : {}),
    ...(target.service ? { servername: target.hostname } : {}),
    headers: {
      host: target.host,
      "content-type": "application/json",
      accept: "application/json, */*",
      "user-agent": "kube-apiserver-admission",
      "content-length": Buffer.byteLength(body),
    },
  };
  return new Promise((resolve, reject) => {
    let ended = false;
    let current: ReturnType<typeof request> | undefined;
    const end = (settle: () => void): void => {
      if (ended) return;
      ended = true;
      timer.cancel();
      signal?.removeEventListener("abort", canceled);
      settle();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const stop = (error: WebhookError): void => {
      fail(error);
      current?.destroy();
    };
    const canceled = (): void => stop(failed("context canceled", 503, true));
    const timer = clock.after(timeoutMs, () => stop(failed("context deadline exceeded")));
    const attempt = (first: boolean): void => {
      const sent = request(options, (response) => {
        readAnswer(response, failed).then((value) => end(() => resolve(value)), fail);
      });
      current = sent;
      sent.on("error", (error: NodeJS.ErrnoException) => {
        if (first && sent.reusedSocket && error.code === "ECONNRESET" && !ended) attempt(false);
        else fail(failed(connectionFailure(error, `${place.host}:${place.port}`)));
      });
      sent.end(body);
    };
    signal?.addEventListener("abort", canceled, { once: true });
    if (signal?.aborted) canceled();
    else attempt(true);
  });
}

async function readAnswer(response: IncomingMessage, failed: Failed): Promise<unknown> {
  const text = (await bytesOf(response, failed)).toString();
  const { statusCode = 0 } = response;
  if (statusCode < 200 || statusCode > 206) throw new WebhookError(answerFailure(statusCode, text), statusCode);
  try {
    return parseJson(text);
  } catch (error) {
    throw new WebhookError(`couldn't get version/kind; json parse error: ${(error as Error).message}`, 500);
  }
}

async function bytesOf(response: IncomingMessage, failed: Failed): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > limits.webhookAnswerBytes) break;
      parts.push(part);
    }
  } catch {
    throw failed("unexpected EOF");
  }
  if (size > limits.webhookAnswerBytes) throw failed("the answer is too large", 500);
  return Buffer.concat(parts);
}
