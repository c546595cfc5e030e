/**
 * Defaults of a static Pod: what the API server would have filled in, as far as it changes what runs. Pure.
 *
 * The mirror gets the rest from the API server; these are the same values there.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";

type Spec = NonNullable<Pod["spec"]>;
type Lists = NonNullable<Container["resources"]>;

export function withDefaults(spec: Spec, nodeName: string): Spec {
  const complete = (container: Container) => containerDefaults(container, spec.hostNetwork === true);
  return {
    restartPolicy: "Always",
    dnsPolicy: "ClusterFirst",
    terminationGracePeriodSeconds: 30,
    enableServiceLinks: true,
    schedulerName: "default-scheduler",
    securityContext: {},
    ...spec,
    nodeName,
    containers: spec.containers.map(complete),
    ...(spec.initContainers ? { initContainers: spec.initContainers.map(complete) } : {}),
    tolerations: [...(spec.tolerations ?? []), { operator: "Exists", effect: "NoExecute" }],
  };
}

function containerDefaults(container: Container, hostNetwork: boolean): Container {
  const { image = "", ports, resources } = container;
  return {
    imagePullPolicy: isLatest(image) ? "Always" : "IfNotPresent",
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    ...container,
    resources: requested(resources ?? {}),
    ...(ports
      ? {
          ports: ports.map((port) => ({
            protocol: "TCP",
            ...(hostNetwork ? { hostPort: port.containerPort } : {}),
            ...port,
          })),
        }
      : {}),
  };
}

/** Who sets only a limit asks for as much. */
function requested(resources: Lists): Lists {
  const { limits } = resources;
  return limits ? { ...resources, requests: { ...limits, ...resources.requests } } : resources;
}

function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const last = image.split("/").at(-1) ?? "";
  return !last.includes(":") || last.endsWith(":latest");
}
