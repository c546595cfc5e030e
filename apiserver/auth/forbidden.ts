/**
 * Forbidden: the words in which a refusal is told.
 *
 * `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { Attributes } from "./contract.ts";

export function forbidden(asked: Attributes, reason = ""): ApiError {
  const text = reason ? `${denial(asked)}: ${reason}` : denial(asked);
  if (!asked.isResource) return new ApiError("Forbidden", `forbidden: ${text}`, {});
  const { group, resource, name } = asked;
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = name ? `${qualified} "${name}"` : qualified;
  return new ApiError("Forbidden", `${subject} is forbidden: ${text}`, {
    ...(name ? { name } : {}),
    ...(group ? { group } : {}),
    kind: resource,
  });
}

function denial({ user, verb, isResource, path, group, resource, subresource, namespace }: Attributes): string {
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (!isResource) return `${who} path ${JSON.stringify(path)}`;
  const what = subresource ? `${resource}/${subresource}` : resource;
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : "at the cluster scope";
  return `${who} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`;
}
