/**
 * Names and DNS of a Pod: dnsPolicy, dnsConfig, hostname, subdomain, hostAliases.
 */
import { ipAddress } from "../../machinery/objects/ip.ts";
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain, subdomainWithUnderscores } from "../../machinery/objects/names.ts";
import { requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

const NAMESERVERS = 3;
const SEARCHES = 32;
const SEARCH_CHARACTERS = 2048;
/** What the kernel keeps of a host's name. */
const HOSTNAME = 64;
const POLICIES: readonly string[] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

export function validateDnsPolicy({ dnsPolicy }: PodSpec, path: At, errors: FieldErrors): void {
  requireOneOf(dnsPolicy, POLICIES, child(path, "dnsPolicy"), errors);
}

export function validateDnsConfig({ dnsPolicy, dnsConfig }: PodSpec, path: At, errors: FieldErrors): void {
  if (dnsPolicy === "None") {
    if (!dnsConfig) {
      errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    } else if (!dnsConfig.nameservers?.length) {
      const detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
      errors.required(child(path, "nameservers"), detail);
      return;
    }
  }
  if (!dnsConfig) return;
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  if (nameservers.length > NAMESERVERS) {
    const detail = `must not have more than ${NAMESERVERS} nameservers`;
    errors.invalid(child(path, "nameservers"), nameservers, detail);
  }
  for (const [index, server] of nameservers.entries()) {
    each(ipAddress(server), item(child(path, "nameservers"), index), server, errors);
  }
  validateSearches(searches, child(path, "searches"), errors);
  for (const [index, { name }] of options.entries()) {
    if (!name) errors.required(item(child(path, "options"), index), "must not be empty");
  }
}

function validateSearches(searches: readonly string[], path: At, errors: FieldErrors): void {
  if (searches.length > SEARCHES) {
    errors.invalid(path, searches, `must not have more than ${SEARCHES} search paths`);
  }
  if (searches.join(" ").length > SEARCH_CHARACTERS) {
    const detail = `must not have more than ${SEARCH_CHARACTERS} characters (including spaces) in the search list`;
    errors.invalid(path, searches, detail);
  }
  for (const [index, search] of searches.entries()) {
    if (search === ".") continue;
    const plain = search.replace(/\.$/, "");
    each(subdomainWithUnderscores(plain), item(path, index), plain, errors);
  }
}

/** A name that the Pod gives itself, and nobody may look up. */
export function validateHostnameOverride(spec: PodSpec, path: At, errors: FieldErrors): void {
  const { hostnameOverride: name } = spec;
  if (name === undefined) return;
  const at = child(path, "hostnameOverride");
  each(dns1123Subdomain(name), at, name, errors);
  if (name.length > HOSTNAME) errors.tooLong(at, HOSTNAME);
  if (spec.hostNetwork) errors.forbidden(at, "may not be specified when `hostNetwork` is true");
  if (spec.setHostnameAsFQDN) errors.forbidden(at, "may not be specified when `setHostnameAsFQDN` is true");
}

export function validateHostAliases({ hostAliases }: PodSpec, path: At, errors: FieldErrors): void {
  for (const [index, { ip, hostnames }] of (hostAliases ?? []).entries()) {
    const at = item(path, index);
    each(ipAddress(ip ?? ""), child(at, "ip"), ip ?? "", errors);
    for (const [place, name] of (hostnames ?? []).entries()) {
      each(dns1123Subdomain(name), item(child(at, "hostnames"), place), name, errors);
    }
  }
}
