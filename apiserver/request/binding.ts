/**
 * Binding: the scheduler's word that a Pod runs on a node.
 *
 * Once only: a Pod that has a node, or is being deleted, is not bound again (409).
 */

import { withCondition } from "../../machinery/objects/conditions.ts";
import type { Pod, PodCondition } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import { badRequest, conflict } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { admitted } from "./admission-request.ts";
import { decodeObject, readObject } from "./body.ts";
import { changeObject, checkPreconditions } from "./commit.ts";
import type { ResourceExchange, Step } from "./contract.ts";
import { writeOptions } from "./options.ts";
import { respondSuccess } from "./respond.ts";

const BINDING = { group: "", version: "v1", kind: "Binding" } as const;

export const bind: Step = async (exchange) => {
  const { record, info, server, warnings } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "CreateOptions");
  const body = readObject(server, record, BINDING);
  const binding = decodeObject(server, body, BINDING, fieldValidation, warnings);
  const { name: given, namespace } = binding.metadata;
  if (given && info.name && given !== info.name) throw badRequest(`name in URL does not match name in Binding object`);
  if (namespace && namespace !== info.namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  const name = info.name || given || "";
  await admitted(exchange, {
    operation: "CREATE",
    subresource: "binding",
    name,
    kind: BINDING,
    object: binding,
    dryRun,
  });

  const node = targetOf(binding, name);
  await changeObject(exchange, { namespace: info.namespace, name }, dryRun, (current) => {
    const { uid, resourceVersion } = binding.metadata;
    checkPreconditions(exchange, current, { uid, resourceVersion });
    return { kind: "put", object: bound(exchange, current.object as unknown as Pod, binding, node) };
  });
  return respondSuccess(undefined, 201);
};

function targetOf(binding: KubeObject, name: string): string {
  const target = (binding["target"] ?? {}) as { kind?: string; name?: string };
  const errors = new FieldErrors();
  if (target.kind && target.kind !== "Node") errors.notSupported("target.kind", target.kind, ["Node", "<empty>"]);
  if (!target.name) errors.required("target.name");
  else for (const fault of dns1123Subdomain(target.name)) errors.invalid("target.name", target.name, fault);
  errors.throwIfAny(BINDING.group, BINDING.kind, name);
  return target.name ?? "";
}

function bound({ server }: ResourceExchange, old: Pod, { metadata }: KubeObject, node: string): KubeObject {
  const refused = (why: string) => conflict("pods/binding", old.metadata.name, why);
  if (old.metadata.deletionTimestamp)
    throw refused(`pod ${old.metadata.name} is being deleted, cannot be assigned to a host`);
  if (old.spec?.nodeName) throw refused(`pod ${old.metadata.name} is already assigned to node "${old.spec.nodeName}"`);
  if (old.spec?.schedulingGates?.length) throw refused(`pod ${old.metadata.name} has non-empty .spec.schedulingGates`);

  // What does not change is shared with the version before: a Pod's spec is much to copy for one field.
  const pod: Pod = { ...old, metadata: { ...old.metadata } };
  pod.spec = { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: node };
  if (metadata.annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...metadata.annotations };
  const now = wireTime(server.clock.now());
  const scheduled = { type: "PodScheduled", status: "True" };
  pod.status = {
    ...pod.status,
    conditions: withCondition(pod.status?.conditions as PodCondition[] | undefined as never, scheduled as never, now),
  };
  delete (pod.status as { nominatedNodeName?: string }).nominatedNodeName; // it has its node
  delete (pod.metadata as { resourceVersion?: string }).resourceVersion;
  return pod as unknown as KubeObject;
}
