/**
 * ObjectMeta: the rules that metadata keeps in every kind.
 *
 * Names differ by kind: a row says which rule its names keep (row.ts). The generic code has already
 * filled in what only the server sets: name from generateName, uid, creationTimestamp, namespace.
 */
import {
  asPrefix,
  dns1123Label,
  labelValue as labelValueRule,
  qualifiedName,
  type Rule,
} from "../../machinery/objects/names.ts";
import type { KubeObject, ObjectMeta, OwnerReference } from "../../machinery/objects/wire.ts";
import type { FieldErrors } from "./field-errors.ts";
import type { At } from "./path.ts";

const ANNOTATION_BYTES = 256 * 1024;
const STANDARD_FINALIZERS: ReadonlySet<string> = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

export interface MetaRules {
  readonly namespaced: boolean;
  readonly nameRule: Rule;
  /** Outside of Kubernetes' own groups a finalizer needs no domain before it. */
  readonly anyFinalizer?: boolean;
}

export function validateObjectMeta(metadata: ObjectMeta, rules: MetaRules, errors: FieldErrors): void {
  const { namespaced, nameRule } = rules;
  const { generateName, name, namespace, generation } = metadata;
  if (generateName) each(asPrefix(nameRule)(generateName), "metadata.generateName", generateName, errors);
  if (!name) errors.required("metadata.name", "name or generateName is required");
  else each(nameRule(name), "metadata.name", name, errors);
  validateNamespace(namespace, namespaced, errors);
  if (generation !== undefined && generation < 0) {
    errors.invalid("metadata.generation", generation, "must be greater than or equal to 0");
  }
  validateObjectMetaParts({ metadata }, rules, errors);
}

function validateNamespace(namespace: string | undefined, namespaced: boolean, errors: FieldErrors): void {
  if (!namespaced) {
    if (namespace) errors.forbidden("metadata.namespace", "not allowed on this type");
  } else if (!namespace) errors.required("metadata.namespace");
  else each(dns1123Label(namespace), "metadata.namespace", namespace, errors);
}

export function validateLabels(
  labels: Readonly<Record<string, string>> | undefined,
  path: At,
  errors: FieldErrors,
): void {
  for (const key in labels) {
    each(qualifiedName(key), path, key, errors);
    each(labelValueRule(labels[key]!), path, labels[key], errors);
  }
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: At,
  errors: FieldErrors,
): void {
  let size = 0;
  for (const key in annotations) {
    each(qualifiedName(key.toLowerCase()), path, key, errors);
    size += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (size > ANNOTATION_BYTES) errors.tooLong(path, ANNOTATION_BYTES);
}

function validateOwners(owners: readonly OwnerReference[] | undefined, errors: FieldErrors): void {
  let controller: string | undefined;
  for (const owner of owners ?? []) {
    const path = "metadata.ownerReferences";
    if (!owner.apiVersion) errors.invalid(`${path}.apiVersion`, owner.apiVersion ?? "", "version must not be empty");
    for (const field of ["kind", "name", "uid"] as const) {
      if (!owner[field]) errors.invalid(`${path}.${field}`, owner[field] ?? "", "must not be empty");
    }
    if (owner.apiVersion === "v1" && owner.kind === "Event") {
      errors.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner");
    }
    if (!owner.controller) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller !== undefined) {
      errors.invalid(
        path,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
      );
    }
    controller = name;
  }
}

function validateFinalizers(finalizers: readonly string[] | undefined, errors: FieldErrors): void {
  if (!finalizers || finalizers.length === 0) return;
  for (const finalizer of finalizers) each(qualifiedName(finalizer), "metadata.finalizers", finalizer, errors);
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    errors.invalid("metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
  }
}

function validateQualified(finalizers: readonly string[] = [], errors: FieldErrors): void {
  for (const [index, finalizer] of finalizers.entries()) {
    if (finalizer.includes("/") || STANDARD_FINALIZERS.has(finalizer)) continue;
    const detail = "name is neither a standard finalizer name nor is it fully qualified";
    errors.invalid(`metadata.finalizers[${index}]`, finalizer, detail);
  }
}

/** What an update may not touch. Absent means unchanged: the server fills it in again. */
const IMMUTABLE = [
  "name",
  "namespace",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const satisfies readonly (keyof ObjectMeta)[];

export function validateObjectMetaUpdate({ metadata }: KubeObject, old: KubeObject, errors: FieldErrors): void {
  if (old.metadata.deletionTimestamp) validateNoNewFinalizers(metadata, old.metadata, errors);
  if ((metadata.generation ?? 0) < (old.metadata.generation ?? 0) && metadata.generation !== undefined) {
    errors.invalid("metadata.generation", metadata.generation, "must not be decremented");
  }
  for (const field of IMMUTABLE) {
    if (metadata[field] !== undefined && metadata[field] !== old.metadata[field]) {
      errors.invalid(`metadata.${field}`, metadata[field], "field is immutable");
    }
  }
}

/** What stands in metadata and is judged also where an update changes nothing else but the status. */
export function validateObjectMetaParts(
  { metadata }: Pick<KubeObject, "metadata">,
  { anyFinalizer = false }: Pick<MetaRules, "anyFinalizer">,
  errors: FieldErrors,
): void {
  validateLabels(metadata.labels, "metadata.labels", errors);
  validateAnnotations(metadata.annotations, "metadata.annotations", errors);
  validateOwners(metadata.ownerReferences, errors);
  validateFinalizers(metadata.finalizers, errors);
  if (!anyFinalizer) validateQualified(metadata.finalizers, errors);
}

function validateNoNewFinalizers(metadata: ObjectMeta, old: ObjectMeta, errors: FieldErrors): void {
  const added = (metadata.finalizers ?? []).filter((one) => !old.finalizers?.includes(one)).sort();
  if (added.length === 0) return;
  const shown = `[]string{${added.map((one) => JSON.stringify(one)).join(", ")}}`;
  errors.forbidden(
    "metadata.finalizers",
    `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`,
  );
}

/** Every message of a rule becomes an error of its own. */
export function each(messages: readonly string[], path: At, value: unknown, errors: FieldErrors): void {
  if (messages.length === 0) return;
  for (const message of messages) errors.invalid(path, value ?? "", message);
}
