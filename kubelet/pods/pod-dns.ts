/**
 * Pod DNS: what a Pod's resolv.conf says, from dnsPolicy, dnsConfig and the node's own. Pure.
 *
 * https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { DNSConfig } from "../cri/messages.ts";
import { usesHostNetwork } from "./pod-spec.ts";

export interface DnsSettings {
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** The node's own: for dnsPolicy Default and for search domains behind the cluster's. */
  readonly host: DNSConfig;
}

const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;

export function podDns(pod: Pod, { clusterDns, clusterDomain, host }: DnsSettings): DNSConfig {
  const base = baseOf(pod, clusterDns, clusterDomain, host);
  const extra = pod.spec?.dnsConfig;
  const servers = unique([...(base.servers ?? []), ...(extra?.nameservers ?? [])]);
  const searches = unique([...(base.searches ?? []), ...(extra?.searches ?? [])]);
  return {
    servers: servers.slice(0, MAX_SERVERS),
    searches: fitting(searches),
    options: mergeOptions(base.options ?? [], extra?.options ?? []),
  };
}

function baseOf(pod: Pod, clusterDns: readonly string[], domain: string, host: DNSConfig): DNSConfig {
  const policy = pod.spec?.dnsPolicy ?? "ClusterFirst";
  if (policy === "None") return {};
  const onHost = usesHostNetwork(pod) && policy !== "ClusterFirstWithHostNet";
  if (policy === "Default" || onHost || clusterDns.length === 0) return host;
  const own = [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain];
  return { servers: clusterDns, searches: [...own, ...(host.searches ?? [])], options: ["ndots:5"] };
}

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)];

function fitting(searches: readonly string[]): readonly string[] {
  let chars = 0;
  return searches.slice(0, MAX_SEARCHES).filter((search) => {
    chars += search.length + 1;
    return chars <= MAX_SEARCH_CHARS;
  });
}

/** The Pod's own option replaces one of the same name. */
function mergeOptions(
  base: readonly string[],
  extra: readonly { readonly name?: string; readonly value?: string }[],
): readonly string[] {
  const merged = new Map(base.map((option) => [option.split(":")[0] as string, option]));
  for (const { name = "", value } of extra) merged.set(name, value ? `${name}:${value}` : name);
  return [...merged.values()];
}

/** Reads a resolv.conf. Addresses of the host's own loopback are no use inside a Pod and are left out. */
export function parseResolvConf(text: string): DNSConfig {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0] && !/^(127\.|::1$)/.test(rest[0])) servers.push(rest[0]);
    else if (word === "search") searches = rest.filter((domain) => domain !== ".");
    else if (word === "options") options = rest;
  }
  return { servers, searches, options };
}

/** "web-0.web.default.svc.cluster.local" of a Pod with hostname and subdomain; undefined without. */
export function podFqdn(pod: Pod, clusterDomain: string): string | undefined {
  const { subdomain, setHostnameAsFQDN } = pod.spec ?? {};
  if (!subdomain && !setHostnameAsFQDN) return undefined;
  return subdomain ? `${podHostname(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : undefined;
}

/** What the kernel takes as a host's name. */
const MAX_HOSTNAME = 64;

/** Throws when a Pod is to be named by its FQDN, and that is too long. */
export function checkHostname(pod: Pod, clusterDomain: string): void {
  const fqdn = pod.spec?.setHostnameAsFQDN && !pod.spec.hostnameOverride ? podFqdn(pod, clusterDomain) : undefined;
  if (fqdn === undefined || fqdn.length <= MAX_HOSTNAME) return;
  const long = `${MAX_HOSTNAME} characters is the max, ${fqdn.length} characters requested`;
  throw new Error(`failed to construct FQDN from Pod hostname and cluster domain, FQDN ${fqdn} is too long (${long})`);
}

/** At most 63 characters, without a trailing - or . */
export function podHostname(pod: Pod): string {
  const name = pod.spec?.hostname ?? pod.metadata.name;
  return name.slice(0, 63).replace(/[-.]+$/, "");
}
