/**
 * Gated Pods: until their gates are gone, the nodes that they can go to may be narrowed down, never widened.
 *
 * A term is an "or", so none may be added or removed where there are some; within a term everything is an
 * "and", so more may come.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { NodeSelectorTerm, PodSpec } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";

type NodeAffinity = Wire<models.V1NodeAffinity>;
type Labels = Readonly<Record<string, string>>;

const HARD = "requiredDuringSchedulingIgnoredDuringExecution";

/** Checks what changed of node selector and node affinity; answers the spec with both as they were. */
export function withoutNodeChanges(spec: PodSpec, old: PodSpec, errors: FieldErrors): PodSpec {
  validateSelector(spec.nodeSelector, old.nodeSelector, errors);
  const [next, before] = [spec.affinity?.nodeAffinity, old.affinity?.nodeAffinity];
  if (!equalJson(next, before)) validateNodeAffinity(next, before, errors);
  const { nodeSelector: _selector, affinity, ...rest } = spec;
  const { nodeAffinity: _affinity, ...others } = affinity ?? {};
  const kept = { ...others, ...(before && { nodeAffinity: before }) };
  const isEmpty = Object.keys(kept).length === 0 && !old.affinity;
  return {
    ...rest,
    ...(old.nodeSelector && { nodeSelector: old.nodeSelector }),
    ...(!isEmpty && { affinity: kept }),
  };
}

function validateSelector(next: Labels = {}, old: Labels = {}, errors: FieldErrors): void {
  for (const key in old) {
    if (next[key] === old[key]) continue;
    errors.invalid(
      "spec.nodeSelector",
      next,
      "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
    );
    return;
  }
}

function validateNodeAffinity(
  next: NodeAffinity | undefined,
  old: NodeAffinity | undefined,
  errors: FieldErrors,
): void {
  const terms = old?.[HARD]?.nodeSelectorTerms ?? [];
  if (terms.length === 0) return;
  const path = child(child("spec.affinity.nodeAffinity", HARD), "nodeSelectorTerms");
  const wanted = next?.[HARD]?.nodeSelectorTerms ?? [];
  if (wanted.length !== terms.length) {
    const detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
    errors.invalid(path, next?.[HARD]?.nodeSelectorTerms, detail);
    return;
  }
  for (const [index, term] of terms.entries()) validateTerm(wanted[index]!, term, item(path, index), errors);
}

/** An empty term matches nothing: filling it would widen. */
function validateTerm(next: NodeSelectorTerm, old: NodeSelectorTerm, path: At, errors: FieldErrors): void {
  const isEmpty = !old.matchExpressions?.length && !old.matchFields?.length;
  const keeps = (field: "matchExpressions" | "matchFields"): boolean =>
    (old[field] ?? []).every((one, index) => equalJson(one, next[field]?.[index]));
  if (isEmpty ? equalJson(next, old) : keeps("matchExpressions") && keeps("matchFields")) return;
  errors.invalid(path, next, "only additions are allowed (no mutations or deletions)");
}
