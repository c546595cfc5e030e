/**
 * Webhook call: whether a webhook is concerned, and one question to it. Both kinds of plugins share it.
 *
 * What it says besides yes or no (warnings, audit annotations) is passed on here. That it cannot be asked is a
 * CallingWebhookError, its no a Rejection; every other error refuses the request whatever failurePolicy says.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Authorizer } from "../auth/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { WebhookClient } from "../webhooks/contract.ts";
import { WebhookError } from "../webhooks/contract.ts";
import type { AdmissionRequest } from "./contract.ts";
import type { ReadNamespace } from "./namespace-of.ts";
import { conditionsHold } from "./policy-evaluation.ts";
import { equivalents, matchResources } from "./policy-matching.ts";
import { authorizerValues, objectsAs, requestValue } from "./policy-request.ts";
import { refused } from "./refused.ts";
import { CallingWebhookError, noDryRun, Rejection } from "./webhook-errors.ts";
import type { Hook } from "./webhook-index.ts";
import type { WebhookMetrics, WebhookType } from "./webhook-metrics.ts";
import { type Answer, answerOf, type Question, reviewText, reviewVersion } from "./webhook-review.ts";

export interface WebhookOptions {
  readonly webhooks: WebhookClient;
  readonly clock: Clock;
  readonly authorize: Authorizer;
  readonly rows: () => readonly ResourceRow[];
  readonly metrics: WebhookMetrics;
}

/** The request as the webhook's rules matched it. */
export interface Concerned extends Awaited<ReturnType<typeof objectsAs>> {
  readonly row: ResourceRow;
}

/** Undefined where the request does not concern the webhook. */
export async function concerned(
  { webhook, constraints, conditions }: Hook,
  type: WebhookType,
  request: AdmissionRequest,
  namespace: ReadNamespace,
  { authorize, rows, metrics }: WebhookOptions,
): Promise<Concerned | undefined> {
  if (!webhook.rules?.length) return undefined;
  const labels = async () => (await namespace())?.metadata.labels;
  const matched = await matchResources(constraints, request, labels, (row) => equivalents(row, rows()));
  if (!matched) return undefined;
  const { row } = matched;
  const objects = await objectsAs(request, row);
  if (webhook.matchConditions?.length) {
    const values = { ...objects, request: requestValue(request, row), ...authorizerValues(request, authorize) };
    const holds = conditionsHold(conditions(), values);
    if (typeof holds === "string") {
      metrics.unevaluated(webhook.name, type, request.operation);
      if (webhook.failurePolicy !== "Ignore") throw refused(request, holds);
      return undefined;
    }
    if (!holds) {
      metrics.excluded(webhook.name, type, request.operation);
      return undefined;
    }
  }
  return { row, ...objects };
}

const DEFAULT_SECONDS = 10;

export async function askWebhook(
  { webhook }: Hook,
  request: AdmissionRequest,
  { row, object, oldObject }: Concerned,
  mutating: boolean,
  { webhooks, clock }: WebhookOptions,
): Promise<Answer> {
  const { name, sideEffects, admissionReviewVersions, clientConfig, timeoutSeconds = DEFAULT_SECONDS } = webhook;
  if (request.dryRun && sideEffects !== "None" && sideEffects !== "NoneOnDryRun") throw noDryRun(name);
  const version = reviewVersion(admissionReviewVersions);
  const none =
    "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)";
  if (!version) throw new CallingWebhookError(name, none, 400);
  const question: Question = {
    version,
    uid: clock.uuid(),
    request,
    row,
    object: versioned(request, object),
    oldObject,
  };
  const call = {
    config: clientConfig,
    body: reviewText(question),
    timeoutMs: timeoutSeconds * 1000,
    signal: request.signal,
  };
  const reply = await webhooks.post(call).catch((error: unknown): never => {
    if (!(error instanceof WebhookError)) throw error;
    throw new CallingWebhookError(name, `failed to call webhook: ${error.message}`, error.code, error.canceled);
  });
  const answer = understood(name, reply, question, mutating);
  for (const [key, value] of Object.entries(answer.auditAnnotations)) request.annotate?.(`${name}/${key}`, value);
  request.warnings.push(...answer.warnings);
  if (!answer.allowed) throw new Rejection(name, answer.result);
  return answer;
}

function understood(name: string, reply: unknown, question: Question, mutating: boolean): Answer {
  try {
    return answerOf(reply, question, mutating);
  } catch (error) {
    throw new CallingWebhookError(name, `received invalid webhook response: ${(error as Error).message}`);
  }
}

/** An update's object with the version that it changes, as a client sends it. */
function versioned({ old }: AdmissionRequest, object: KubeObject | null): KubeObject | null {
  const resourceVersion = old?.metadata?.resourceVersion;
  if (!object?.metadata || !resourceVersion || object.metadata.resourceVersion) return object;
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}
