/**
 * Policy params: the objects that a binding gives a policy as its parameters.
 */

import type * as models from "@kubernetes/client-node";
import { fromLabelSelector, matches } from "../../machinery/objects/selectors.ts";
import type { StoredObject, Wire } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { AdmissionServices } from "./contract.ts";

/** A mistake in how policy and binding are set up; failurePolicy decides what it means. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  /** Whether the binding or the policy itself is meant. */
  readonly of: "policy" | "binding";
  constructor(of: "policy" | "binding", message: string) {
    super(message);
    this.of = of;
  }
}

/** Of policies and bindings of both kinds. */
interface WithParamKind {
  readonly spec?: { readonly paramKind?: Wire<models.V1ParamKind> };
}
interface WithParamRef {
  readonly spec?: { readonly paramRef?: Wire<models.V1ParamRef> };
}

/** The row of the policy's paramKind; undefined where it has none. */
export function paramRow({ spec }: WithParamKind, rows: () => readonly ResourceRow[]): ResourceRow | undefined {
  const kind = spec?.paramKind;
  if (!kind) return undefined;
  const { apiVersion = "", kind: name = "" } = kind;
  const row = rows().find((one) => one.kind === name && versionOf(one) === apiVersion && one.verbs.includes("list"));
  if (row) return row;
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  throw new ConfigurationError(
    "policy",
    `failed to find resource referenced by paramKind: '${group}/${version}, Kind=${name}'`,
  );
}

const versionOf = ({ group, version }: ResourceRow): string => (group ? `${group}/${version}` : version);

/** Undefined among them: evaluated once, without params. Empty: nothing to evaluate with. */
export async function collectParams(
  row: ResourceRow | undefined,
  { spec }: WithParamRef,
  namespace: string,
  { objects, read }: AdmissionServices,
): Promise<readonly (StoredObject | undefined)[]> {
  const paramRef = spec?.paramRef;
  if (!row || !paramRef) return [undefined];
  const within = namespaceFor(row, paramRef.namespace, namespace);
  const resource = row.group ? `${row.plural}.${row.group}` : row.plural;
  const found: StoredObject[] = [];
  if (paramRef.name) {
    if (paramRef.selector) {
      throw new ConfigurationError("binding", "paramRef.name and paramRef.selector are mutually exclusive");
    }
    const object = objects.get(resource, within, paramRef.name) ?? (await read(resource, within, paramRef.name));
    if (object) found.push(object);
  } else if (paramRef.selector) {
    const selector = fromLabelSelector(paramRef.selector);
    for (const object of objects.list(resource, within || undefined)) {
      if (matches(selector, object.metadata.labels)) found.push(object);
    }
  }
  if (found.length === 0 && paramRef.parameterNotFoundAction === "Deny") {
    throw new ConfigurationError("binding", "no params found for policy binding with `Deny` parameterNotFoundAction");
  }
  return found;
}

function namespaceFor({ namespaced }: ResourceRow, asked: string | undefined, namespace: string): string {
  if (!namespaced) {
    if (!asked) return "";
    throw new ConfigurationError("binding", "paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
  }
  if (asked || namespace) return asked || namespace;
  throw new ConfigurationError(
    "binding",
    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
  );
}
