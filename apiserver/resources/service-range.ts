/**
 * ServiceCIDR and IPAddress: from which blocks Services get their addresses, and which are given.
 *
 * Both never change. The addresses themselves are allotted in admission/service-addresses.ts.
 */

import { isIPv6 } from "node:net";
import type * as models from "@kubernetes/client-node";
import { cidr, familyOf, ipError, parseCidr } from "../../machinery/objects/ip.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import { dns1123Label, dns1123Subdomain, pathSegment } from "../../machinery/objects/names.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { IMMUTABLE, named, required } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

type ServiceCidr = Stored<models.V1ServiceCIDR>;
type Address = Stored<models.V1IPAddress>;

export const serviceCidrStrategy: Strategy<ServiceCidr> = {
  validate({ spec }, errors) {
    const blocks = spec?.cidrs ?? [];
    const path = "spec.cidrs";
    if (blocks.length === 0) errors.required(path, "at least one CIDR required");
    if (blocks.length > 2) errors.invalid(path, blocks, "must only hold up to 2 values");
    else if (blocks.length === 2 && new Set(blocks.map((one) => parseCidr(one)?.family)).size < 2)
      errors.invalid(
        path,
        blocks,
        "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
      );
    for (const [index, block] of blocks.entries()) each(cidr(block), `${path}[${index}]`, block, errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (!equalJson(spec?.cidrs, old.spec?.cidrs)) errors.invalid("spec.cidrs", spec?.cidrs ?? [], IMMUTABLE);
  },
};

export const ipAddressStrategy: Strategy<Address> = {
  validate({ metadata, spec }, errors) {
    if (!familyOf(metadata.name)) errors.invalid("metadata.name", metadata.name, ipError);
    else if (!isCanonical(metadata.name)) errors.invalid("metadata.name", metadata.name, "must be in canonical form");
    validateParent(spec?.parentRef, errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (!equalJson(spec?.parentRef, old.spec?.parentRef)) errors.invalid("spec.parentRef", spec?.parentRef, IMMUTABLE);
  },
};

const isCanonical = (address: string): boolean => {
  if (!isIPv6(address)) return true;
  return new URL(`http://[${address}]`).hostname === `[${address}]`;
};

type Parent = NonNullable<Address["spec"]>["parentRef"] | undefined;

function validateParent(parent: Parent, errors: FieldErrors): void {
  const path = "spec.parentRef";
  if (!parent) {
    errors.required(path);
    return;
  }
  named(parent.group, dns1123Subdomain, `${path}.group`, errors);
  if (required(parent.resource, `${path}.resource`, errors))
    each(pathSegment(parent.resource), `${path}.resource`, parent.resource, errors);
  if (required(parent.name, `${path}.name`, errors))
    each(pathSegment(parent.name), `${path}.name`, parent.name, errors);
  named(parent.namespace, dns1123Label, `${path}.namespace`, errors);
}
