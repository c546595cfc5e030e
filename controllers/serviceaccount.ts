/**
 * ServiceAccounts: every namespace has one named "default", which its Pods use unless they name another.
 *
 * It is made again when it was deleted; nothing else about it is touched.
 */
import { defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import { isAlreadyExists } from "../machinery/objects/status.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

const NAME = "default";

export const serviceAccountController = defineController({
  name: "service-account-controller",
  watches: {
    namespaces: enqueueSelf,
    serviceaccounts: ({ type, object: { metadata } }) =>
      type === "deleted" && metadata.name === NAME ? [metadata.namespace!] : [],
  },

  async reconcile(name, { namespaces, serviceaccounts, client }): Promise<Outcome> {
    const namespace = namespaces.get(name);
    if (!namespace || namespace.status?.phase === "Terminating") return done;
    if (serviceaccounts.get(`${name}/${NAME}`)) return done;
    try {
      await client.create("serviceaccounts", { metadata: { name: NAME, namespace: name } });
    } catch (error) {
      if (!isAlreadyExists(error) && !isTerminatingNamespace(error)) throw error;
    }
    return done;
  },
});
