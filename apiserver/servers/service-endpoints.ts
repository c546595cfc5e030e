/**
 * Service endpoints: default/kubernetes leads to all servers that live. They are kept here, not by a controller.
 *
 * All servers keep them and write the same, so it does not matter who is first; what is so already is not written.
 * Servers with different ports stand in different slices: a slice has one set of ports.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { EndpointSlice, Endpoints, Kinds, ResourceName } from "../../machinery/objects/kinds.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft, StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { ServerAddress } from "./presence.ts";

const NAME = "kubernetes";
const NAMESPACE = "default";
const OF_SERVICE = "kubernetes.io/service-name";

export async function keepServiceEndpoints(
  { client, objects }: { readonly client: Client; readonly objects: CachedObjects },
  servers: readonly ServerAddress[],
  /** What is said where no server has an address to tell. */
  port: number,
): Promise<void> {
  const byPort = addressesByPort(servers, port);
  const wanted = slicesOf(byPort);
  for (const slice of wanted)
    await keep(client, "endpointslices", slice, objects.get(SLICES, NAMESPACE, slice.metadata.name as string));
  await keep(client, "endpoints", endpointsOf(byPort), objects.get("endpoints", NAMESPACE, NAME));
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  for (const { metadata } of [...objects.list(SLICES, NAMESPACE)])
    if (metadata.labels?.[OF_SERVICE] === NAME && !names.has(metadata.name)) await remove(client, metadata.name);
}

const SLICES = "endpointslices.discovery.k8s.io";

type AddressesByPort = readonly (readonly [number, readonly string[]])[];

/** Both in order; one port at least. A server that only its own machine reaches has no address to tell. */
function addressesByPort(servers: readonly ServerAddress[], port: number): AddressesByPort {
  const byPort = new Map<number, Set<string>>();
  for (const server of servers)
    if (!server.address.startsWith("127."))
      byPort.set(server.port, (byPort.get(server.port) ?? new Set()).add(server.address));
  if (byPort.size === 0) return [[port, []]];
  return [...byPort]
    .toSorted(([one], [other]) => one - other)
    .map(([at, addresses]) => [at, [...addresses].sort()] as const);
}

const portsOf = (port: number) => [{ name: "https", protocol: "TCP", port }];

const slicesOf = (byPort: AddressesByPort): Draft<EndpointSlice>[] =>
  byPort.map(([port, addresses], index) => ({
    metadata: {
      name: index === 0 ? NAME : `${NAME}-${port}`,
      namespace: NAMESPACE,
      labels: { [OF_SERVICE]: NAME },
    },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: portsOf(port),
  }));

const endpointsOf = (byPort: AddressesByPort): Draft<Endpoints> => ({
  metadata: {
    name: NAME,
    namespace: NAMESPACE,
    labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
  },
  subsets: byPort
    .filter(([, addresses]) => addresses.length > 0)
    .map(([port, addresses]) => ({ addresses: addresses.map((ip) => ({ ip })), ports: portsOf(port) })),
});

/** Whoever is later than another server at the same moment looks again at the next beat. */
async function keep<K extends ResourceName>(
  client: Client,
  resource: K,
  object: Draft<Kinds[K]>,
  found: StoredObject | undefined,
): Promise<void> {
  try {
    if (!found) await client.create(resource, object);
    else if (!says(found, object)) {
      const labels = { ...found.metadata.labels, ...object.metadata.labels };
      await client.update(resource, { ...object, metadata: { ...found.metadata, labels } } as never);
    }
  } catch (error) {
    if (!isConflict(error) && !isAlreadyExists(error)) throw error;
  }
}

/** What is stored says what is wanted; defaults that it has besides do not matter. */
function says(stored: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted) && wanted.length === 0) return stored === undefined || isEmpty(stored);
  if (typeof wanted !== "object" || wanted === null) return stored === wanted;
  if (typeof stored !== "object" || stored === null) return false;
  if (Array.isArray(wanted))
    return Array.isArray(stored) && stored.length === wanted.length && wanted.every((one, at) => says(stored[at], one));
  return Object.entries(wanted).every(([name, value]) => says((stored as Record<string, unknown>)[name], value));
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

async function remove(client: Client, name: string): Promise<void> {
  try {
    await client.delete("endpointslices", { namespace: NAMESPACE, name });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
