/**
 * Replace object: what a policy or webhook made of a request's object becomes the request's object.
 *
 * It gets the shape and the defaults of its kind first. Who changes an object may not move it: its name and
 * namespace are what the request is about.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import { badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { AdmissionRequest, AdmissionServices } from "./contract.ts";
import { objectAs } from "./policy-request.ts";

/** `made` is the caller's own, of the version of `row`. True where the object is another one now. */
export async function replaceObject(
  request: AdmissionRequest,
  row: ResourceRow,
  made: unknown,
  services: AdmissionServices,
): Promise<boolean> {
  const { object, kind, old } = request;
  if (!object) throw new Error("there is no object to replace");
  const decoded = services.decode(kind ?? row, made);
  const next = kind ? decoded : await objectAs(decoded, row, request.row);
  // the version that an update is based on is no part of what is stored
  if (old?.metadata && !object.metadata?.resourceVersion) delete next.metadata.resourceVersion;
  if (!object.metadata) delete (next as { metadata?: unknown }).metadata;
  if (equalJson(next, object)) return false;
  checkPlace(request, object, next);
  for (const field of Object.keys(object)) delete object[field];
  Object.assign(object, next);
  return true;
}

function checkPlace({ operation }: AdmissionRequest, before: KubeObject, after: KubeObject): void {
  const [was, is] = [before.metadata ?? {}, after.metadata ?? {}];
  if ((was.namespace ?? "") !== (is.namespace ?? ""))
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  if (operation === "UPDATE" && was.name !== is.name)
    throw badRequest(
      `the name of the object (${is.name ?? ""}) does not match the name on the URL (${was.name ?? ""})`,
    );
}
