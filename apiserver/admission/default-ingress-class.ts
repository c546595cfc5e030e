/**
 * DefaultIngressClass: an Ingress that names no class, in its spec or in the old annotation, gets the cluster's.
 */
import type { AdmissionPlugin } from "./contract.ts";
import { newestDefault } from "./newest-default.ts";

const OLD_NAME = "kubernetes.io/ingress.class";

export function defaultIngressClass(): AdmissionPlugin {
  const defaultOf = newestDefault("ingressclasses.networking.k8s.io", ["ingressclass.kubernetes.io/is-default-class"]);
  return {
    name: "DefaultIngressClass",
    mutate({ operation, row, subresource, object }, { objects }) {
      if (operation !== "CREATE" || row.plural !== "ingresses" || row.group !== "networking.k8s.io") return;
      if (!object || subresource !== "" || object.metadata.annotations?.[OLD_NAME] !== undefined) return;
      const spec = (object["spec"] ?? {}) as { ingressClassName?: string };
      if (spec.ingressClassName !== undefined) return;
      const name = defaultOf(objects);
      if (name !== undefined) object["spec"] = { ...spec, ingressClassName: name };
    },
  };
}
