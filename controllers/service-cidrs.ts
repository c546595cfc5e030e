/**
 * Service CIDRs: says which blocks Services get addresses from, and shows each address that is given.
 *
 * Addresses are allotted in the transaction of the Service's write (apiserver/admission/service-addresses.ts); the
 * IPAddress objects here are how people see them. A block that is deleted stays until no Service has an address of it,
 * unless another block has them too.
 * https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
 */
import type { Lister } from "../machinery/client/informer.ts";
import { defineController, done, enqueueSelf, type Outcome, type Services } from "../machinery/loop/controller.ts";
import { cidrContains, familyOf, parseCidr } from "../machinery/objects/ip.ts";
import type { IPAddress, Service, ServiceCIDR } from "../machinery/objects/kinds.ts";
import { isAlreadyExists, isNotFound } from "../machinery/objects/status.ts";
import { wireTime } from "../machinery/process/clock.ts";

const FINALIZER = "networking.k8s.io/service-cidr-finalizer";
const MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
const FAMILY = "ipaddress.kubernetes.io/ip-family";
const ALLOCATOR = "ipallocator.k8s.io";
/** Addresses that a deleted block still has are looked for again after this. */
const RETRY_MS = 2_000;

const addressesOf = ({ spec }: Service): readonly string[] =>
  (spec?.clusterIPs ?? []).filter((ip) => familyOf(ip) !== undefined);

/** One key an address: its name. */
export const ipAddressController = defineController({
  name: "service-ip-address-controller",
  watches: {
    services: ({ object, old }) => [...new Set([...addressesOf(object), ...(old ? addressesOf(old) : [])])],
    ipaddresses: enqueueSelf,
  },

  async reconcile(ip, { services, ipaddresses, client }): Promise<Outcome> {
    const found = ipaddresses.get(ip);
    const owner = holderOf(ip, services, found);
    if (!owner) {
      if (found?.metadata.labels?.[MANAGED_BY] === ALLOCATOR)
        await client.delete("ipaddresses", { name: ip }, { preconditions: { uid: found.metadata.uid } });
      return done;
    }
    if (found) return done;
    const { namespace, name } = owner.metadata;
    const labels = { [FAMILY]: familyOf(ip) ?? "IPv4", [MANAGED_BY]: ALLOCATOR };
    const parentRef = { resource: "services", namespace: namespace ?? "", name };
    try {
      await client.create("ipaddresses", { metadata: { name: ip, labels }, spec: { parentRef } });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    return done;
  },
});

/** The Service that has the address. Its mirror names it, so that nobody has to look through all of them. */
function holderOf(ip: string, services: Lister<Service>, mirror: IPAddress | undefined): Service | undefined {
  const { namespace, name } = mirror?.spec?.parentRef ?? {};
  const named = name ? services.get(`${namespace}/${name}`) : undefined;
  if (named && addressesOf(named).includes(ip)) return named;
  return services.list().find((service) => addressesOf(service).includes(ip));
}

export const serviceCidrController = defineController({
  name: "service-cidr-controller",
  watches: {
    servicecidrs: (change, { servicecidrs }) =>
      change.type === "deleted" ? (servicecidrs?.list() ?? []).map(({ metadata }) => metadata.name) : [change.key],
  },

  async reconcile(name, { servicecidrs, client, clock }): Promise<Outcome> {
    const block = servicecidrs.get(name);
    if (!block) return done;
    return block.metadata.deletionTimestamp
      ? release(block, servicecidrs.list(), { client, clock })
      : keepReady(block, { client, clock });
  },
});

async function keepReady(block: ServiceCIDR, { client, clock }: Pick<Services, "client" | "clock">): Promise<Outcome> {
  const { metadata, status } = block;
  const { name, finalizers = [] } = metadata;
  if (!finalizers.includes(FINALIZER)) {
    await client.patch(
      "servicecidrs",
      { name },
      { metadata: { uid: metadata.uid, finalizers: [...finalizers, FINALIZER] } },
    );
    return done; // the change brings the key again
  }
  if (status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True")) return done;
  const message = "Kubernetes Service CIDR is ready";
  await setReady(block, "True", "", message, { client, clock });
  return done;
}

async function release(
  block: ServiceCIDR,
  all: readonly ServiceCIDR[],
  { client, clock }: Pick<Services, "client" | "clock">,
): Promise<Outcome> {
  const { name, finalizers = [], uid } = block.metadata;
  if (!finalizers.includes(FINALIZER)) return done;
  const others = all.filter(({ metadata }) => metadata.name !== name && !metadata.deletionTimestamp);
  // from the server, for a Service may have got an address of it a moment ago
  const { items } = await client.list("services");
  const orphans = items.flatMap(addressesOf).filter((ip) => holds(block, ip) && !others.some((one) => holds(one, ip)));
  if (orphans.length > 0) {
    const message =
      "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
    const told = block.status?.conditions?.some(({ reason }) => reason === "Terminating");
    if (!told) await setReady(block, "False", "Terminating", message, { client, clock });
    return { after: RETRY_MS };
  }
  try {
    const left = finalizers.filter((one) => one !== FINALIZER);
    await client.patch("servicecidrs", { name }, { metadata: { uid, finalizers: left } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return done;
}

const holds = ({ spec }: ServiceCIDR, ip: string): boolean =>
  (spec?.cidrs ?? []).some((text) => {
    const block = parseCidr(text);
    return block !== undefined && cidrContains(block, ip);
  });

async function setReady(
  block: ServiceCIDR,
  status: "True" | "False",
  reason: string,
  message: string,
  { client, clock }: Pick<Services, "client" | "clock">,
): Promise<void> {
  const condition = { type: "Ready", status, reason, message, lastTransitionTime: wireTime(clock.now()) };
  const others = (block.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  await client.updateStatus("servicecidrs", { ...block, status: { conditions: [...others, condition] as never } });
}
