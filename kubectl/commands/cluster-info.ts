/** kubectl cluster-info: where the control plane answers, and cluster services that are labelled as such. */
import type { Service } from "../../machinery/objects/kinds.ts";
import { defineCommand } from "../command.ts";
import { resolveType } from "../discovery.ts";
import { listAll } from "../selection.ts";

export const clusterInfo = defineCommand({
  usage: "cluster-info [flags] [options]",
  summary: "Display addresses of the control plane and services with label kubernetes.io/cluster-service=true.",
  flags: {},
  async run({ out, cluster }) {
    const opened = await cluster();
    const { server } = opened.access;
    out(`Kubernetes control plane is running at ${server}\n`);
    const type = resolveType(await opened.discovery(), "services");
    const services = await listAll(opened, type, "kube-system", { selector: "kubernetes.io/cluster-service=true" });
    for (const { object, namespace, name } of services) {
      const { metadata, spec } = object as unknown as Service;
      const title = metadata.labels?.["kubernetes.io/name"] ?? name;
      const port = spec?.ports?.[0]?.name;
      out(
        `${title} is running at ${server}/api/v1/namespaces/${namespace}/services/${name}${port ? `:${port}` : ""}/proxy\n`,
      );
    }
    out("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n");
  },
});
