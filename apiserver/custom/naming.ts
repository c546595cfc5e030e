/**
 * Naming: which of a definition's names it may have, and the conditions that follow from that.
 *
 * Pure: the definition, everything else in its group, and the time decide. A name that another definition or a
 * built-in kind of the group has is not accepted; names once accepted are served even while newer ones conflict.
 */
import { withCondition, withoutCondition } from "../../machinery/objects/conditions.ts";
import type { ResourceRow } from "../resources/contract.ts";
import { approvalOf } from "./approval.ts";
import { type Condition, conditionOf, type Definition, type DefinitionStatus, isTrue, type Names } from "./contract.ts";

/** What a group has besides the definition: the names accepted for others, and built-in kinds. */
export interface Taken {
  readonly resources: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

export function takenNames(
  name: string,
  group: string,
  definitions: Iterable<Definition>,
  rows: Iterable<ResourceRow>,
): Taken {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  const add = (
    plural: string,
    singular: string | undefined,
    short: readonly string[],
    ...own: (string | undefined)[]
  ) => {
    for (const one of [plural, singular, ...short]) if (one) resources.add(one);
    for (const kind of own) if (kind) kinds.add(kind);
  };
  for (const other of definitions) {
    if (other.metadata.name === name || other.spec.group !== group) continue;
    const names = other.status?.acceptedNames;
    if (names) add(names.plural, names.singular, names.shortNames ?? [], names.kind, names.listKind);
  }
  for (const row of rows) {
    if (row.custom || row.group !== group) continue;
    add(row.plural, row.singular, row.shortNames, row.kind, row.listKind);
  }
  return { resources, kinds };
}

/** The status that the definition should have; `now` in the wire's form. */
export function namedStatus(definition: Definition, taken: Taken, now: string): DefinitionStatus {
  const { names, accepted } = acceptedNames(definition, taken);
  const good = accepted.status === "True";
  let conditions = withCondition(mutable(definition), accepted, now);
  if (good || !isTrue(definition, "Established")) conditions = withCondition(conditions, established(good), now);
  conditions = withApproval(definition, conditions, now);
  return { ...definition.status, acceptedNames: names, conditions };
}

type Settled = Condition & { lastTransitionTime?: string };

const mutable = ({ status }: Definition): Settled[] => [...(status?.conditions ?? [])];

const established = (good: boolean): Condition =>
  good
    ? {
        type: "Established",
        status: "True",
        reason: "InitialNamesAccepted",
        message: "the initial names have been accepted",
      }
    : { type: "Established", status: "False", reason: "NotAccepted", message: "not all names are accepted" };

function acceptedNames(definition: Definition, taken: Taken): { names: Names; accepted: Condition } {
  const asked = definition.spec.names;
  const has: Partial<Names> = definition.status?.acceptedNames ?? {};
  let accepted: Condition = {
    type: "NamesAccepted",
    status: "True",
    reason: "NoConflicts",
    message: "no conflicts found",
  };
  const refuse = (what: string, names: readonly string[]) => {
    const message = names.map((name) => `${JSON.stringify(name)} is already in use`);
    const text = message.length === 1 ? message[0]! : `[${message.join(", ")}]`;
    accepted = { type: "NamesAccepted", status: "False", reason: `${what}Conflict`, message: text };
  };
  const one = (what: string, wanted: string | undefined, own: string | undefined, used: ReadonlySet<string>) => {
    if (wanted === undefined || wanted === own || !used.has(wanted)) return wanted;
    refuse(what, [wanted]);
    return own;
  };
  const plural = one("Plural", asked.plural, has.plural, taken.resources) ?? "";
  const singular = one("Singular", asked.singular, has.singular, taken.resources);
  const clashing = (asked.shortNames ?? []).filter(
    (name) => !has.shortNames?.includes(name) && taken.resources.has(name),
  );
  if (clashing.length > 0) refuse("ShortNames", clashing);
  const shortNames = clashing.length > 0 ? has.shortNames : asked.shortNames;
  const kind = one("Kind", asked.kind, has.kind, taken.kinds) ?? "";
  const listKind = one("ListKind", asked.listKind, has.listKind, taken.kinds);
  const names: Names = {
    plural,
    kind,
    ...(singular ? { singular } : {}),
    ...(shortNames?.length ? { shortNames } : {}),
    ...(listKind ? { listKind } : {}),
    ...(asked.categories?.length ? { categories: asked.categories } : {}),
  };
  return { names, accepted };
}

function withApproval(definition: Definition, conditions: Settled[], now: string): Settled[] {
  const type = "KubernetesAPIApprovalPolicyConformant";
  const approval = approvalOf(definition);
  if (!approval) return withoutCondition(conditions, type);
  const condition = (status: string, reason: string, message: string) =>
    withCondition(conditions, { type, status, reason, message }, now);
  switch (approval.state) {
    case "approved":
      return condition("True", "ApprovedAnnotation", approval.message);
    case "bypassed":
      return condition("False", "UnapprovedAnnotation", approval.message);
    case "missing":
      return condition("False", "MissingAnnotation", approval.message);
    case "invalid":
      return condition("False", "InvalidAnnotation", approval.message);
  }
}

/** Whether the definition is served: its names were accepted once. */
export const isEstablished = (definition: Definition): boolean => isTrue(definition, "Established");

export const isTerminating = (definition: Definition): boolean =>
  definition.metadata.deletionTimestamp !== undefined || isTrue(definition, "Terminating");

export const terminating = (status: string, reason: string, message: string): Condition => ({
  type: "Terminating",
  status,
  reason,
  message,
});

export const terminatingReason = (definition: Definition): string =>
  conditionOf(definition, "Terminating")?.reason ?? "";
