/**
 * Endpoints of a Service: which Pods answer for it, on which ports, in which state. Pure.
 *
 * Shared by the two forms in which they are published: endpointslice.ts and endpoints.ts.
 */
import type { IpFamily } from "../machinery/objects/ip.ts";
import type { Endpoint, Pod, Service, ServicePort } from "../machinery/objects/kinds.ts";
import { fromMap, matches } from "../machinery/objects/selectors.ts";
import { isReady, isTerminal } from "./pod-state.ts";

export interface EndpointPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

/** One Pod that answers for the Service. */
export interface Backend {
  readonly pod: Pod;
  readonly ip: string;
  readonly ports: readonly EndpointPort[];
  readonly endpoint: Endpoint;
}

/** The Pods with an address of the family. */
export function backendsOf(service: Service, pods: readonly Pod[], family: IpFamily): Backend[] {
  const selector = fromMap(service.spec?.selector);
  return pods
    .filter((pod) => matches(selector, pod.metadata.labels) && !isTerminal(pod))
    .flatMap((pod) => {
      const ip = addressOf(pod, family);
      return ip ? [{ pod, ip, ports: portsOf(service, pod), endpoint: endpointOf(service, pod, ip) }] : [];
    })
    .sort((a, b) => (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1));
}

/** The Service's families, its first one first. */
export const familiesOf = ({ spec }: Service): readonly [IpFamily, ...IpFamily[]] => {
  const [first = "IPv4", ...more] = (spec?.ipFamilies ?? []) as IpFamily[];
  return [first, ...more];
};

function addressOf({ status }: Pod, family: IpFamily): string | undefined {
  const ipv6 = family === "IPv6";
  const all = [...(status?.podIPs ?? []).map(({ ip }) => ip), status?.podIP].filter(
    (ip) => ip !== undefined && ip !== "",
  );
  return all.find((ip) => ip?.includes(":") === ipv6);
}

export const publishesNotReady = ({ spec, metadata }: Service): boolean =>
  spec?.publishNotReadyAddresses === true ||
  metadata.annotations?.["service.alpha.kubernetes.io/tolerate-unready-endpoints"] === "true";

function endpointOf(service: Service, pod: Pod, ip: string): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const hostname = pod.spec?.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined;
  return {
    addresses: [ip],
    conditions: { ready: publishesNotReady(service) || (serving && !terminating), serving, terminating },
    ...(hostname ? { hostname } : {}),
    targetRef: { kind: "Pod", namespace: namespace!, name, uid },
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
  };
}

/** The Service's ports as this Pod has them; a name that no container of the Pod has is left out. */
function portsOf(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

function targetPort({ targetPort: target, port, protocol = "TCP" }: ServicePort, { spec }: Pod): number | undefined {
  const wanted = target as number | string | undefined;
  if (wanted === undefined || wanted === 0 || wanted === "") return port;
  if (typeof wanted === "number") return wanted;
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const container of [...(spec?.containers ?? []), ...sidecars]) {
    const found = container.ports?.find((one) => one.name === wanted && (one.protocol ?? "TCP") === protocol);
    if (found) return found.containerPort;
  }
  return undefined;
}

export const LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time";

/** When the last change happened that the endpoints reflect: of the Service's making or of a Pod's readiness. */
export function lastChange(service: Service, backends: readonly Backend[]): string {
  const times = backends.map(
    ({ pod }) => pod.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime,
  );
  return [service.metadata.creationTimestamp, ...times.filter((time) => time !== undefined)].sort().at(-1) as string;
}
