/**
 * NamespaceLifecycle: nothing is created in a namespace that is not there or is going away, and the
 * namespaces that the cluster needs are not deleted.
 */
import type { Namespace } from "../../machinery/objects/kinds.ts";
import { notFound } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./contract.ts";
import { refused } from "./refused.ts";

const IMMORTAL: ReadonlySet<string> = new Set(["default", "kube-system", "kube-public"]);

export const namespaceLifecycle: AdmissionPlugin = {
  name: "NamespaceLifecycle",

  mutate(request, { objects, read }) {
    const { operation, row, namespace } = request;
    if (operation !== "CREATE" || !row.namespaced || namespace === "") return undefined;
    if (row.virtual && row.group === "authorization.k8s.io") return undefined; // a question: nothing is made
    const found = objects.get("namespaces", "", namespace);
    if (found) return checkNamespace(request, found);
    // A namespace that was made a moment ago may not be in the cache yet.
    return read("namespaces", "", namespace).then((stored) => checkNamespace(request, stored));
  },

  validate(request) {
    const { operation, row, name } = request;
    if (operation !== "DELETE" || row.group !== "" || row.plural !== "namespaces") return;
    if (IMMORTAL.has(name)) throw refused(request, "this namespace may not be deleted");
  },
};

function checkNamespace(request: AdmissionRequest, found: StoredObject | undefined): void {
  const { namespace } = request;
  if (!found) throw notFound("namespaces", namespace);
  if (!isTerminating(found as unknown as Namespace)) return;
  throw refused(request, `unable to create new content in namespace ${namespace} because it is being terminated`, [
    {
      reason: "NamespaceTerminating",
      message: `namespace ${namespace} is being terminated`,
      field: "metadata.namespace",
    },
  ]);
}

const isTerminating = ({ metadata, status }: Namespace): boolean =>
  metadata.deletionTimestamp !== undefined || status?.phase === "Terminating";
