/**
 * Definition rules: what a CustomResourceDefinition must keep to be accepted, in Kubernetes' words.
 *
 * Kubernetes judges definitions in its internal form, in which what all versions have in common (schema, subresources,
 * columns, selectable fields) stands at the top of the spec: the fields in its errors, and so in ours, are those.
 * Schemas: schema-rules.ts; conversion: conversion-rules.ts.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import { dns1035Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
import { validateApproval } from "./approval.ts";
import { pathProblem } from "./columns.ts";
import {
  type DefinedVersion,
  type Definition,
  type DefinitionSpec,
  isTrue,
  type Names,
  type PrinterColumn,
  type Subresources,
} from "./contract.ts";
import { validateConversion } from "./conversion-rules.ts";
import { validateSchema } from "./schema-rules.ts";
import { validateSelectable } from "./selectable-rules.ts";

/** `old` on an update: what it has already is not judged more strictly than it was. */
export function validateDefinition(definition: Definition, old: Definition | undefined, errors: FieldErrors): void {
  const { spec, metadata } = definition;
  if (metadata.name !== `${spec.names?.plural ?? ""}.${spec.group ?? ""}`)
    errors.invalid("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group');
  validateSpec(spec, old, errors);
  validateApproval(definition, old, errors);
  if (spec.preserveUnknownFields && !old?.spec.preserveUnknownFields) {
    errors.invalid(
      "spec.preserveUnknownFields",
      true,
      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
    );
  }
}

export function validateDefinitionUpdate(definition: Definition, old: Definition, errors: FieldErrors): void {
  const [now, before] = [definition.spec, old.spec];
  const immutable = (path: string, value: unknown, was: unknown) => {
    if (!equalJson(value, was)) errors.invalid(path, value, "field is immutable");
  };
  if (isTrue(old, "Established")) {
    immutable("spec.scope", now.scope, before.scope);
    immutable("spec.names.kind", now.names.kind, before.names.kind);
  }
  immutable("spec.group", now.group, before.group);
  immutable("spec.names.plural", now.names.plural, before.names.plural);
  validateApproval(definition, old, errors);
  const stored = definition.status?.storedVersions ?? [];
  for (const [at, name] of stored.entries()) {
    if (now.versions.some((one) => one.name === name)) continue;
    const detail = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    errors.invalid(`status.storedVersions[${at}]`, name, detail);
  }
}

const SCOPES = ["Cluster", "Namespaced"];

function validateSpec(spec: DefinitionSpec, old: Definition | undefined, errors: FieldErrors): void {
  const { group, scope, versions = [] } = spec;
  if (!group) errors.required("spec.group");
  else if (dns1123Subdomain(group).length > 0) errors.invalid("spec.group", group, dns1123Subdomain(group).join(","));
  else if (!group.includes(".")) errors.invalid("spec.group", group, "should be a domain with at least one dot");
  if (!scope) errors.required("spec.scope");
  else if (!SCOPES.includes(scope)) errors.notSupported("spec.scope", scope, SCOPES);
  for (const [at, { schema }] of versions.entries()) {
    if (!schema?.openAPIV3Schema)
      errors.required(`spec.versions[${at}].schema.openAPIV3Schema`, "schemas are required");
  }
  validateVersions(versions, old, errors);
  validateRequiredNames(spec.names, errors);
  if (spec.conversion) validateConversion(spec.conversion, old, errors);
}

function validateVersions(versions: readonly DefinedVersion[], old: Definition | undefined, errors: FieldErrors): void {
  const common = (part: (version: DefinedVersion) => unknown): boolean => {
    const first = versions[0] && part(versions[0]);
    return first !== undefined && versions.every((one) => equalJson(part(one), first));
  };
  const shared = {
    schema: common(({ schema }) => schema),
    subresources: common(({ subresources }) => subresources),
    columns: common(({ additionalPrinterColumns }) => additionalPrinterColumns),
    selectable: common(({ selectableFields }) => selectableFields),
  };
  for (const [at, version] of versions.entries()) {
    const path = `spec.versions[${at}]`;
    const labels = dns1035Label(version.name);
    if (labels.length > 0) errors.invalid(`${path}.name`, version.name, labels.join(","));
    validateDeprecation(version, path, errors);
    const unchanged = old?.spec.versions.some(
      ({ name, schema }) => name === version.name && equalJson(schema, version.schema),
    );
    const place = (hoisted: boolean, own: string, top: string) =>
      hoisted ? (at === 0 ? top : undefined) : `${path}.${own}`;
    const schemaAt = place(shared.schema, "schema.openAPIV3Schema", "spec.validation.openAPIV3Schema");
    const schema = version.schema?.openAPIV3Schema;
    const hasStatus = version.subresources?.status !== undefined;
    if (schemaAt && schema) validateSchema(schema, schemaAt, { hasStatus, unchanged: unchanged === true }, errors);
    const subresourcesAt = place(shared.subresources, "subresources", "spec.subresources");
    if (subresourcesAt) validateSubresources(version.subresources, subresourcesAt, errors);
    const columnsAt = place(shared.columns, "additionalPrinterColumns", "spec.additionalPrinterColumns");
    if (columnsAt) validateColumns(version.additionalPrinterColumns ?? [], columnsAt, errors);
    const selectableAt = place(shared.selectable, "selectableFields", "spec.selectableFields");
    if (selectableAt && schema) validateSelectable(version.selectableFields ?? [], schema, selectableAt, errors);
  }
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    errors.invalid("spec.versions", versions, "must contain unique version names");
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.invalid("spec.versions", versions, "must have exactly one version marked as storage version");
}

function validateDeprecation(
  { deprecated, deprecationWarning }: DefinedVersion,
  path: string,
  errors: FieldErrors,
): void {
  if (deprecationWarning === undefined) return;
  const at = `${path}.deprecationWarning`;
  if (!deprecated) {
    errors.invalid(at, deprecationWarning, "can only be set for deprecated versions");
    return;
  }
  if (Buffer.byteLength(deprecationWarning) > 256)
    errors.invalid(at, deprecationWarning, "must be <= 256 characters long");
  if (deprecationWarning === "") errors.invalid(at, deprecationWarning, "must not be an empty string");
  const odd = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(deprecationWarning);
  if (odd) {
    const index = Buffer.byteLength(deprecationWarning.slice(0, odd.index));
    const detail = `must only contain printable UTF-8 characters; non-printable character found at index ${index}`;
    errors.invalid(at, deprecationWarning, detail);
  }
}

function validateRequiredNames(names: Partial<Names> = {}, errors: FieldErrors): void {
  for (const field of ["plural", "singular", "kind", "listKind"] as const) {
    if (!names[field]) errors.required(`spec.names.${field}`);
  }
  validateNames(names, "spec.names", errors);
}

/** Of the spec, and of what was accepted. */
export function validateNames(names: Partial<Names>, path: string, errors: FieldErrors): void {
  const label = (field: string, value: string | undefined) => {
    const wrong = value ? dns1035Label(value) : [];
    if (wrong.length > 0) errors.invalid(`${path}.${field}`, value, wrong.join(","));
  };
  const mixed = (field: string, value: string | undefined) => {
    const wrong = value ? dns1035Label(value.toLowerCase()) : [];
    if (wrong.length > 0)
      errors.invalid(`${path}.${field}`, value, `may have mixed case, but should otherwise match: ${wrong.join(",")}`);
  };
  label("plural", names.plural);
  label("singular", names.singular);
  mixed("kind", names.kind);
  mixed("listKind", names.listKind);
  for (const [at, one] of (names.shortNames ?? []).entries()) label(`shortNames[${at}]`, one || " ");
  if (names.kind && names.kind === names.listKind)
    errors.invalid(`${path}.listKind`, names.listKind, "kind and listKind may not be the same");
  for (const [at, one] of (names.categories ?? []).entries()) label(`categories[${at}]`, one || " ");
}

function validateSubresources(subresources: Subresources | undefined, path: string, errors: FieldErrors): void {
  const scale = subresources?.scale;
  if (!scale) return;
  const check = (field: keyof typeof scale, roots: readonly string[], where: string) => {
    const at = `${path}.scale.${field}`;
    const value = scale[field];
    if (!value) {
      if (field !== "labelSelectorPath") errors.required(at);
    } else if (!value.startsWith(".")) errors.invalid(at, value, "must be a simple json path starting with .");
    else if (!roots.some((root) => value.startsWith(root)))
      errors.invalid(at, value, `should be a json path under ${where}`);
  };
  check("specReplicasPath", [".spec."], ".spec");
  check("statusReplicasPath", [".status."], ".status");
  check("labelSelectorPath", [".spec.", ".status."], "either .spec or .status");
}

const TYPES = ["boolean", "date", "integer", "number", "string"];
const FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

function validateColumns(columns: readonly PrinterColumn[], path: string, errors: FieldErrors): void {
  for (const [index, { name, type, format, jsonPath }] of columns.entries()) {
    const at = `${path}[${index}]`;
    if (!name) errors.required(`${at}.name`);
    if (!type) errors.required(`${at}.type`, `must be one of ${TYPES.join(",")}`);
    else if (!TYPES.includes(type)) errors.invalid(`${at}.type`, type, `must be one of ${TYPES.join(",")}`);
    if (format && !FORMATS.includes(format))
      errors.invalid(`${at}.format`, format, `must be one of ${FORMATS.join(",")}`);
    if (!jsonPath) errors.required(`${at}.JSONPath`);
    else if (!jsonPath.startsWith("."))
      errors.invalid(`${at}.JSONPath`, jsonPath, "must be a simple json path starting with .");
    else {
      const problem = pathProblem(jsonPath);
      if (problem) errors.invalid(`${at}.JSONPath`, jsonPath, problem);
    }
  }
}
