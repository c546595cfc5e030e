/**
 * RuntimeClass: a Pod carries the overhead of the class that runs it, and goes where that class can run.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Pod, PodSpec, Toleration } from "../../machinery/objects/kinds.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { refused } from "./refused.ts";

type RuntimeClass = Stored<models.V1RuntimeClass>;

const CLASSES = "runtimeclasses.node.k8s.io";

export const runtimeClass: AdmissionPlugin = {
  name: "RuntimeClass",

  mutate(request, services) {
    const spec = specOf(request);
    return spec?.runtimeClassName ? apply(request, spec, spec.runtimeClassName, services) : undefined;
  },

  validate(request, services) {
    const spec = specOf(request);
    return spec?.overhead ? checkOverhead(request, spec, services) : undefined;
  },
};

async function checkOverhead(request: AdmissionRequest, spec: PodSpec, services: AdmissionServices): Promise<void> {
  const { overhead, runtimeClassName: name } = spec;
  const wanted = name ? (await classOf(request, name, services)).overhead?.podFixed : undefined;
  if (!wanted)
    throw refused(request, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  if (!equalJson(overhead, wanted)) throw differing(request);
}

function specOf({ operation, row, subresource, object }: AdmissionRequest): PodSpec | undefined {
  if (operation !== "CREATE" || row.group !== "" || row.plural !== "pods" || subresource !== "") return undefined;
  return (object as unknown as Pod).spec;
}

async function apply(request: AdmissionRequest, spec: PodSpec, name: string, services: AdmissionServices) {
  const { overhead, scheduling } = await classOf(request, name, services);
  if (overhead?.podFixed) {
    if (spec.overhead && !equalJson(spec.overhead, overhead.podFixed)) throw differing(request);
    spec.overhead = { ...overhead.podFixed };
  }
  for (const [key, value] of Object.entries(scheduling?.nodeSelector ?? {})) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value)
      throw refused(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
  }
  const more = (scheduling?.tolerations ?? []) as Toleration[];
  const missing = more.filter((one) => !spec.tolerations?.some((own) => equalJson(own, one)));
  if (missing.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...missing.map((one) => ({ ...one }))];
}

async function classOf(
  request: AdmissionRequest,
  name: string,
  { objects, read }: AdmissionServices,
): Promise<RuntimeClass> {
  const found = objects.get(CLASSES, "", name) ?? (await read(CLASSES, "", name));
  if (!found) throw refused(request, `pod rejected: RuntimeClass "${name}" not found`);
  return found as unknown as RuntimeClass;
}

const differing = (request: AdmissionRequest) =>
  refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
