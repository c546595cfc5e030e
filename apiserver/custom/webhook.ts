/**
 * Webhook conversion: asks a webhook over https to convert objects, by ConversionReview.
 *
 * One request a time limit, one attempt: whoever reads or writes the object is waiting. Failures are worded as in Kubernetes
 * and are the server's (500), for neither the client nor the object is at fault.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
 */
import { Agent, request } from "node:https";
import { parseJson } from "../../machinery/objects/json.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Conversion, WebhookClientConfig } from "./contract.ts";
import { type Converter, checkConverted, conversionFailed } from "./conversion.ts";

/** Where a Service's port is reached. */
export type ResolveService = (namespace: string, name: string, port: number) => Promise<{ host: string; port: number }>;

export interface WebhookOptions {
  readonly conversion: Conversion;
  readonly clock: Clock;
  readonly resolve: ResolveService;
}

interface Target {
  readonly url: URL;
  /** Instead of the URL's own, where the URL names a Service. */
  readonly connect?: { readonly host: string; readonly port: number };
}

/** Objects that one request converts. */
const BATCH = 500;

export interface WebhookConverter extends Converter {
  /** Closes the connections. */
  close(): void;
}

export function createWebhookConverter({ conversion, clock, resolve }: WebhookOptions): WebhookConverter {
  const { clientConfig = {}, conversionReviewVersions = [] } = conversion.webhook ?? {};
  const version = conversionReviewVersions.find((one) => one === "v1" || one === "v1beta1") ?? "v1";
  const ca = clientConfig.caBundle && Buffer.from(clientConfig.caBundle, "base64").toString();
  const agent = new Agent({ keepAlive: true, maxSockets: 8, timeout: limits.webhookMs, ...(ca ? { ca } : {}) });

  const ask = async (objects: readonly KubeObject[], desired: string): Promise<readonly KubeObject[]> => {
    const first = objects[0]!;
    const uid = clock.uuid();
    const apiVersion = `apiextensions.k8s.io/${version}`;
    const review = { kind: "ConversionReview", apiVersion, request: { uid, desiredAPIVersion: desired, objects } };
    let converted: readonly unknown[];
    try {
      const target = await targetOf(clientConfig, resolve);
      converted = convertedIn(await post(agent, target, JSON.stringify(review)), uid, apiVersion);
    } catch (error) {
      throw conversionFailed(first, `failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (converted.length !== objects.length)
      throw conversionFailed(first, `returned ${converted.length} objects, expected ${objects.length}`);
    return objects.map((sent, at) => checkConverted(sent, converted[at], desired, at));
  };

  return {
    now: undefined,
    async convert(objects, apiVersion) {
      const results: KubeObject[] = [];
      for (let from = 0; from < objects.length; from += BATCH) {
        results.push(...(await ask(objects.slice(from, from + BATCH), apiVersion)));
      }
      return results;
    },
    close: () => agent.destroy(),
  };
}

async function targetOf({ url, service }: WebhookClientConfig, resolve: ResolveService): Promise<Target> {
  if (url) return { url: new URL(url) };
  if (!service) throw new Error("webhook configuration must have either service or URL");
  const { namespace, name, path = "", port = 443 } = service;
  const shown = new URL(`https://${name}.${namespace}.svc:${port}`);
  shown.pathname = path;
  return { url: shown, connect: await resolve(namespace, name, port) };
}

function post(agent: Agent, { url, connect }: Target, body: string): Promise<unknown> {
  url.searchParams.set("timeout", `${limits.webhookMs / 1000}s`);
  const failed = (why: string) => new Error(`Post ${JSON.stringify(String(url))}: ${why}`);
  return new Promise((resolve, reject) => {
    const call = request(
      {
        agent,
        method: "POST",
        host: connect?.host ?? url.hostname.replace(/^\[|\]$/g, ""),
        port: connect?.port ?? (url.port || 443),
        path: url.pathname + url.search,
        ...(connect ? { servername: url.hostname } : {}),
        headers: {
          host: url.host,
          "content-type": "application/json",
          accept: "application/json, */*",
          "user-agent": "kube-apiserver-admission",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on("data", (part: Buffer) => {
          size += part.length;
          if (size > limits.webhookAnswerBytes) response.destroy(new Error("the answer is too large"));
          else parts.push(part);
        });
        response.on("error", (error) => reject(failed(error.message)));
        response.on("end", () => {
          const text = Buffer.concat(parts).toString();
          if (response.statusCode !== 200) {
            reject(
              new Error(statusMessage(text) ?? `the server responded with the status code ${response.statusCode}`),
            );
            return;
          }
          try {
            resolve(parseJson(text));
          } catch (error) {
            reject(new Error(`couldn't decode the answer: ${(error as Error).message}`));
          }
        });
      },
    );
    call.setTimeout(limits.webhookMs, () => call.destroy(new Error("context deadline exceeded")));
    call.on("error", (error) => reject(failed(error.message)));
    call.end(body);
  });
}

function statusMessage(text: string): string | undefined {
  try {
    const { kind, message } = JSON.parse(text) as { kind?: unknown; message?: unknown };
    return kind === "Status" && typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

/** What the webhook answered, or why that is no answer. */
function convertedIn(answer: unknown, uid: string, apiVersion: string): readonly unknown[] {
  const review = answer as { kind?: unknown; apiVersion?: unknown; response?: Record<string, unknown> } | null;
  if (review?.kind !== "ConversionReview" || review.apiVersion !== apiVersion) {
    const found = `${String(review?.apiVersion)}, Kind=${String(review?.kind)}`;
    throw new Error(`expected webhook response of ${apiVersion}, Kind=ConversionReview, got ${found}`);
  }
  const { response } = review;
  if (!response) throw new Error("no response provided");
  if (response["uid"] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response["uid"])}`);
  const { status, message } = (response["result"] ?? {}) as { status?: string; message?: string };
  if (status !== "Success") throw new Error(message || `response.result.status was '${status ?? ""}', not 'Success'`);
  return (response["convertedObjects"] as readonly unknown[] | undefined) ?? [];
}
