/**
 * Approval: groups of Kubernetes' own community take definitions only with a word about their API review.
 *
 * https://github.com/kubernetes/enhancements/pull/1111
 */
import type { FieldErrors } from "../resources/field-errors.ts";
import type { Definition } from "./contract.ts";

const ANNOTATION = "api-approved.kubernetes.io";
const SEE = "see https://github.com/kubernetes/enhancements/pull/1111";

export interface Approval {
  readonly state: "approved" | "bypassed" | "missing" | "invalid";
  readonly value: string;
  readonly message: string;
}

/** Undefined for groups that need none. */
export function approvalOf({ metadata, spec }: Definition): Approval | undefined {
  if (!isProtected(spec.group ?? "")) return undefined;
  const value = metadata.annotations?.[ANNOTATION] ?? "";
  if (value === "") {
    const message = `protected groups must have approval annotation ${JSON.stringify(ANNOTATION)}, ${SEE}`;
    return { state: "missing", value, message };
  }
  if (value.startsWith("unapproved"))
    return { state: "bypassed", value, message: `not approved: ${JSON.stringify(value)}` };
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url && url.host !== "" && url.protocol !== "") return { state: "approved", value, message: `approved in ${url}` };
  const message = `protected groups must have approval annotation ${JSON.stringify(ANNOTATION)} with either a URL or a reason starting with "unapproved", ${SEE}`;
  return { state: "invalid", value, message };
}

const isProtected = (group: string): boolean =>
  ["k8s.io", "kubernetes.io"].some((own) => group === own || group.endsWith(`.${own}`));

/** An update may leave the annotation as bad as it was. */
export function validateApproval(definition: Definition, old: Definition | undefined, errors: FieldErrors): void {
  const approval = approvalOf(definition);
  if (!approval || (old && approvalOf(old)?.state === approval.state)) return;
  const path = `metadata.annotations[${ANNOTATION}]`;
  if (approval.state === "missing") errors.required(path, approval.message);
  if (approval.state === "invalid") errors.invalid(path, approval.value, approval.message);
}
