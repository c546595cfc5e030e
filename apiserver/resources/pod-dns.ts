/**
 * Names and DNS of a Pod: dnsPolicy, dnsConfig, hostname, subdomain, hostAliases.
 */

import { familyOf } from "../../machinery/objects/ip.ts";
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import { named, requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

const NAMESERVERS = 3;
const SEARCHES = 32;
const SEARCH_CHARACTERS = 2048;
const NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

export function validatePodDns(spec: PodSpec, path: string, errors: FieldErrors): void {
  requireOneOf(
    spec.dnsPolicy,
    ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    `${path}.dnsPolicy`,
    errors,
  );
  validateConfig(spec, `${path}.dnsConfig`, errors);
  named(spec.hostname, dns1123Label, `${path}.hostname`, errors);
  named(spec.subdomain, dns1123Label, `${path}.subdomain`, errors);
  for (const [index, { ip, hostnames }] of (spec.hostAliases ?? []).entries()) {
    if (!familyOf(ip)) errors.invalid(`${path}.hostAliases[${index}].ip`, ip, NOT_AN_IP);
    for (const [place, name] of (hostnames ?? []).entries()) {
      each(dns1123Subdomain(name), `${path}.hostAliases[${index}].hostnames[${place}]`, name, errors);
    }
  }
}

function validateConfig({ dnsPolicy, dnsConfig }: PodSpec, path: string, errors: FieldErrors): void {
  if (!dnsConfig) {
    if (dnsPolicy === "None") errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    return;
  }
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  if (dnsPolicy === "None" && nameservers.length === 0) {
    errors.required(`${path}.nameservers`, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (nameservers.length > NAMESERVERS) {
    errors.invalid(`${path}.nameservers`, nameservers, `must not have more than ${NAMESERVERS} nameservers`);
  }
  for (const [index, server] of nameservers.entries()) {
    if (!familyOf(server)) errors.invalid(`${path}.nameservers[${index}]`, server, NOT_AN_IP);
  }
  if (searches.length > SEARCHES) {
    errors.invalid(`${path}.searches`, searches, `must not have more than ${SEARCHES} search paths`);
  }
  if (searches.join(" ").length > SEARCH_CHARACTERS) {
    errors.invalid(
      `${path}.searches`,
      searches,
      `must not have more than ${SEARCH_CHARACTERS} characters (including spaces) in the search list`,
    );
  }
  for (const [index, search] of searches.entries()) {
    if (search === ".") continue;
    // Underscores are for SRV records, which search paths may lead to.
    const plain = search.replace(/\.$/, "").replaceAll("_", "a");
    each(dns1123Subdomain(plain), `${path}.searches[${index}]`, search, errors);
  }
  for (const [index, { name }] of options.entries()) {
    if (!name) errors.required(`${path}.options[${index}]`, "must not be empty");
  }
}
