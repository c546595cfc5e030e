/**
 * Webhook conversion: asks a webhook over https (../webhooks) to convert objects, by ConversionReview.
 *
 * One attempt: whoever reads or writes the object is waiting. Failures are worded as in Kubernetes
 * and are the server's (500), for neither the client nor the object is at fault.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { WebhookClient } from "../webhooks/contract.ts";
import type { Conversion } from "./contract.ts";
import { type Converter, checkConverted, conversionFailed } from "./conversion.ts";

export interface WebhookOptions {
  readonly conversion: Conversion;
  readonly clock: Clock;
  readonly webhooks: WebhookClient;
}

/** Objects that one request converts. */
const BATCH = 500;

export function createWebhookConverter({ conversion, clock, webhooks }: WebhookOptions): Converter {
  const { clientConfig = {}, conversionReviewVersions = [] } = conversion.webhook ?? {};
  const version = conversionReviewVersions.find((one) => one === "v1" || one === "v1beta1") ?? "v1";

  const ask = async (objects: readonly KubeObject[], desired: string): Promise<readonly KubeObject[]> => {
    const first = objects[0]!;
    const uid = clock.uuid();
    const apiVersion = `apiextensions.k8s.io/${version}`;
    const review = { kind: "ConversionReview", apiVersion, request: { uid, desiredAPIVersion: desired, objects } };
    let converted: readonly unknown[];
    try {
      const call = { config: clientConfig, body: JSON.stringify(review), timeoutMs: limits.webhookMs };
      converted = convertedIn(await webhooks.post(call), uid, apiVersion);
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
  };
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
