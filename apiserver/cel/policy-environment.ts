/**
 * Policy environment: the variables that expressions of admission policies and webhooks may use, and their types.
 *
 * Pure: rules of the kinds ask `checkExpression` when a policy is written, the plugins compile with the same.
 * Objects are dyn, as in Kubernetes: a policy may match many kinds.
 */
import {
  authorizerType,
  type CelField,
  type CelObjectType,
  type CelType,
  type CompileOptions,
  dyn,
  listOf,
  mapOf,
  resourceCheckType,
  string,
} from "./contract.ts";
import { cel } from "./lazy.ts";

type Shape = Readonly<Record<string, CelType>>;

export function objectType(name: string, shape: Shape): CelObjectType {
  const fields = new Map<string, CelField>();
  for (const [field, type] of Object.entries(shape)) fields.set(field, { type, required: false, jsonName: field });
  return { kind: "object", name, field: (field) => fields.get(field) };
}

const int: CelType = { kind: "int" };
const timestamp: CelType = { kind: "timestamp" };
const texts = listOf(string);

const kindType = objectType("kubernetes.GroupVersionKind", { group: string, version: string, kind: string });
const resourceType = objectType("kubernetes.GroupVersionResource", {
  group: string,
  version: string,
  resource: string,
});

const requestType = objectType("kubernetes.AdmissionRequest", {
  kind: kindType,
  resource: resourceType,
  subResource: string,
  requestKind: kindType,
  requestResource: resourceType,
  requestSubResource: string,
  name: string,
  namespace: string,
  operation: string,
  userInfo: objectType("kubernetes.UserInfo", {
    username: string,
    uid: string,
    groups: texts,
    extra: mapOf(string, texts),
  }),
  dryRun: { kind: "bool" },
  options: dyn,
});

const namespaceType = objectType("kubernetes.Namespace", {
  metadata: objectType("kubernetes.NamespaceMetadata", {
    name: string,
    generateName: string,
    namespace: string,
    labels: mapOf(string, string),
    annotations: mapOf(string, string),
    UID: string,
    creationTimestamp: timestamp,
    deletionGracePeriodSeconds: int,
    deletionTimestamp: timestamp,
    generation: int,
    resourceVersion: string,
    finalizers: texts,
  }),
  spec: objectType("kubernetes.NamespaceSpec", { finalizers: texts }),
  status: objectType("kubernetes.NamespaceStatus", { phase: string }),
});

export interface PolicyEnvironment {
  /** Where the policy has a paramKind. */
  readonly params?: boolean;
  readonly authorizer?: boolean;
  /** Types of the policy's own variables, those that stand before. */
  readonly variables?: Shape;
  /** Where only these may be named: matchConditions of webhooks know no namespace. */
  readonly withoutNamespace?: boolean;
  /** Types known of the objects: for warnings about a policy, never to run it. */
  readonly object?: CelType;
  readonly paramType?: CelType;
}

export const variablesType = (shape: Shape): CelObjectType => objectType("kubernetes.variables", shape);

export function policyVariables(environment: PolicyEnvironment): Shape {
  const { object = dyn, paramType = dyn, variables } = environment;
  return {
    object,
    oldObject: object,
    request: requestType,
    ...(environment.withoutNamespace ? {} : { namespaceObject: namespaceType }),
    ...(environment.params ? { params: paramType } : {}),
    ...(environment.authorizer ? { authorizer: authorizerType, "authorizer.requestResource": resourceCheckType } : {}),
    ...(variables ? { variables: variablesType(variables) } : {}),
  };
}

const anyField = (name: string): CelField => ({ type: dyn, required: false, jsonName: name });

/** `Object.spec{…}`: its fields are not known, for the policy may match many kinds. */
const partOfObject = (name: string): CelObjectType => ({ kind: "object", name, field: anyField, byJsonName: anyField });

const patchType = objectType("JSONPatch", { op: string, path: string, from: string, value: dyn });

/** What an expression gives that changes objects. */
export const mutationTypes: Readonly<Record<string, CelType>> = {
  ApplyConfiguration: partOfObject("Object"),
  JSONPatch: listOf(patchType),
};

/** What such an expression may write besides what all may. */
export const mutationOptions = {
  patches: true,
  messages: (name: string): CelType | undefined => {
    if (name === "JSONPatch") return patchType;
    return name === "Object" || name.startsWith("Object.") ? partOfObject(name) : undefined;
  },
} as const;

export interface CheckedExpression {
  /** Why it does not compile, as for a field error: "compilation failed: ERROR: <input>:1:1: …". */
  readonly error?: string;
  /** Of an expression that compiles. */
  readonly type?: CelType;
}

/** Compiles and forgets. `result`: the types that the expression may have. */
export function checkExpression(
  expression: string,
  environment: PolicyEnvironment,
  result?: readonly CelType[],
  more: Pick<CompileOptions, "messages" | "patches"> = {},
): CheckedExpression {
  try {
    const variables = policyVariables(environment);
    const { type } = cel().compile(expression, { variables, ...(result ? { result } : {}), ...more });
    return { type };
  } catch (error) {
    if ((error as Error).name === "CelCompileError") return { error: (error as Error).message };
    throw error;
  }
}
