/**
 * Rules of a Service's addresses: ClusterIPs and the families that they are of.
 *
 * Which families the cluster has is looked at when addresses are given (admission/service-addresses.ts). A headless
 * Service has no address, and may name families as it likes: they say which endpoints it has.
 */
import { familyOf, ipError } from "../../machinery/objects/ip.ts";
import type { Service } from "../../machinery/objects/kinds.ts";
import { oneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { isHeadless } from "./service-type.ts";

type Spec = NonNullable<Service["spec"]>;

const FAMILIES: readonly string[] = ["IPv4", "IPv6"];
const FAMILY_POLICIES: readonly string[] = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const PATH = "spec.clusterIPs";
const ONCE = "may not change once set";

export function validateAddresses(spec: Spec, errors: FieldErrors): void {
  if (spec.type === "ExternalName") return;
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (clusterIP) {
    if (clusterIPs.length === 0) errors.required(PATH);
    else if (clusterIPs[0] !== clusterIP) errors.invalid(PATH, clusterIPs, "first value must match `clusterIP`");
  } else if (clusterIPs.length > 0) {
    errors.invalid(PATH, clusterIPs, "must be empty when `clusterIP` is not specified");
  }
  for (const [index, family] of ipFamilies.entries()) {
    oneOf(family, FAMILIES, `spec.ipFamilies[${index}]`, errors);
    if (ipFamilies.indexOf(family) !== index) errors.duplicate(`spec.ipFamilies[${index}]`, family);
  }
  oneOf(ipFamilyPolicy, FAMILY_POLICIES, "spec.ipFamilyPolicy", errors);
  if (!validateEach(clusterIPs, errors)) return;
  validateTogether(spec, errors);
  validateCount(spec, errors);
}

/** True when all of them are addresses, so that more can be said about them. */
function validateEach(clusterIPs: readonly string[], errors: FieldErrors): boolean {
  let good = true;
  for (const [index, address] of clusterIPs.entries()) {
    const first = index === 0 && address === "None";
    if (first && clusterIPs.length > 1) errors.invalid(PATH, clusterIPs, "'None' must be the first and only value");
    else if (!first && !familyOf(address)) errors.invalid(`${PATH}[${index}]`, address, ipError);
    else continue;
    good = false;
  }
  if (clusterIPs.length > 2) errors.invalid(PATH, clusterIPs, "may only hold up to 2 values");
  return good;
}

function validateTogether(spec: Spec, errors: FieldErrors): void {
  const { clusterIPs = [], ipFamilies = [] } = spec;
  if (clusterIPs.length > 1 && new Set(clusterIPs.map(familyOf)).size < 2)
    errors.invalid(PATH, clusterIPs, "may specify no more than one IP for each IP family");
  if (isHeadless(spec)) return;
  for (const [index, address] of clusterIPs.entries()) {
    const family = ipFamilies[index];
    if (family && familyOf(address) !== family)
      errors.invalid(
        `${PATH}[${index}]`,
        address,
        `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
      );
  }
}

/** Two of anything only where two are asked for. */
function validateCount(spec: Spec, errors: FieldErrors): void {
  if (isHeadless(spec)) return;
  const { clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (ipFamilyPolicy !== undefined && ipFamilyPolicy !== "SingleStack") return;
  const why = (what: string) => `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`;
  if (ipFamilies.length > 1) errors.invalid("spec.ipFamilyPolicy", ipFamilyPolicy, why("IP families"));
  else if (clusterIPs.length > 1) errors.invalid("spec.ipFamilyPolicy", ipFamilyPolicy, why("cluster IPs"));
}

export function validateAddressUpdate(spec: Spec, old: Spec, errors: FieldErrors): void {
  if (spec.type === "ExternalName" || old.type === "ExternalName") return;
  const [headless, wasHeadless] = [isHeadless(spec), isHeadless(old)];
  if (!headless || !wasHeadless) validateIpsUpdate(spec, old, errors);
  if (!headless && !wasHeadless) validateFamiliesUpdate(spec, old, errors);
}

function validateIpsUpdate(spec: Spec, old: Spec, errors: FieldErrors): void {
  const [now, before] = [spec.clusterIPs ?? [], old.clusterIPs ?? []];
  if (now.length === before.length) {
    for (const [index, address] of before.entries())
      if (address !== now[index]) errors.invalid(`${PATH}[${index}]`, now, ONCE);
    return;
  }
  if (now.length === 0) errors.invalid(`${PATH}[0]`, now, "primary clusterIP can not be unset");
  else if (before.length > 0 && now[0] !== before[0]) errors.invalid(`${PATH}[0]`, now, ONCE);
  if (now.length === 1 && before.length === 2) mustBeSingle(spec, "clusterIP", errors);
}

function validateFamiliesUpdate(spec: Spec, old: Spec, errors: FieldErrors): void {
  const [now, before] = [spec.ipFamilies ?? [], old.ipFamilies ?? []];
  const path = "spec.ipFamilies[0]";
  if (now.length === before.length) {
    for (const [index, family] of before.entries()) if (family !== now[index]) errors.invalid(path, now, ONCE);
    return;
  }
  if (now.length > 0 && before.length > 0 && now[0] !== before[0]) errors.invalid(path, now, ONCE);
  if (now.length === 1 && before.length === 2) mustBeSingle(spec, "ipFamily", errors);
}

function mustBeSingle({ ipFamilyPolicy }: Spec, what: string, errors: FieldErrors): void {
  if (ipFamilyPolicy === "SingleStack") return;
  const detail = `must be set to 'SingleStack' when releasing the secondary ${what}`;
  errors.invalid("spec.ipFamilyPolicy", ipFamilyPolicy, detail);
}
