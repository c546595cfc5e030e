/** describe service. */
import type { EndpointSlice, Service, ServicePort } from "../../machinery/objects/kinds.ts";
import { labelsText } from "../output/table.ts";
import { type Describer, related } from "./describer.ts";
import { writeEvents } from "./events.ts";
import { writeAnnotations, writeLabels, writeMeta } from "./fields.ts";

const SERVICE_LABEL = "kubernetes.io/service-name";

export const describeService: Describer = async (object, document, context) => {
  const { metadata, spec, status } = object as unknown as Service;
  writeMeta(document, object);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "");
  const rows: readonly [string, string | undefined][] = [
    ["Selector", labelsText(spec?.selector)],
    ["Type", spec?.type ?? ""],
    ["IP Family Policy", spec?.ipFamilyPolicy],
    ["IP Families", spec?.ipFamilies?.join(",") || "<none>"],
    ["IP", spec?.clusterIP ?? ""],
    ["IPs", spec?.clusterIPs?.join(",") || "<none>"],
    ["External IPs", spec?.externalIPs?.length ? spec.externalIPs.join(",") : undefined],
    ["Desired LoadBalancer IP", spec?.loadBalancerIP || undefined],
    ["External Name", spec?.externalName || undefined],
    ["LoadBalancer Ingress", ingress.length > 0 ? ingress.join(", ") : undefined],
  ];
  for (const [title, value] of rows) if (value !== undefined) document.write(0, `${title}:\t${value}\n`);
  const slices = await related<EndpointSlice>(context, "endpointslices", metadata.namespace, {
    selector: `${SERVICE_LABEL}=${metadata.name}`,
  });
  for (const port of (spec?.ports ?? []) as ServicePort[]) {
    const { name, protocol = "TCP", port: number, targetPort, nodePort } = port;
    document.write(0, `Port:\t${name || "<unset>"}\t${number}/${protocol}\n`);
    document.write(0, `TargetPort:\t${targetPort ?? number}/${protocol}\n`);
    if (nodePort) document.write(0, `NodePort:\t${name || "<unset>"}\t${nodePort}/${protocol}\n`);
    document.write(0, `Endpoints:\t${endpointsText(slices, port)}\n`);
  }
  const more: readonly [string, string | number | undefined][] = [
    ["Session Affinity", spec?.sessionAffinity ?? ""],
    ["External Traffic Policy", spec?.externalTrafficPolicy || undefined],
    ["Internal Traffic Policy", spec?.internalTrafficPolicy],
    ["HealthCheck NodePort", spec?.healthCheckNodePort || undefined],
    ["LoadBalancer Source Ranges", spec?.loadBalancerSourceRanges?.join(",") || undefined],
  ];
  for (const [title, value] of more) if (value !== undefined) document.write(0, `${title}:\t${value}\n`);
  await writeEvents(object, document, context);
};

const MOST = 3;

/** None at all where there is no slice; an empty line where nobody in them is ready. */
function endpointsText(slices: readonly EndpointSlice[], { name }: ServicePort): string {
  if (slices.length === 0) return "<none>";
  const all = slices.flatMap(({ ports = [], endpoints = [], addressType }) => {
    const port = ports.find((one) => (one.name ?? "") === (name ?? ""));
    if (!port) return [];
    const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false);
    const host = (address = "") => (addressType === "IPv6" ? `[${address}]` : address);
    return ready.map(({ addresses }) => `${host(addresses[0])}:${port.port}`);
  });
  const more = all.length > MOST ? ` + ${all.length - MOST} more...` : "";
  return `${all.slice(0, MOST).join(",")}${more}`;
}
