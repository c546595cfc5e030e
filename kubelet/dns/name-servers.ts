/**
 * Name servers: who is asked for names that are not the cluster's.
 *
 * By default the machine's own servers, read again when its resolv.conf changes. The ConfigMap
 * kube-system/kube-dns may name others: for all names (upstreamNameservers), or for some domains
 * (stubDomains), as in Kubernetes' own DNS: https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers/
 */
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { ConfigMap } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { NameServer } from "./exchange.ts";

export interface CustomServers {
  /** Domain ► its servers. */
  readonly stubDomains: ReadonlyMap<string, readonly NameServer[]>;
  /** Empty: the machine's own. */
  readonly upstream: readonly NameServer[];
  /** What could not be understood, for the log. */
  readonly problems: readonly string[];
}

export const noCustomServers: CustomServers = { stubDomains: new Map(), upstream: [], problems: [] };

const PORT = 53;
const LOOK_AGAIN_MS = 5_000;

/** The longest domain that the name ends in decides. */
export function serversFor(
  name: string,
  { stubDomains, upstream }: CustomServers,
  machine: readonly NameServer[],
): readonly NameServer[] {
  for (let rest = name.toLowerCase(); stubDomains.size && rest; rest = rest.slice(rest.indexOf(".") + 1)) {
    const servers = stubDomains.get(rest);
    if (servers) return servers;
    if (!rest.includes(".")) break;
  }
  return upstream.length ? upstream : machine;
}

/** What the ConfigMap says; what is wrong in it is left out and told. */
export function customServers(config: Pick<ConfigMap, "data"> | undefined): CustomServers {
  const problems: string[] = [];
  const parsed = (key: string): unknown => {
    const value = config?.data?.[key]?.trim();
    if (!value) return undefined;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      problems.push(`${key} must be JSON`);
      return undefined;
    }
  };
  const servers = (where: string, value: unknown): readonly NameServer[] => {
    if (!Array.isArray(value)) {
      problems.push(`${where} must be a list of addresses`);
      return [];
    }
    return value.flatMap((one: unknown) => {
      const server = parseServer(String(one));
      if (!server) problems.push(`${where}: ${JSON.stringify(one)} must be ADDRESS or ADDRESS:PORT`);
      return server ?? [];
    });
  };

  const stubs = parsed("stubDomains") ?? {};
  const stubDomains = new Map<string, readonly NameServer[]>();
  if (typeof stubs !== "object" || Array.isArray(stubs)) problems.push("stubDomains must be an object");
  else {
    for (const [domain, value] of Object.entries(stubs as object)) {
      const found = servers(`stubDomains of ${domain}`, value);
      if (found.length) stubDomains.set(domain.toLowerCase().replace(/^\.|\.$/g, ""), found);
    }
  }
  const upstream = parsed("upstreamNameservers");
  return { stubDomains, upstream: upstream === undefined ? [] : servers("upstreamNameservers", upstream), problems };
}

/** "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:5353", also with # before the port. */
export function parseServer(text: string): NameServer | undefined {
  if (isIP(text)) return { address: text, port: PORT };
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]+)\]|([^:#[\]]+))(?:[:#](\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? "";
  const port = digits ? Number(digits) : PORT;
  return isIP(address) && port > 0 && port < 65_536 ? { address, port } : undefined;
}

export interface ResolverFiles {
  readonly main: string;
  /** Names the real servers where the first names only a local stub. */
  readonly behindStub: string;
}

const FILES: ResolverFiles = { main: "/etc/resolv.conf", behindStub: "/run/systemd/resolve/resolv.conf" };

/**
 * The machine's name servers without our own addresses: those behind a stub where it names only the stub. Looks
 * again when a file has changed.
 */
export function machineServers(own: readonly string[], clock: Clock, files = FILES): () => readonly NameServer[] {
  let seen = "";
  let looked = Number.NEGATIVE_INFINITY;
  let servers: readonly NameServer[] = [];
  return () => {
    if (clock.monotonic() - looked < LOOK_AGAIN_MS) return servers;
    looked = clock.monotonic();
    const now = `${stampOf(files.main)} ${stampOf(files.behindStub)}`;
    if (now !== seen) servers = readServers(own, files);
    seen = now;
    return servers;
  };
}

function readServers(own: readonly string[], files: ResolverFiles): readonly NameServer[] {
  const listed = nameServersIn(files.main);
  const remote = (addresses: readonly string[]) =>
    addresses.filter((address) => !isLoopback(address) && !own.includes(address));
  // One on this machine alone serves too: this process is on the machine, and circles are found (loop-check.ts).
  const choices = [
    remote(listed),
    remote(nameServersIn(files.behindStub)),
    listed.filter((address) => isLoopback(address) && !own.includes(address)),
  ];
  return (choices.find(({ length }) => length) ?? []).flatMap((address) => parseServer(address) ?? []);
}

function nameServersIn(file: string): readonly string[] {
  try {
    return [...readFileSync(file, "utf8").matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] as string);
  } catch {
    return []; // a machine without this file has no such servers
  }
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.ino}:${found.mtimeMs}:${found.size}` : "";
}

export const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";
