/**
 * CEL: expressions compiled and run. The room's front; others come in by lazy.ts.
 *
 * Compile: parse (parse.ts), check types (check.ts), look at literals, plan (plan.ts). What fails to compile
 * throws CelCompileError with every mistake in it.
 */
import { check } from "./check.ts";
import {
  type Budget,
  type Cel,
  CelCompileError,
  type CelObjectType,
  type CelProgram,
  CelRuntimeError,
  type CelType,
  type CelValue,
  type CompileOptions,
  type CostEstimate,
  celLimits,
} from "./contract.ts";
import { type Overload, types } from "./declarations.ts";
import { estimate } from "./estimate.ts";
import { Functions } from "./functions.ts";
import { fromJson, LazyFields } from "./json-values.ts";
import { authorizers, authorizerTypes, authorizerValue, resourceCheckValue } from "./library/authorizer.ts";
import { conversions } from "./library/conversions.ts";
import { formatTypes, namedFormats } from "./library/formats.ts";
import { ips, ipTypes } from "./library/ip.ts";
import { jsonPatches } from "./library/json-patches.ts";
import { lists } from "./library/lists.ts";
import { operators } from "./library/operators.ts";
import { optionals } from "./library/optionals.ts";
import { quantities, quantityTypes } from "./library/quantity.ts";
import { Patterns, regex } from "./library/regex.ts";
import { semvers, semverTypes } from "./library/semver.ts";
import { strings } from "./library/strings.ts";
import { times } from "./library/time.ts";
import { urls, urlTypes } from "./library/urls.ts";
import { checkLiterals } from "./literals.ts";
import { misplaced } from "./misplaced.ts";
import { parse } from "./parse.ts";
import { Frame, plan } from "./plan.ts";
import { messageType, schemaType } from "./schema-type.ts";
import { compileError, type Issue } from "./source.ts";
import { type Expr, parts } from "./syntax.ts";
import { toJson } from "./to-json.ts";
import { assignable, isDyn, typeName } from "./type-relations.ts";
import type { Value } from "./values.ts";

const patterns = new Patterns();

const overloads: readonly Overload[] = [
  ...operators,
  ...conversions,
  ...strings,
  ...times,
  ...lists,
  ...regex(patterns),
  ...optionals,
  ...urls,
  ...quantities,
  ...ips,
  ...namedFormats,
  ...semvers,
  ...authorizers,
];

const namedTypes = {
  ...urlTypes,
  ...quantityTypes,
  ...ipTypes,
  ...formatTypes,
  ...semverTypes,
  ...authorizerTypes,
};
const functions = new Functions(overloads, namedTypes);
const withPatches = once(() => new Functions([...overloads, ...jsonPatches], namedTypes));

export const cel: Cel = {
  compile,
  schemaType,
  messageType,
  authorizer: authorizerValue,
  resourceCheck: resourceCheckValue,
  error: (message) => new CelRuntimeError(message),
  misplaced: ({ value }) => misplaced(value as Value),
  lazyObject: (type: CelObjectType, makers) =>
    new LazyFields(
      type.name,
      Object.fromEntries(
        Object.entries(makers).map(([name, make]) => [
          name,
          once(() => fromJson(make(), type.field(name)?.type ?? types.dyn)),
        ]),
      ),
    ),
};

/** Worked out at the first call; an error is kept too. */
function once<T>(make: () => T): () => T {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  return () => {
    if (!outcome) {
      try {
        outcome = { value: make() };
      } catch (error) {
        outcome = { error };
      }
    }
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  };
}

function compile(expression: string, options: CompileOptions): CelProgram {
  try {
    return compileWithin(expression, options);
  } catch (error) {
    // "1+1+1+…" by the ten thousand is a tree as deep as it is long
    if (!(error instanceof RangeError)) throw error;
    throw compileError("", [{ at: 0, message: "expression recursion limit exceeded" }]);
  }
}

function compileWithin(expression: string, { variables, result, messages, patches }: CompileOptions): CelProgram {
  const qualified = new Set(Object.keys(variables).filter((name) => name.includes(".")));
  const tree = parse(expression, qualified);
  const issues: Issue[] = [];
  const known = patches ? withPatches() : functions;
  const type = check(tree, { variables, functions: known, ...(messages ? { messages } : {}) }, issues);
  if (issues.length === 0) checkLiterals(tree, patterns, issues);
  if (issues.length > 0) throw compileError(expression, issues);
  if (result && !isDyn(type) && !result.some((wanted) => assignable(wanted, type, new Map()))) {
    throw new CelCompileError(
      result.length === 1 && result[0]
        ? `must evaluate to ${resultName(result[0])}`
        : `must evaluate to one of [${result.map(resultName).join(" ")}]`,
    );
  }
  const program = new Program(expression, tree, type, variables);
  program.estimate(); // as deep as anything that will be done with it
  return program;
}

/** Results are named by cel-go's own names of types, mistakes within expressions are not. */
const resultName = (type: CelType): string => (type.kind === "null" ? "null_type" : typeName(type));

class Program implements CelProgram {
  readonly expression: string;
  readonly type: CelType;
  private readonly tree: Expr;
  private readonly run: (frame: Frame) => Value;
  private cost: CostEstimate | undefined;

  constructor(expression: string, tree: Expr, type: CelType, variables: CompileOptions["variables"]) {
    this.expression = expression;
    this.tree = tree;
    this.type = type;
    this.run = plan(tree, variables);
  }

  uses(variable: string): boolean {
    return names(this.tree, variable);
  }

  estimate(): CostEstimate {
    this.cost ??= estimate(this.tree);
    return this.cost;
  }

  evaluate(bindings: Readonly<Record<string, unknown>>, budget?: Budget): CelValue {
    const frame = new Frame(bindings, Math.min(celLimits.perCallCost, budget?.remaining ?? Number.POSITIVE_INFINITY));
    try {
      return new Outcome(this.run(frame));
    } catch (error) {
      // Values nested too deep for the stack, as in a list of lists of lists.
      if (error instanceof RangeError) throw new CelRuntimeError("evaluation nested too deep");
      throw error;
    } finally {
      if (budget) budget.remaining -= frame.cost;
    }
  }
}

/** Whether a name is used where no loop's variable hides it. */
function names(expr: Expr, variable: string): boolean {
  if (expr.kind === "ident") return expr.name === variable;
  if (expr.kind === "fold" && (expr.iter === variable || expr.iter2 === variable)) {
    return names(expr.range, variable) || names(expr.init, variable);
  }
  return parts(expr).some((part) => names(part, variable));
}

class Outcome implements CelValue {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
  get isNull(): boolean {
    return this.value === null;
  }
  boolean(): boolean | undefined {
    return typeof this.value === "boolean" ? this.value : undefined;
  }
  string(): string | undefined {
    return typeof this.value === "string" ? this.value : undefined;
  }
  json(): unknown {
    return toJson(this.value);
  }
}
