/**
 * Users: carry out the workload's steps, one after the other, as patient people do.
 *
 * A server that is away or a conflict is tried again. A step that can no longer be carried out (its object is
 * gone, its namespace on its way out) is left out, and the trace says so.
 */
import type { Client, PatchType } from "../../machinery/client/client.ts";
import type { ResourceName } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";
import { ApiError, isAlreadyExists } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Step } from "./workload/steps.ts";

const AGAIN_MS = 700;

export async function runUsers(
  steps: readonly Step[],
  client: Client,
  clock: Clock,
  say: (text: string) => void,
): Promise<void> {
  const start = clock.monotonic();
  for (const step of steps) {
    await clock.sleep(Math.max(0, start + step.at - clock.monotonic()));
    await patiently(step, client, clock, say);
  }
}

async function patiently(step: Step, client: Client, clock: Clock, say: (text: string) => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await carryOut(step, client);
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const waits = error.retryable || error.reason === "Conflict" || isAlreadyExists(error);
      if (!waits || attempt > (step.verb === "evict" ? 3 : 60))
        return say(`user leaves out ${step.verb} ${step.resource}/${step.name}: ${error.message}`);
      await clock.sleep(AGAIN_MS);
    }
  }
}

async function carryOut(step: Step, client: Client): Promise<void> {
  const resource = step.resource as ResourceName;
  const ref = { name: step.name, ...(step.namespace ? { namespace: step.namespace } : {}) };
  if (step.verb === "evict") return evict(step, client);
  if (step.verb === "create") await client.create(resource, { metadata: ref, ...step.body } as never);
  else if (step.verb === "delete") await client.delete(resource, ref, { propagation: step.propagation });
  else {
    const type: PatchType = "strategic";
    await client.patch(resource, ref, step.body, { type });
  }
}

/** One of the Pods of a workload, or all of a node's that stay nowhere else; what may not go now stays. */
async function evict(step: Extract<Step, { readonly verb: "evict" }>, client: Client): Promise<void> {
  const whole = step.resource === "nodes";
  const { items } = await client.list("pods", {
    ...(whole ? { fieldSelector: `spec.nodeName=${step.name}` } : { labelSelector: `app=${step.name}` }),
    ...(step.namespace ? { namespace: step.namespace } : {}),
  });
  const pods = whole
    ? items.filter((pod) => controllerOf(pod)?.kind !== "DaemonSet")
    : items.slice(step.pick % Math.max(items.length, 1)).slice(0, 1);
  for (const { metadata } of pods) {
    const { namespace, name, uid } = metadata;
    const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { namespace, name } };
    try {
      await client.createSub("pods", { namespace, name }, "eviction", {
        ...body,
        deleteOptions: { preconditions: { uid } },
      });
    } catch (error) {
      if (!(error instanceof ApiError) || (whole && error.reason === "ServiceUnavailable")) throw error;
      if (!whole && error.retryable && error.reason !== "TooManyRequests") throw error;
    }
  }
}

/** Somebody else's harmless change of an object, for conflicts. */
export async function touch(path: string, client: Client, mark: string): Promise<void> {
  const object = path.replace(/\/(status|binding|scale|eviction|finalize)$/, "");
  await client
    .raw({
      method: "PATCH",
      path: object,
      headers: { "content-type": "application/merge-patch+json" },
      body: { metadata: { annotations: { "simulator/touched": mark } } },
    })
    .catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error; // a create has no object yet: nothing to change
    });
}
