/** kubectl expose: a Service for the Pods of an object. */
import type { Container, PodTemplateSpec, Service } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { defineCommand } from "../command.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError } from "../errors.ts";
import { findOne, podSelector } from "../pods.ts";
import type { FoundObject } from "../selection.ts";
import { createReporter, dryRunOf, writeFlags, writeQuery } from "../writing.ts";

export const expose = defineCommand({
  usage:
    "expose (-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name] [--name=name] [--type=type] [options]",
  summary: "Expose a resource as a new Kubernetes service.",
  examples: ["kubectl expose deployment nginx --port=80 --target-port=8000"],
  flags: {
    ...writeFlags,
    "field-manager": {
      type: "string",
      default: "kubectl-expose",
      help: "Name of the manager used to track field ownership.",
    },
    "cluster-ip": { type: "string", default: "", help: "ClusterIP to be assigned to the service." },
    labels: { type: "string", short: "l", default: "", help: "Labels to apply to the service created by this call." },
    name: { type: "string", default: "", help: "The name for the newly created object." },
    port: { type: "string", default: "", help: "The port that the service should serve on." },
    protocol: { type: "string", default: "TCP", help: "The network protocol for the service to be created." },
    selector: { type: "string", default: "", help: "A label selector to use for this service." },
    "target-port": {
      type: "string",
      default: "",
      help: "Name or number for the port on the container that the service should direct traffic to.",
    },
    type: {
      type: "string",
      default: "",
      help: "Type for this service: ClusterIP, NodePort, LoadBalancer, or ExternalName.",
    },
  },
  async run(run) {
    const { flags } = run;
    if (run.args.length === 0)
      throw new CommandError("You must provide one or more resources by argument or filename.");
    const cluster = await run.cluster();
    const found = await findOne(cluster, run.args);
    const selector = pairs(flags.selector || selectorOf(found));
    const ports = flags.port === "" ? containerPorts(found) : flags.port.split(",").map(Number);
    if (ports.length === 0)
      throw new CommandError(
        "couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for help and examples",
      );
    const target = flags["target-port"];
    const targetPort = (port: number) => (target === "" ? port : /^\d+$/.test(target) ? Number(target) : target);
    const labels = flags.labels === "" ? found.object.metadata.labels : pairs(flags.labels);
    const service: Partial<Service> & KubeObject = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: flags.name || found.name, ...(labels ? { labels } : {}) } as Service["metadata"],
      spec: {
        ...(flags["cluster-ip"] === "" ? {} : { clusterIP: flags["cluster-ip"] }),
        ports: ports.map((port, index) => ({
          ...(ports.length > 1 ? { name: `port-${index + 1}` } : {}),
          port,
          protocol: flags.protocol,
          targetPort: targetPort(port),
        })),
        selector,
        ...(flags.type === "" ? {} : { type: flags.type }),
      },
    };
    const type = resolveType(await cluster.discovery(), "services");
    const client = dryRunOf(flags["dry-run"]) === "client";
    const path = resourcePath(type, cluster.namespace);
    const made = client
      ? service
      : await cluster.request<KubeObject>({ method: "POST", path, query: writeQuery(flags), body: service });
    (await createReporter(run))(type, made, "exposed");
  },
});

function selectorOf(found: FoundObject): string {
  const { labels } = found.object.metadata;
  const own = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const selector = found.type.kind === "Pod" ? own.join(",") : podSelector(found);
  if (!selector)
    throw new CommandError(
      `couldn't retrieve selectors via --selector flag or introspection: the ${found.type.kind.toLowerCase()} has no labels and cannot be exposed`,
    );
  return selector;
}

function pairs(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(",").map((pair) => {
      const [key = "", value, ...more] = pair.split("=");
      if (value === undefined || more.length > 0)
        throw new CommandError(`couldn't convert expressions - ${JSON.stringify(text)} - to map-based selector format`);
      return [key, value];
    }),
  );
}

function containerPorts({ object, type }: FoundObject): number[] {
  const spec = object["spec"] as { template?: PodTemplateSpec; containers?: Container[]; ports?: { port: number }[] };
  if (type.kind === "Service") return (spec.ports ?? []).map(({ port }) => port);
  const containers = (spec.template?.spec?.containers ?? spec.containers ?? []) as Container[];
  return containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
}
