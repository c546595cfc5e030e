/**
 * Root CA publisher: every namespace has the ConfigMap kube-root-ca.crt, by which Pods know the API server.
 *
 * Its data is always the CA that this process was started with; other writers are overruled.
 */
import { type Controller, defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import { isAlreadyExists } from "../machinery/objects/status.ts";
import { sameJson } from "./canonical-json.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

const NAME = "kube-root-ca.crt";
const annotations = {
  "kubernetes.io/description":
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
};

/** `ca` is PEM. */
export function rootCaPublisher(ca: string): Controller {
  const data = { "ca.crt": ca };
  return defineController({
    name: "root-ca-certificate-publisher-controller",
    watches: {
      namespaces: enqueueSelf,
      configmaps: ({ object: { metadata } }) => (metadata.name === NAME ? [metadata.namespace!] : []),
    },

    async reconcile(name, { namespaces, configmaps, client }): Promise<Outcome> {
      const namespace = namespaces.get(name);
      if (!namespace || namespace.status?.phase === "Terminating") return done;
      const cached = configmaps.get(`${name}/${NAME}`);
      if (cached && sameJson(cached.data, data)) return done;
      try {
        if (cached) await client.update("configmaps", { ...cached, data });
        else await client.create("configmaps", { metadata: { name: NAME, namespace: name, annotations }, data });
      } catch (error) {
        if (!isAlreadyExists(error) && !isTerminatingNamespace(error)) throw error;
      }
      return done;
    },
  });
}
