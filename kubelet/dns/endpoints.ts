/**
 * Endpoints: what EndpointSlices say of a Service, as DNS sees it: a name, an address, ports. Pure.
 *
 * Only ready endpoints have names; a Service that publishes others too has them marked ready in its slices.
 */
import type { EndpointSlice } from "../../machinery/objects/kinds.ts";
import { dashed } from "./records.ts";

export interface Endpoint {
  /** Its hostname, or its address as a label. */
  readonly name: string;
  readonly address: string;
  readonly ports: readonly EndpointPort[];
}

export interface EndpointPort {
  readonly name: string;
  /** Lower case. */
  readonly protocol: string;
  readonly port: number;
}

/** One for each address, though several slices may tell of it. */
export function endpointsOf(slices: readonly EndpointSlice[]): readonly Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType === "FQDN") continue;
    const ports = (slice.ports ?? []).flatMap(({ name = "", protocol = "TCP", port }) =>
      port ? [{ name, protocol: protocol.toLowerCase(), port }] : [],
    );
    for (const { addresses, hostname, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue;
      for (const address of addresses) {
        const known = found.get(address)?.ports ?? [];
        found.set(address, { name: hostname || dashed(address), address, ports: [...known, ...ports] });
      }
    }
  }
  return [...found.values()];
}
