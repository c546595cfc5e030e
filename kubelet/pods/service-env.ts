/**
 * Service environment variables: WEB_SERVICE_HOST and its family, for each Service of the Pod's namespace. Pure.
 *
 * default/kubernetes is always there; the rest only with enableServiceLinks.
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
import type { Service } from "../../machinery/objects/kinds.ts";

export function serviceEnv(
  services: readonly Service[],
  namespace: string,
  links: boolean,
): ReadonlyMap<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace: home } = service.metadata;
    if (!hasAddress(service)) continue;
    if (home === namespace && links) chosen.set(name, service);
    else if (home === "default" && name === "kubernetes" && !chosen.has(name)) chosen.set(name, service);
  }
  const env = new Map<string, string>();
  for (const service of [...chosen.values()].sort(byName)) addService(env, service);
  return env;
}

const hasAddress = ({ spec }: Service): boolean => Boolean(spec?.clusterIP) && spec?.clusterIP !== "None";
const byName = (a: Service, b: Service): number => (a.metadata.name < b.metadata.name ? -1 : 1);

function addService(env: Map<string, string>, service: Service): void {
  const [first] = service.spec?.ports ?? [];
  const host = service.spec?.clusterIP;
  if (!first || !host) return;
  const prefix = upper(service.metadata.name);
  env.set(`${prefix}_SERVICE_HOST`, host);
  env.set(`${prefix}_SERVICE_PORT`, String(first.port));
  const ports = service.spec?.ports ?? [];
  for (const { name, port } of ports) if (name) env.set(`${prefix}_SERVICE_PORT_${upper(name)}`, String(port));
  env.set(`${prefix}_PORT`, url(host, first.port, first.protocol));
  for (const { port, protocol = "TCP" } of ports) {
    const link = `${prefix}_PORT_${port}_${protocol}`;
    env.set(link, url(host, port, protocol));
    env.set(`${link}_PROTO`, protocol.toLowerCase());
    env.set(`${link}_PORT`, String(port));
    env.set(`${link}_ADDR`, host);
  }
}

const upper = (name: string): string => name.toUpperCase().replaceAll("-", "_");

function url(host: string, port: number, protocol = "TCP"): string {
  return `${protocol.toLowerCase()}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
