/**
 * Priority: a Pod's priority class becomes its number; at most one class is the default of the cluster.
 *
 * The default is looked for again only when a class has changed.
 */
import type { Pod, PodSpec, PriorityClass } from "../../machinery/objects/kinds.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { refused } from "./refused.ts";

const CLASSES = "priorityclasses.scheduling.k8s.io";

export function priority(): AdmissionPlugin {
  const defaultOf = rememberedDefault();
  return {
    name: "Priority",

    mutate(request, services) {
      const { operation, row, subresource } = request;
      if (row.group !== "" || row.plural !== "pods" || subresource !== "") return undefined;
      if (operation === "UPDATE") return keepPriority(request);
      return operation === "CREATE" ? setPriority(request, services, defaultOf) : undefined;
    },

    validate(request, { objects }) {
      const { operation, row, object } = request;
      if (operation !== "CREATE" && operation !== "UPDATE") return;
      if (row.plural !== "priorityclasses" || row.group !== "scheduling.k8s.io") return;
      if (!(object as unknown as PriorityClass).globalDefault) return;
      for (const other of objects.list(CLASSES)) {
        if (other.metadata.name === request.name || !(other as unknown as PriorityClass).globalDefault) continue;
        throw refused(
          request,
          `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
        );
      }
    },
  };
}

type Objects = AdmissionServices["objects"];
type DefaultOf = (objects: Objects) => PriorityClass | undefined;

function setPriority(
  request: AdmissionRequest,
  services: AdmissionServices,
  defaultOf: DefaultOf,
): Promise<void> | void {
  const { spec } = request.object as unknown as Pod;
  if (!spec) return undefined;
  if (spec.priorityClassName) return setNamedPriority(request, spec, spec.priorityClassName, services);
  const found = defaultOf(services.objects);
  if (found) spec.priorityClassName = found.metadata.name;
  return setNumber(request, spec, found);
}

async function setNamedPriority(
  request: AdmissionRequest,
  spec: PodSpec,
  name: string,
  { objects, read }: AdmissionServices,
): Promise<void> {
  const found = (objects.get(CLASSES, "", name) ?? (await read(CLASSES, "", name))) as PriorityClass | undefined;
  if (!found) throw refused(request, `no PriorityClass with name ${name} was found`);
  setNumber(request, spec, found);
}

function setNumber(request: AdmissionRequest, spec: PodSpec, found: PriorityClass | undefined): void {
  const computed = found?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== computed)
    throw refused(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
    );
  spec.priority = computed;
  spec.preemptionPolicy ??= found?.preemptionPolicy ?? "PreemptLowerPriority";
}

/** A client that does not know the field must not clear it. */
function keepPriority({ object, old }: AdmissionRequest): void {
  const { spec } = object as unknown as Pod;
  const before = (old as unknown as Pod).spec;
  if (!spec || !before) return;
  if (spec.priority === undefined && before.priority !== undefined) spec.priority = before.priority;
  if (spec.preemptionPolicy === undefined && before.preemptionPolicy !== undefined)
    spec.preemptionPolicy = before.preemptionPolicy;
}

function rememberedDefault(): DefaultOf {
  let known: { readonly generation: number; readonly found: PriorityClass | undefined } | undefined;
  return (objects) => {
    const generation = objects.generation(CLASSES);
    if (known?.generation !== generation) {
      const all = [...objects.list(CLASSES)] as unknown as PriorityClass[];
      const defaults = all.filter(({ globalDefault }) => globalDefault);
      known = { generation, found: defaults.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0] };
    }
    return known.found;
  };
}
