/**
 * Eviction: a delete that PodDisruptionBudgets may refuse (429).
 *
 * A budget's status.disruptionsAllowed is what its controller found; each eviction takes one from it in
 * the way of all writes, so that several cannot share the last one.
 */

import { cloneJson } from "../../machinery/objects/json-value.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, matches } from "../../machinery/objects/selectors.ts";
import { ApiError, badRequest, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject, LabelSelector, StoredObject } from "../../machinery/objects/wire.ts";
import { admitted } from "./admission-request.ts";
import { decodeObject, readObject } from "./body.ts";
import { changeObject } from "./commit.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { deleteObject, deleteOptions } from "./delete.ts";
import { writeOptions } from "./options.ts";
import { respondSuccess } from "./respond.ts";

const EVICTION = { group: "policy", version: "v1", kind: "Eviction" } as const;

interface Budget extends StoredObject {
  spec?: { selector?: LabelSelector };
  status?: { disruptionsAllowed?: number; observedGeneration?: number; disruptedPods?: Record<string, string> };
}

export const evict: Step = async (exchange) => {
  const { record, info, server, warnings, cache, row } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "CreateOptions");
  const body = readObject(server, record, EVICTION);
  const eviction = decodeObject(server, body, EVICTION, fieldValidation, warnings);
  const given = eviction.metadata.name;
  if (given && given !== info.name) throw badRequest("name in URL does not match name in Eviction object");
  await admitted(exchange, { operation: "CREATE", kind: EVICTION, object: eviction, dryRun });

  const name = { namespace: info.namespace, name: info.name };
  const item = await cache.get(name);
  if (!item) throw notFound(qualified(row), info.name);
  const pod = item.object as unknown as Pod;
  if (!finished(pod) && !pod.metadata.deletionTimestamp) await takeFromBudgets(exchange, pod, dryRun);

  const options = deleteOptions({
    server,
    record: {
      ...record,
      query: new URLSearchParams(),
      body: { kind: "object", value: eviction["deleteOptions"] ?? {} },
    },
  });
  await deleteObject(exchange, name, {
    ...options,
    dryRun,
    alreadyAdmitted: true,
    preconditions: { ...options.preconditions, uid: pod.metadata.uid },
  });
  return respondSuccess(undefined, 201);
};

const finished = ({ status, spec }: Pod): boolean =>
  status?.phase === "Succeeded" || status?.phase === "Failed" || !spec?.nodeName;

async function takeFromBudgets(exchange: ResourceExchange, pod: Pod, dryRun: boolean): Promise<void> {
  const { server } = exchange;
  const row = server.resources.find("policy", "v1", "poddisruptionbudgets");
  if (!row) return;
  const budgets = [...server.objects.list("poddisruptionbudgets.policy", pod.metadata.namespace)] as Budget[];
  const concerned = budgets.filter(({ spec }) => matches(fromLabelSelector(spec?.selector), pod.metadata.labels));
  if (concerned.length > 1)
    throw new ApiError(
      "InternalError",
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  const [budget] = concerned;
  if (!budget) return;
  const { namespace, name } = budget.metadata;
  const ofBudget = { ...exchange, row, cache: server.resources.cache(row) };
  await changeObject(ofBudget, { namespace, name }, dryRun, ({ object }) => {
    const taken = cloneJson(object) as KubeObject as Budget;
    const allowed = taken.status?.disruptionsAllowed ?? 0;
    if (allowed <= 0) throw refused(name);
    taken.status = { ...taken.status, disruptionsAllowed: allowed - 1 };
    delete (taken.metadata as { resourceVersion?: string }).resourceVersion;
    return { kind: "put", object: taken };
  });
}

function refused(budget: string): ApiError {
  return new ApiError("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [
      {
        reason: "DisruptionBudget",
        message: `The disruption budget ${budget} does not allow any more disruptions at the moment`,
      },
    ],
    retryAfterSeconds: 10,
  });
}
