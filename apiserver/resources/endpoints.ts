/**
 * Endpoints and EndpointSlices: the addresses behind a Service.
 *
 * Slices are what the proxy and DNS read; Endpoints are the older form, kept for those who still ask.
 */
import { familyOf, ipError } from "../../machinery/objects/ip.ts";
import type { Endpoint, EndpointSlice, Endpoints } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, portName, portNumber, qualifiedName } from "../../machinery/objects/names.ts";
import { named, oneOf, requireOneOf, unchanged } from "./checks.ts";
import { PROTOCOLS } from "./container.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { validateOrdinary } from "./special-addresses.ts";

const SLICE_ENDPOINTS = 1000;
const SLICE_PORTS = 100;
const ADDRESSES = 100;
const HINTS = 8;
export const endpointSliceStrategy: Strategy<EndpointSlice> = {
  defaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },

  validate({ addressType, endpoints = [], ports = [] }, errors) {
    requireOneOf(addressType, ["FQDN", "IPv4", "IPv6"], "addressType", errors);
    if (endpoints.length > SLICE_ENDPOINTS) errors.tooMany("endpoints", endpoints.length, SLICE_ENDPOINTS);
    else {
      for (const [index, endpoint] of endpoints.entries()) {
        validateEndpoint(endpoint, addressType, `endpoints[${index}]`, errors);
      }
    }
    validateSlicePorts(ports, errors);
  },

  validateUpdate({ addressType }, old, errors) {
    unchanged(addressType, old.addressType, "addressType", errors);
  },

  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};

function validateEndpoint(
  { addresses, hostname, nodeName, hints }: Endpoint,
  type: string,
  path: string,
  errors: FieldErrors,
): void {
  if (!addresses?.length) errors.required(`${path}.addresses`, "must contain at least 1 address");
  else if (addresses.length > ADDRESSES) errors.tooMany(`${path}.addresses`, addresses.length, ADDRESSES);
  for (const [index, address] of (addresses ?? []).entries()) {
    const at = `${path}.addresses[${index}]`;
    if (type === "FQDN") each(dns1123Subdomain(address), at, address, errors);
    else if (familyOf(address) !== type) errors.invalid(at, address, `must be an ${type} address`);
    else validateOrdinary(address, at, errors);
  }
  named(hostname, dns1123Label, `${path}.hostname`, errors);
  named(nodeName, dns1123Subdomain, `${path}.nodeName`, errors);
  for (const field of ["forZones", "forNodes"] as const) {
    const list = hints?.[field] ?? [];
    const at = `${path}.hints.${field}`;
    if (list.length > HINTS) errors.tooMany(at, list.length, HINTS);
    const seen = new Set<string>();
    for (const [index, { name }] of list.entries()) {
      each(dns1123Subdomain(name), `${at}[${index}].name`, name, errors);
      if (seen.has(name)) errors.duplicate(`${at}[${index}].name`, name);
      seen.add(name);
    }
  }
}

function validateSlicePorts(ports: NonNullable<EndpointSlice["ports"]>, errors: FieldErrors): void {
  if (ports.length > SLICE_PORTS) {
    errors.tooMany("ports", ports.length, SLICE_PORTS);
    return;
  }
  const names = new Set<string>();
  for (const [index, { name = "", port, protocol, appProtocol }] of ports.entries()) {
    const path = `ports[${index}]`;
    named(name, dns1123Label, `${path}.name`, errors);
    if (names.has(name)) errors.duplicate(`${path}.name`, name);
    names.add(name);
    requireOneOf(protocol, PROTOCOLS, `${path}.protocol`, errors);
    if (port !== undefined) each(portNumber(port), `${path}.port`, port, errors);
    named(appProtocol, qualifiedName, `${path}.appProtocol`, errors);
  }
}

export const endpointsStrategy: Strategy<Endpoints> = {
  defaults({ subsets }) {
    for (const { ports } of subsets ?? []) for (const port of ports ?? []) port.protocol ??= "TCP";
  },

  validate({ subsets }, errors) {
    for (const [index, subset] of (subsets ?? []).entries()) {
      const path = `subsets[${index}]`;
      const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
      if (addresses.length + notReadyAddresses.length === 0) {
        errors.required(path, "must specify `addresses` or `notReadyAddresses`");
      }
      for (const [field, list] of [
        ["addresses", addresses],
        ["notReadyAddresses", notReadyAddresses],
      ] as const) {
        for (const [place, { ip, hostname, nodeName }] of list.entries()) {
          const at = `${path}.${field}[${place}]`;
          if (!familyOf(ip)) errors.invalid(`${at}.ip`, ip, ipError);
          else validateOrdinary(ip, `${at}.ip`, errors);
          named(hostname, dns1123Label, `${at}.hostname`, errors);
          named(nodeName, dns1123Subdomain, `${at}.nodeName`, errors);
        }
      }
      for (const [place, { name, port, protocol }] of ports.entries()) {
        const at = `${path}.ports[${place}]`;
        if (!name && ports.length > 1) errors.required(`${at}.name`);
        named(name, portName, `${at}.name`, errors);
        each(portNumber(port), `${at}.port`, port, errors);
        oneOf(protocol, PROTOCOLS, `${at}.protocol`, errors);
      }
    }
  },

  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};
