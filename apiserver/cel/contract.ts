/**
 * CEL contract: what the rest of the server knows of the expression language.
 *
 * An expression is compiled once against declared types, then evaluated many times on plain JSON within a
 * budget; compiling and evaluating never do I/O and always end. Nothing of the language is in memory before
 * the first expression: ask `cel()` of lazy.ts, never import compile.ts from here or from a plugin.
 */

/** A type as an expression sees it. Objects give their fields lazily: types of built-in kinds are recursive. */
export type CelType =
  | { readonly kind: "bool" | "int" | "uint" | "double" | "null" | "any" | "error" }
  /** The size in characters or bytes, for cost. */
  | { readonly kind: "dyn" | "string" | "bytes" | "timestamp" | "duration"; readonly maxSize?: number }
  | {
      readonly kind: "list";
      readonly of: CelType;
      readonly maxSize?: number;
      /** x-kubernetes-list-type: what `==` and `+` mean for it. */
      readonly listType?: "set" | "map";
      readonly mapKeys?: readonly string[];
    }
  | { readonly kind: "map"; readonly key: CelType; readonly value: CelType; readonly maxSize?: number }
  | CelObjectType
  | { readonly kind: "optional"; readonly of: CelType }
  | { readonly kind: "type"; readonly of: CelType }
  /** A type of its own, without fields: quantity, url, authorizer. Its values are made by functions. */
  | { readonly kind: "opaque"; readonly name: string }
  /** A type parameter, in declarations of functions only. */
  | { readonly kind: "param"; readonly name: string };

export interface CelObjectType {
  readonly kind: "object";
  /** Two types are the same when their names are: "io.k8s.api.core.v1.Pod", "example.com/v1.Web.spec". */
  readonly name: string;
  field(name: string): CelField | undefined;
  /** The same by the name in JSON, where that may be another. */
  byJsonName?(name: string): CelField | undefined;
  /** Estimated size in bytes of the smallest value, for cost. */
  readonly minSerializedSize?: number;
}

export interface CelField {
  readonly type: CelType;
  readonly required: boolean;
  /** The name in JSON, where an expression has to escape it: `self.__namespace__`. */
  readonly jsonName: string;
}

export interface CompileOptions {
  /** Names that the expression may use: "self", "object", "params". */
  readonly variables: Readonly<Record<string, CelType>>;
  /** Types that the expression may have, `dyn` always among them; absent: any. */
  readonly result?: readonly CelType[];
  /** Message literals that may be written: `Object{…}`. */
  readonly messages?: (name: string) => CelType | undefined;
  /** With the functions that expressions need which write patches: jsonpatch.escapeKey. */
  readonly patches?: boolean;
}

export interface CostEstimate {
  /** Infinity where nothing bounds it. */
  readonly min: number;
  readonly max: number;
}

/** Shared by the evaluations that together may not cost more than it: one admission request, one object. */
export interface Budget {
  remaining: number;
}

export interface CelProgram {
  readonly expression: string;
  readonly type: CelType;
  /** Whether the expression names this variable at all: "oldSelf" makes a transition rule. */
  uses(variable: string): boolean;
  /** What it can cost at most with the sizes that the types say; worked out at the first call. */
  estimate(): CostEstimate;
  /**
   * `bindings` are plain JSON (frozen is fine), read by their declared types, or values that another program
   * gave. Throws CelRuntimeError; its `budgetExceeded` is set when cost ran out. Takes what it cost from the budget,
   * and may itself cost perCallLimit at most.
   */
  evaluate(bindings: Readonly<Record<string, unknown>>, budget?: Budget): CelValue;
}

/** An evaluation's outcome: `value` for a further expression, the rest for the server. */
export interface CelValue {
  /** To bind it as a variable of another program. */
  readonly value: unknown;
  readonly isNull: boolean;
  /** Undefined where it is no bool, no string. */
  boolean(): boolean | undefined;
  string(): string | undefined;
  /** As JSON; throws CelRuntimeError for what has none (types, functions' own values). */
  json(): unknown;
}

/** Told apart by `name`: the language may be loaded more than once. */
export class CelCompileError extends Error {
  override readonly name = "CelCompileError";
}

export class CelRuntimeError extends Error {
  override readonly name = "CelRuntimeError";
  readonly budgetExceeded: boolean;
  constructor(message: string, budgetExceeded = false) {
    super(message);
    this.budgetExceeded = budgetExceeded;
  }
}

/** What an `authorizer` variable asks; what is left out does not matter. */
export interface AuthorizationCheck {
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly verb?: string;
}
export type AuthorizerBinding = (check: AuthorizationCheck) => { readonly allowed: boolean; readonly reason: string };

export interface Cel {
  /** A CelRuntimeError of the loaded language, to be thrown by what a lazy field's maker finds out. */
  error(message: string): CelRuntimeError;
  /** Bindings of the types `authorizerType` and `resourceCheckType`. */
  authorizer(ask: AuthorizerBinding): unknown;
  resourceCheck(ask: AuthorizerBinding, check: AuthorizationCheck): unknown;
  /** A value whose fields are worked out when an expression first asks; `makers` give plain JSON or a CelValue's value. */
  lazyObject(type: CelObjectType, makers: Readonly<Record<string, () => unknown>>): unknown;
  /** Throws CelCompileError: "compilation failed: ERROR: <input>:1:6: undefined field 'foo'\n | …". */
  compile(expression: string, options: CompileOptions): CelProgram;
  /**
   * What messages are called that do not stand where their name says: `Object.spec{…}` belongs under the field spec of
   * `Object{…}`. As Kubernetes tells it.
   */
  misplaced(value: CelValue): readonly string[];
  /** The type of a custom kind's structural schema (an OpenAPI v3 schema as in a CustomResourceDefinition). */
  schemaType(schema: object, options?: { readonly root?: boolean; readonly name?: string }): CelType;
  /** The type of a built-in message. */
  messageType(schema: import("../schema/contract.ts").Schema, message: string): CelType;
}

/** As Kubernetes: per expression, per object (all rules together), and for estimates of custom kinds' rules. */
export const celLimits = {
  perCallCost: 1_000_000,
  objectCost: 10_000_000,
  matchConditionsCost: 2_500_000,
  ruleEstimate: 10_000_000,
  kindEstimate: 100_000_000,
} as const;

export const dyn: CelType = { kind: "dyn" };
export const bool: CelType = { kind: "bool" };
export const int: CelType = { kind: "int" };
export const string: CelType = { kind: "string" };
export const listOf = (of: CelType): CelType => ({ kind: "list", of });
export const mapOf = (key: CelType, value: CelType): CelType => ({ kind: "map", key, value });
export const optionalOf = (of: CelType): CelType => ({ kind: "optional", of });
export const authorizerType: CelType = { kind: "opaque", name: "kubernetes.authorization.Authorizer" };
export const resourceCheckType: CelType = { kind: "opaque", name: "kubernetes.authorization.ResourceCheck" };
