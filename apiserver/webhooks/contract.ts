/**
 * Webhooks contract: somebody else's https server that this one asks while a request waits.
 *
 * Conversion (../custom/webhook.ts) and admission (../admission) ask through it; what they say is theirs.
 */
import type { Duplex } from "node:stream";

/** Where the webhook is, as configurations of all kinds write it. */
export interface WebhookClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** PEM in base64. */
  readonly caBundle?: string;
}

/** Where a Service's port is reached; rejects where it leads nowhere. */
export type ResolveService = (namespace: string, name: string, port: number) => Promise<ServicePlace>;

export interface ServicePlace {
  readonly host: string;
  readonly port: number;
  /** A connection to it, where that is not one to the address: through the tunnel of a node. */
  readonly dial?: ((signal: AbortSignal) => Promise<Duplex>) | undefined;
}

export interface WebhookCall {
  readonly config: WebhookClientConfig;
  /** JSON. */
  readonly body: string;
  readonly timeoutMs: number;
  /** Of the request that waits. */
  readonly signal?: AbortSignal | undefined;
}

export interface WebhookClient {
  /** The JSON that it answers. Rejects with a WebhookError, worded as Kubernetes' client does: `Post "https://…": …`. */
  post(call: WebhookCall): Promise<unknown>;
  /** Closes the connections. */
  close(): void;
}

export class WebhookError extends Error {
  override readonly name = "WebhookError";
  /** What the webhook's server answered; 503 where nothing came. */
  readonly code: number;
  /** The request that waited has gone. */
  readonly canceled: boolean;
  constructor(message: string, code = 503, canceled = false) {
    super(message);
    this.code = code;
    this.canceled = canceled;
  }
}
