/**
 * Endpoints: publishes a Service's Pods in the older form, one object of the Service's name.
 *
 * Kept for clients that do not read EndpointSlices; both come from endpoints-of-service.ts.
 * Objects of Services without selector belong to whoever made them.
 */
import type { Lister } from "../machinery/client/informer.ts";
import { defineController, done, enqueueSelf, type Outcome, type Services } from "../machinery/loop/controller.ts";
import type { Endpoints, Pod, Service } from "../machinery/objects/kinds.ts";
import { ApiError, isAlreadyExists, isConflict, isNotFound } from "../machinery/objects/status.ts";
import { canonicalJson, sameJson } from "./canonical-json.ts";
import {
  type Backend,
  backendsOf,
  familiesOf,
  LAST_CHANGE,
  lastChange,
  publishesNotReady,
} from "./endpoints-of-service.ts";
import { servicesOf } from "./endpointslice.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

type Context = {
  readonly services: Lister<Service>;
  readonly pods: Lister<Pod>;
  readonly endpoints: Lister<Endpoints>;
} & Services;
type Subset = NonNullable<Endpoints["subsets"]>[number];

const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const MANAGER = "endpoint-controller";
const HEADLESS = "service.kubernetes.io/headless";
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const MAX_ADDRESSES = 1000;

export const endpointsController = defineController({
  name: "endpoint-controller",
  workers: 5,
  paced: true,
  watches: { services: enqueueSelf, pods: servicesOf, endpoints: enqueueSelf },

  async reconcile(key, context): Promise<Outcome> {
    const service = context.services.get(key);
    const current = context.endpoints.get(key);
    if (!service) return current ? removeOwn(current, context) : done;
    if (!service.spec?.selector || service.spec.type === "ExternalName") return done;

    const backends = listed(service, context.pods.list(service.metadata.namespace));
    const subsets = subsetsOf(backends);
    const labels = labelsOf(service);
    if (current && sameJson([current.subsets ?? [], current.metadata.labels], [subsets, labels])) return done;
    await write(service, current, labels, subsets, backends, context);
    return done;
  },
});

/** Of the first family; Pods on their way out only where the Service asks for Pods in any state. Ready ones come first. */
function listed(service: Service, pods: readonly Pod[]): readonly Backend[] {
  const backends = backendsOf(service, pods, familiesOf(service)[0]).filter(
    ({ endpoint }) => publishesNotReady(service) || !endpoint.conditions?.terminating,
  );
  if (backends.length <= MAX_ADDRESSES) return backends;
  const isReady = ({ endpoint }: Backend) => endpoint.conditions?.ready === true;
  return [...backends.filter(isReady), ...backends.filter((backend) => !isReady(backend))];
}

/** The Service is gone; what was published for it goes too, unless someone else published it. */
async function removeOwn({ metadata }: Endpoints, { client }: Context): Promise<Outcome> {
  if (metadata.labels?.[MANAGED_BY] !== MANAGER) return done;
  const { namespace, name, uid, resourceVersion } = metadata;
  try {
    await client.delete("endpoints", { namespace, name }, { preconditions: { uid, resourceVersion } });
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
  return done;
}

async function write(
  service: Service,
  current: Endpoints | undefined,
  labels: Record<string, string>,
  subsets: Subset[],
  backends: readonly Backend[],
  { client, events }: Context,
): Promise<void> {
  const { name, namespace } = service.metadata;
  const { [OVER_CAPACITY]: _former, ...kept } = current?.metadata.annotations ?? {};
  const annotations = {
    ...kept,
    [LAST_CHANGE]: lastChange(service, backends),
    ...(backends.length > MAX_ADDRESSES ? { [OVER_CAPACITY]: "truncated" } : {}),
  };
  try {
    if (current)
      await client.update("endpoints", { ...current, metadata: { ...current.metadata, labels, annotations }, subsets });
    else await client.create("endpoints", { metadata: { name, namespace: namespace!, labels, annotations }, subsets });
  } catch (error) {
    if (isAlreadyExists(error) || isTerminatingNamespace(error)) return;
    const passes = error instanceof ApiError && (error.retryable || isConflict(error));
    const [reason, what] = current
      ? ["FailedToUpdateEndpoint", `update endpoint ${namespace}/${name}`]
      : ["FailedToCreateEndpoint", `create endpoint for service ${namespace}/${name}`];
    if (!passes) events.warning(current ?? service, reason ?? "", `Failed to ${what}: ${(error as Error).message}`);
    throw error;
  }
}

function labelsOf({ metadata, spec }: Service): Record<string, string> {
  return { ...metadata.labels, ...(spec?.clusterIP === "None" ? { [HEADLESS]: "" } : {}), [MANAGED_BY]: MANAGER };
}

/** Addresses with the same ports stand in one subset. */
export function subsetsOf(backends: readonly Backend[]): Subset[] {
  const subsets = new Map<string, Subset>();
  for (const { endpoint, ip, ports } of backends.slice(0, MAX_ADDRESSES)) {
    const id = canonicalJson(ports);
    const subset: Subset = subsets.get(id) ?? {
      ports: ports.map(({ name, ...port }) => (name ? { name, ...port } : port)),
    };
    subsets.set(id, subset);
    const { hostname, nodeName, targetRef } = endpoint;
    const address = {
      ip,
      ...(hostname ? { hostname } : {}),
      ...(nodeName ? { nodeName } : {}),
      ...(targetRef ? { targetRef } : {}),
    };
    const list = endpoint.conditions?.ready ? "addresses" : "notReadyAddresses";
    subset[list] = [...(subset[list] ?? []), address];
  }
  return [...subsets.values()];
}
