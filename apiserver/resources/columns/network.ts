/**
 * Columns of Services and what else has to do with the network.
 */
import type * as models from "@kubernetes/client-node";
import type { EndpointSlice, Endpoints, Service } from "../../../machinery/objects/kinds.ts";
import { formatLabelSelector } from "../../../machinery/objects/selectors.ts";
import type { Stored } from "../../../machinery/objects/wire.ts";
import { ageColumn, columns, firstThree, labelList, nameColumn, none, text, unset, wideText } from "./column.ts";

export const serviceColumns = columns<Service>(
  nameColumn,
  text<Service>("Type", "How it is reached", ({ spec }) => spec?.type ?? ""),
  text<Service>("Cluster-IP", "Its virtual address", ({ spec }) => spec?.clusterIPs?.[0] ?? (spec?.clusterIP || none)),
  text<Service>("External-IP", "Addresses outside the cluster", externalAddresses),
  text<Service>("Port(s)", "Ports, with node ports", ({ spec }) => {
    const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
      nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
    );
    return ports.join(",") || none;
  }),
  ageColumn,
  wideText<Service>("Selector", "Which Pods stand behind it", ({ spec }) => labelList(spec?.selector)),
);

function externalAddresses({ spec, status }: Service): string {
  if (spec?.type === "ExternalName") return spec.externalName ?? "";
  const external = spec?.externalIPs ?? [];
  if (spec?.type !== "LoadBalancer") return external.join(",") || none;
  const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "");
  return [...balancers, ...external].join(",") || "<pending>";
}

export const endpointsColumns = columns<Endpoints>(
  nameColumn,
  text<Endpoints>("Endpoints", "Addresses and ports", ({ subsets }) => {
    const all = (subsets ?? []).flatMap(({ addresses, ports }) =>
      (addresses ?? []).flatMap(({ ip }) => (ports?.length ? ports.map(({ port }) => hostPort(ip, port)) : [ip])),
    );
    return firstThree(all, none);
  }),
  ageColumn,
);

const hostPort = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

export const endpointSliceColumns = columns<EndpointSlice>(
  nameColumn,
  text<EndpointSlice>("AddressType", "Kind of its addresses", ({ addressType }) => addressType),
  text<EndpointSlice>("Ports", "Ports of every endpoint", ({ ports }) =>
    firstThree(
      (ports ?? []).map(({ port, name }) => (port === undefined ? name || "*" : String(port))),
      unset,
    ),
  ),
  text<EndpointSlice>("Endpoints", "Addresses", ({ endpoints }) =>
    firstThree(
      (endpoints ?? []).flatMap(({ addresses }) => addresses),
      unset,
    ),
  ),
  ageColumn,
);

type Ingress = Stored<models.V1Ingress>;

export const ingressColumns = columns<Ingress>(
  nameColumn,
  text<Ingress>("Class", "Which controller serves it", ({ spec }) => spec?.ingressClassName || none),
  text<Ingress>("Hosts", "Host names", ({ spec }) => {
    const hosts = (spec?.rules ?? []).map(({ host }) => host || "*");
    return firstThree(hosts, "*");
  }),
  text<Ingress>("Address", "Where it is reached", ({ status }) =>
    (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "").join(","),
  ),
  text<Ingress>("Ports", "Ports", ({ spec }) => (spec?.tls?.length ? "80, 443" : "80")),
  ageColumn,
);

type IngressClass = Stored<models.V1IngressClass>;

export const ingressClassColumns = columns<IngressClass>(
  nameColumn,
  text<IngressClass>("Controller", "Who serves the class", ({ spec }) => spec?.controller ?? ""),
  text<IngressClass>("Parameters", "Where its parameters stand", ({ spec }) => {
    const parameters = spec?.parameters;
    if (!parameters) return none;
    const group = parameters.apiGroup ? `.${parameters.apiGroup}` : "";
    return `${parameters.kind}${group}/${parameters.name}`;
  }),
  ageColumn,
);

type NetworkPolicy = Stored<models.V1NetworkPolicy>;

export const networkPolicyColumns = columns<NetworkPolicy>(
  nameColumn,
  text<NetworkPolicy>("Pod-Selector", "Which Pods it is about", ({ spec }) =>
    formatLabelSelector(spec?.podSelector ?? {}),
  ),
  ageColumn,
);

type IpAddress = Stored<models.V1IPAddress>;

export const ipAddressColumns = columns<IpAddress>(
  nameColumn,
  text<IpAddress>("ParentRef", "Who uses the address", ({ spec }) => {
    const parent = spec?.parentRef;
    return parent ? [parent.resource, parent.namespace, parent.name].filter(Boolean).join("/") : none;
  }),
);

type ServiceCidr = Stored<models.V1ServiceCIDR>;

export const serviceCidrColumns = columns<ServiceCidr>(
  nameColumn,
  text<ServiceCidr>("CIDRs", "Blocks of addresses", ({ spec }) => spec?.cidrs?.join(",") ?? ""),
  ageColumn,
);
