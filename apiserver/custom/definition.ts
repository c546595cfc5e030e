/**
 * Definition: what is particular to the kind CustomResourceDefinition itself.
 *
 * Its rules stand in definition-rules.ts; who serves what it defines in definitions.ts and registry.ts.
 */
import { withCondition } from "../../machinery/objects/conditions.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Strategy } from "../resources/contract.ts";
import { CLEANUP_FINALIZER, type Definition, type DefinitionSpec, type DefinitionStatus } from "./contract.ts";
import { validateDefinition, validateDefinitionUpdate, validateNames } from "./definition-rules.ts";
import { terminating } from "./naming.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One without a spec reads as one whose spec lacks everything. */
function asDefinition(object: KubeObject): Definition {
  const definition = object as unknown as Definition;
  return definition.spec ? definition : { ...definition, spec: {} as DefinitionSpec };
}

export const definitionStrategy: Strategy = {
  deletionFinalizer: CLEANUP_FINALIZER,
  allowUnconditionalUpdate: false,
  defaults(object) {
    defaultSpec(object["spec"] as Mutable<DefinitionSpec> | undefined);
    rememberStorage(object);
  },
  prepareForCreate(object) {
    object["status"] = { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: [] };
  },
  markDeleted(object) {
    const status = (object["status"] ?? {}) as Mutable<DefinitionStatus>;
    const condition = terminating(
      "True",
      "InstanceDeletionPending",
      "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    );
    const now = String(object.metadata.deletionTimestamp);
    object["status"] = { ...status, conditions: withCondition([...(status.conditions ?? [])], condition, now) };
  },
  validateCreate: (object, errors) => validateDefinition(asDefinition(object), undefined, errors),
  validateUpdate(object, old, errors) {
    const [definition, before] = [asDefinition(object), asDefinition(old)];
    // what is stored was judged when it was written: metadata alone, a finalizer, is no reason to do it again
    if (!equalJson(definition.spec, before.spec)) validateDefinition(definition, before, errors);
    validateDefinitionUpdate(definition, before, errors);
  },
  validateStatusUpdate(object, _old, errors) {
    const { acceptedNames } = asDefinition(object).status ?? {};
    if (acceptedNames) validateNames(acceptedNames, "status.acceptedNames", errors);
  },
};

function defaultSpec(spec: Mutable<DefinitionSpec> | undefined): void {
  if (!spec) return;
  const { names } = spec;
  if (names?.kind) {
    const { singular = names.kind.toLowerCase(), listKind = `${names.kind}List` } = names;
    spec.names = {
      ...names,
      singular: singular || names.kind.toLowerCase(),
      listKind: listKind || `${names.kind}List`,
    };
  }
  spec.conversion ??= { strategy: "None" };
  const service = spec.conversion.webhook?.clientConfig?.service as { port?: number } | undefined;
  if (service) service.port ??= 443;
}

/** Objects may be stored in every version that once was the storage version. */
function rememberStorage(object: KubeObject): void {
  const status = object["status"] as Mutable<DefinitionStatus> | undefined;
  const spec = object["spec"] as DefinitionSpec | undefined;
  const storage = spec?.versions?.find((one) => one.storage)?.name;
  if (!status || !storage || status.storedVersions?.includes(storage)) return;
  status.storedVersions = [...(status.storedVersions ?? []), storage];
}
