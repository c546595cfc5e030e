/**
 * Policy status: tells a ValidatingAdmissionPolicy what its expressions look like with the types of what it matches.
 *
 * Policies run on objects of any kind, so a misspelt field is no error when one is written; here every expression is
 * compiled once more for each kind that the rules name, and what is wrong goes to status.typeChecking. It changes
 * nothing about how the policy decides. Several servers on one store find the same; the second has nothing to write.
 */
import type { Client } from "../../machinery/client/client.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { ResourceCache } from "../cache/contract.ts";
import { follow } from "../cache/follow.ts";
import { type CelType, dyn } from "../cel/contract.ts";
import { cel } from "../cel/lazy.ts";
import { checkExpression, type PolicyEnvironment } from "../cel/policy-environment.ts";
import type { Resources } from "../request/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { Schema } from "../schema/contract.ts";
import type { Policy } from "./policy-programs.ts";

export interface PolicyStatusOptions {
  /** Where ValidatingAdmissionPolicies are kept. */
  readonly cache: ResourceCache;
  readonly client: Client;
  readonly schema: Schema;
  readonly rows: () => readonly ResourceRow[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The row of policies themselves. */
export function policiesRow(resources: Pick<Resources, "find">): ResourceRow {
  const row = resources.find("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies");
  if (!row) throw new Error("ValidatingAdmissionPolicies are not in the table of resources");
  return row;
}

export interface PolicyStatus {
  start(): void;
  /** Resolves when nothing is under way any more. */
  stopped(): Promise<void>;
}

export interface ExpressionWarning {
  readonly fieldRef: string;
  readonly warning: string;
}

const MOST_TYPES = 10;

export function createPolicyStatus(options: PolicyStatusOptions): PolicyStatus {
  const { cache, clock, log, signal } = options;

  const run = (): Promise<void> =>
    follow({
      cache,
      clock,
      signal,
      async look(name) {
        const policy = cache.peek({ name })?.object;
        if (policy) await settle(policy as unknown as Policy, options);
      },
      known: () => [],
      failed: (error) => log.warn("status of admission policies not written", { error }),
    });

  let running: Promise<void> | undefined;
  return {
    start() {
      running ??= run();
    },
    stopped: async () => running,
  };
}

async function settle(policy: Policy, { client, schema, rows }: PolicyStatusOptions): Promise<void> {
  const { generation, name, deletionTimestamp } = policy.metadata;
  if (deletionTimestamp !== undefined || policy.status?.observedGeneration === generation) return;
  const expressionWarnings = typeCheck(policy, schema, rows());
  const typeChecking = expressionWarnings.length > 0 ? { expressionWarnings } : {};
  const body = { ...cloneJson(policy), status: { ...policy.status, observedGeneration: generation, typeChecking } };
  const path = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${name}/status`;
  try {
    await client.raw({ method: "PUT", path, body });
  } catch (error) {
    // a newer version comes by the watch
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}

/** What is wrong with a policy's validations, kind by kind. */
export function typeCheck(policy: Policy, schema: Schema, rows: readonly ResourceRow[]): readonly ExpressionWarning[] {
  const matched = kindsOf(policy, rows);
  if (matched.length === 0) return [];
  const environments = matched.map((row) => ({ row, environment: environmentFor(policy, row, schema, rows) }));
  const warnings: ExpressionWarning[] = [];
  const look = (expression: string | undefined, fieldRef: string): void => {
    if (!expression) return;
    const found = environments.flatMap(({ row, environment }) => {
      const { error } = checkExpression(expression, environment);
      return error === undefined ? [] : [`${kindText(row)}: ${error.replace(/^compilation failed: /, "")}\n`];
    });
    if (found.length > 0) warnings.push({ fieldRef, warning: found.join("\n") });
  };
  (policy.spec?.validations ?? []).forEach(({ expression, messageExpression }, at) => {
    look(expression, `spec.validations[${at}].expression`);
    look(messageExpression, `spec.validations[${at}].messageExpression`);
  });
  return warnings;
}

const kindText = ({ group, version, kind }: ResourceRow): string => `${group}/${version}, Kind=${kind}`;

function environmentFor(
  policy: Policy,
  row: ResourceRow,
  schema: Schema,
  rows: readonly ResourceRow[],
): PolicyEnvironment {
  const { paramKind, variables = [] } = policy.spec ?? {};
  const param =
    paramKind && rows.find((one) => one.kind === paramKind.kind && versionText(one) === paramKind.apiVersion);
  const known: Record<string, CelType> = {};
  const environment: PolicyEnvironment = {
    authorizer: true,
    object: typeOf(row, schema),
    ...(paramKind ? { params: true, paramType: param ? typeOf(param, schema) : dyn } : {}),
    variables: known,
  };
  for (const { name = "", expression = "" } of variables) {
    known[name] = checkExpression(expression, { ...environment, variables: { ...known } }).type ?? dyn;
  }
  return environment;
}

const versionText = ({ group, version }: ResourceRow): string => (group ? `${group}/${version}` : version);

function typeOf({ group, version, kind }: ResourceRow, schema: Schema): CelType {
  const message = schema.kind(group, version, kind);
  return message ? cel().messageType(schema, message.name) : dyn;
}

/** The kinds that the rules name outright, without wildcards and subresources. */
function kindsOf({ spec }: Policy, rows: readonly ResourceRow[]): readonly ResourceRow[] {
  const found = new Set<ResourceRow>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of spec?.matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions].some((one) => one.includes("*"))) continue;
    for (const row of rows) {
      if (found.size >= MOST_TYPES) break;
      if (apiGroups.includes(row.group) && apiVersions.includes(row.version) && resources.includes(row.plural)) {
        found.add(row);
      }
    }
  }
  return [...found].sort((a, b) => (kindText(a) < kindText(b) ? -1 : 1));
}
