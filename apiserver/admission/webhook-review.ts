/**
 * Webhook review: the question that a webhook is asked (AdmissionReview), and what its answer says.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
 */
import type { PatchOperation } from "../../machinery/objects/json-patch.ts";
import type { Status } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { AdmissionRequest } from "./contract.ts";
import { requestValue } from "./policy-request.ts";

const GROUP = "admission.k8s.io";
const KIND = "AdmissionReview";

export type ReviewVersion = "v1" | "v1beta1";

export interface Question {
  readonly version: ReviewVersion;
  readonly uid: string;
  readonly request: AdmissionRequest;
  /** The row that the rules matched, and the objects as it has them. */
  readonly row: ResourceRow;
  readonly object: KubeObject | null;
  readonly oldObject: KubeObject | StoredObject | null;
}

/** The first of the versions that it accepts which is known here. */
export const reviewVersion = (accepted: readonly string[]): ReviewVersion | undefined =>
  accepted.find((one): one is ReviewVersion => one === "v1" || one === "v1beta1");

export function reviewText({ version, uid, request, row, object, oldObject }: Question): string {
  const { options = null, ...rest } = requestValue(request, row);
  return JSON.stringify({
    kind: KIND,
    apiVersion: `${GROUP}/${version}`,
    request: { uid, ...rest, object, oldObject, options },
  });
}

export interface Answer {
  readonly allowed: boolean;
  readonly result: Partial<Status> | undefined;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
  /** base64 */
  readonly patch: string;
}

interface Response {
  readonly uid?: unknown;
  readonly allowed?: unknown;
  readonly status?: Partial<Status>;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly patch?: string;
  readonly patchType?: string;
}

/** Throws what is wrong with it. */
export function answerOf(review: unknown, { version, uid }: Question, mutating: boolean): Answer {
  const { kind, apiVersion, response } = (review ?? {}) as {
    kind?: unknown;
    apiVersion?: unknown;
    response?: Response;
  };
  if (typeof response !== "object" || response === null) throw new Error("webhook response was absent");
  if (version === "v1") {
    if (response.uid !== uid)
      throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? "")}`);
    if (kind !== KIND || apiVersion !== `${GROUP}/v1`) {
      const found = `${String(apiVersion ?? "")}, Kind=${String(kind ?? "")}`;
      throw new Error(`expected webhook response of ${GROUP}/v1, Kind=${KIND}, got ${found}`);
    }
    checkPatch(response, mutating);
  }
  checkTypes(response);
  return {
    allowed: response.allowed === true,
    result: response.status ?? undefined,
    warnings: response.warnings ?? [],
    auditAnnotations: response.auditAnnotations ?? {},
    patch: mutating ? (response.patch ?? "") : "",
  };
}

function checkPatch({ patch, patchType }: Response, mutating: boolean): void {
  if (!mutating) {
    if (patch) throw new Error("validating webhook may not return response.patch");
    if (patchType) throw new Error("validating webhook may not return response.patchType");
    return;
  }
  if (patch && !patchType) throw new Error("webhook returned response.patch but not response.patchType");
  if (!patch && patchType) throw new Error("webhook returned response.patchType but not response.patch");
  if (patchType && patchType !== "JSONPatch")
    throw new Error(`webhook returned invalid response.patchType of ${JSON.stringify(patchType)}`);
}

function checkTypes({ allowed, status, warnings, auditAnnotations, patch }: Response): void {
  const isTexts = (value: unknown): boolean =>
    typeof value === "object" && value !== null && Object.values(value).every((one) => typeof one === "string");
  const wrong =
    (allowed !== undefined && typeof allowed !== "boolean" && "allowed") ||
    (status !== undefined && (typeof status !== "object" || status === null) && "status") ||
    (warnings !== undefined && !(Array.isArray(warnings) && isTexts(warnings)) && "warnings") ||
    (auditAnnotations !== undefined && !isTexts(auditAnnotations) && "auditAnnotations") ||
    (patch !== undefined && typeof patch !== "string" && "patch");
  if (wrong) throw new Error(`json: cannot unmarshal response.${wrong}`);
}

/** The operations of a patch in base64. Throws what is wrong with it. */
export function operationsOf(patch: string): readonly PatchOperation[] {
  const operations: unknown = JSON.parse(Buffer.from(patch, "base64").toString());
  if (!Array.isArray(operations))
    throw new Error("json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  if (operations.every(isOperation)) return operations;
  throw new Error("json: cannot unmarshal a value that is no operation into Go value of type jsonpatch.Operation");
}

function isOperation(value: unknown): value is PatchOperation {
  if (typeof value !== "object" || value === null) return false;
  const { op, path, from = "" } = value as Partial<PatchOperation>;
  return [op, path, from].every((one) => typeof one === "string");
}
