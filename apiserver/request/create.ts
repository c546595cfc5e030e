/**
 * Create: a new object from a request's body to the store, in the order of the pipeline.
 *
 * decode ► place ► admit (mutate) ► default ► validate ► admit (validate) ► store
 */
import { ApiError, alreadyExists } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { admissionRequest } from "./admission-request.ts";
import { decodeObject, readObject } from "./body.ts";
import { causeOf } from "./commit.ts";
import { type Outcome, qualified, type ResourceExchange, type Step } from "./contract.ts";
import { track } from "./field-manager.ts";
import { fillForCreate, generatedName, placeInNamespace } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { respondObject } from "./respond.ts";
import { judged } from "./wide-integers.ts";

export const create: Step = async (exchange) => {
  const { record, row, info, server, warnings } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "CreateOptions");
  const body = readObject(server, record, row);
  const object = decodeObject(server, body, row, fieldValidation, warnings);
  placeInNamespace(row, object, info.namespace);
  return respondObject(exchange, await createObject(exchange, object, dryRun));
};

/** `object` is the caller's own and decoded; it becomes the stored one. `applied`: its managedFields are made. */
export async function createObject(
  exchange: ResourceExchange,
  object: KubeObject,
  dryRun: boolean,
  applied = false,
): Promise<Outcome> {
  const { server, row } = exchange;
  const { metadata } = object;
  const prefix = metadata.name ? "" : (metadata.generateName ?? "");
  if (prefix) metadata.name = generatedName(server.clock, prefix);
  judged(row, object, () => row.strategy.defaults?.(object));
  if (!applied) track(exchange, undefined, object, "");

  const request = admissionRequest(exchange, {
    operation: "CREATE",
    subresource: "",
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    object,
    dryRun,
  });
  await server.admission.mutate(request);
  fillForCreate(object, server.clock, row.strategy.noGeneration !== true);
  judged(row, object, () => applyRules(exchange, object));
  await server.admission.validate(request);
  return store(exchange, object, prefix, dryRun);
}

/** What is particular to the kind: prepares, defaults, validates. Throws 422 with everything that is wrong. */
function applyRules({ row, user, server, warnings }: ResourceExchange, object: KubeObject): void {
  const { strategy } = row;
  strategy.prepareForCreate?.(object, { user: user.name, identity: user, now: server.clock.now() });
  strategy.defaults?.(object);
  const errors = new FieldErrors();
  strategy.validate?.(object, errors);
  strategy.validateCreate?.(object, errors);
  errors.throwIfAny(row.group, row.kind, object.metadata.name ?? "");
  warnings.push(...(strategy.warnings?.(object) ?? []));
}

/** Writes it; a generated name that is taken is generated anew. */
async function store(
  exchange: ResourceExchange,
  object: KubeObject,
  prefix: string,
  dryRun: boolean,
): Promise<Outcome> {
  const { record, server, row, cache } = exchange;
  const { metadata } = object;
  for (let attempt = 1; ; attempt++) {
    const name = metadata.name ?? "";
    const key = { namespace: metadata.namespace, name };
    if (dryRun) {
      if (!(await cache.get(key))) return { status: 201, object };
    } else {
      // a client that is gone may be followed by another, which does not expect this object any more
      if (record.signal.aborted) throw new ApiError("Timeout", "the client went away before its object was stored");
      const also = await server.allocate(row, object, undefined);
      const outcome = await cache.write({
        type: "put",
        ...key,
        expected: 0,
        cause: causeOf(exchange),
        object,
        ...(also ? { also } : {}),
      });
      if (outcome.committed) return { status: 201, object: outcome.item.object, item: outcome.item };
      also?.undo();
      // Only an address that was chosen has been taken meanwhile: choose another.
      if (!outcome.current && attempt < limits.commitAttempts) continue;
    }
    if (!prefix) throw alreadyExists(qualified(row), name);
    if (attempt >= limits.generateNameAttempts) throw serverTimeout(row, prefix);
    metadata.name = generatedName(server.clock, prefix);
  }
}

function serverTimeout(row: ResourceExchange["row"], prefix: string): ApiError {
  return new ApiError(
    "AlreadyExists",
    `${qualified(row)} "${prefix}" already exists, the server was not able to generate a unique name for the object`,
    {
      name: prefix,
      kind: row.plural,
      retryAfterSeconds: 1,
    },
  );
}
