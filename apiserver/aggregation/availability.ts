/**
 * Availability: whether the server behind an APIService can be asked, in Kubernetes' conditions.
 *
 * What this server knows of the Service and its endpoints decides first, without any request; then the other server
 * is asked for the document that it must have, and that document is what discovery tells of it.
 */
import type { Service } from "../../machinery/objects/kinds.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { ApiServiceCondition } from "../resources/api-service.ts";
import { hasReady, portOf, type ServicePort, slicesOf } from "../tunnel/service-dial.ts";

const available = (status: "True" | "False", reason: string, message: string): ApiServiceCondition => ({
  type: "Available",
  status,
  reason,
  message,
});

export const passed = available("True", "Passed", "all checks passed");

export const failedDiscovery = (why: string): ApiServiceCondition => available("False", "FailedDiscoveryCheck", why);

/** Why there is nobody to ask; undefined where there is. */
export function nobodyThere({ namespace, name, port }: ServicePort, objects: CachedObjects) {
  const [there, within] = [`service/${name}`, JSON.stringify(namespace)];
  const service = objects.get("services", namespace, name) as Service | undefined;
  if (!service) return available("False", "ServiceNotFound", `${there} in ${within} is not present`);
  if ((service.spec?.type ?? "ClusterIP") !== "ClusterIP") return undefined;
  const own = service.spec?.ports?.find((one) => one.port === port);
  if (!own) return available("False", "ServicePortError", `${there} in ${within} is not listening on port ${port}`);
  const slices = [...slicesOf(objects, namespace, name)];
  if (slices.length === 0)
    return available("False", "EndpointsNotFound", `cannot find endpointslices for ${there} in ${within}`);
  const portName = own.name ?? "";
  if (slices.some((slice) => hasReady(slice) && portOf(slice, portName) !== undefined)) return undefined;
  const without = `have no addresses with port name ${JSON.stringify(portName)}`;
  return available("False", "MissingEndpoints", `endpointslices for ${there} in ${within} ${without}`);
}
