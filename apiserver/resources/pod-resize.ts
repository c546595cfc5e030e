/**
 * Resize: cpu and memory of a running Pod's containers, through a subresource of its own.
 *
 * The class of service stays, and nothing that was asked for may be left out. Only containers that are
 * ordinary ones or sidecars can be resized. Carrying it out is the kubelet's.
 */
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import type { Container, Pod, PodSpec } from "../../machinery/objects/kinds.ts";
import { qosClass } from "../../machinery/objects/qos.ts";
import type { Amounts, Requirements } from "./compute-resources.ts";
import type { Part } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";
import { MIRROR } from "./pod-annotations.ts";
import { withOld } from "./pod-update.ts";

const SIZABLE = ["cpu", "memory"] as const;
const ONLY_SIZE = "only cpu and memory resources are mutable";

export const resize: Part<Pod> = {
  prepareForUpdate(pod, old) {
    const next = pod.spec!;
    const before = old.spec!;
    if (!sameContainers(next, before)) return;
    const spec: PodSpec = cloneJson(before);
    spec.containers = resized(spec.containers, next.containers);
    if (spec.initContainers) spec.initContainers = resized(spec.initContainers, next.initContainers ?? []);
    if (next.resources) spec.resources = next.resources;
    else delete spec.resources;
    pod.spec = spec;
  },

  validateUpdate(pod, old, errors) {
    const refusal = neverResized(old);
    if (refusal) {
      errors.clear();
      errors.forbidden("", refusal);
      return;
    }
    const [next, before] = [pod.spec!, old.spec!];
    if (!sameContainers(next, before)) {
      errors.forbidden("spec", "pod resize may not add, remove, reorder or rename containers");
      return;
    }
    if (qosClass(next) !== (old.status?.qosClass ?? qosClass(before))) {
      errors.invalid("spec", old.status?.qosClass, "Pod QOS Class may not change as a result of resizing");
    }
    if (!nodeResizes(old)) errors.forbidden("spec", "Pod running on node without support for resize");
    validateInit(next, before, errors);
    for (const [index, container] of before.containers.entries()) {
      const now = next.containers[index]!;
      validateKept(now.resources, container.resources, child(item("spec.containers", index), "resources"), errors);
      if (!equalJson(withOldSize(now, container), container)) errors.forbidden("spec", ONLY_SIZE);
    }
    if (next.resources || before.resources) {
      validateKept(next.resources, before.resources, "spec.resources", errors);
    }
  },
};

const isSidecar = ({ restartPolicy }: Container): boolean => restartPolicy === "Always";

function validateInit(next: PodSpec, before: PodSpec, errors: FieldErrors): void {
  for (const [index, container] of (before.initContainers ?? []).entries()) {
    const now = next.initContainers![index]!;
    if (!isSidecar(container)) {
      if (!equalJson(now, container)) {
        errors.forbidden("spec", "resources for non-sidecar init containers are immutable");
      }
      continue;
    }
    validateKept(now.resources, container.resources, child(item("spec.initContainers", index), "resources"), errors);
    if (!equalJson(withOldSize(now, container), container)) {
      errors.forbidden("spec", "only cpu and memory resources for sidecar containers are mutable");
    }
  }
}

const sameNames = (next: readonly Container[] = [], old: readonly Container[] = []): boolean =>
  next.length === old.length && next.every(({ name }, index) => name === old[index]?.name);

const sameContainers = (next: PodSpec, old: PodSpec): boolean =>
  sameNames(next.containers, old.containers) && sameNames(next.initContainers, old.initContainers);

function resized(containers: readonly Container[], next: readonly Container[]): Container[] {
  return containers.map((container, index) =>
    withOld(container, next[index] ?? container, ["resources", "resizePolicy"]),
  );
}

function neverResized({ metadata, spec }: Pod): string | undefined {
  if (metadata.annotations?.[MIRROR] !== undefined) return "static pods cannot be resized";
  return spec?.os?.name === "windows" ? "windows pods cannot be resized" : undefined;
}

/** A kubelet that can resize says what containers have; before any runs, one cannot know. */
function nodeResizes({ status }: Pod): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running);
  return !running || running.resources !== undefined;
}

function validateKept(
  next: Requirements | undefined,
  old: Requirements | undefined,
  path: At,
  errors: FieldErrors,
): void {
  for (const list of ["requests", "limits"] as const) {
    const removed = Object.keys(old?.[list] ?? {}).some((name) => next?.[list]?.[name] === undefined);
    if (removed) errors.forbidden(child(path, list), `resource ${list} cannot be removed`);
  }
}

/** The container with its old size, and with the resize policy that it may change beside. */
function withOldSize(next: Container, old: Container): Container {
  const resources: Requirements = { ...next.resources };
  for (const list of ["requests", "limits"] as const) {
    const amounts: Amounts = { ...resources[list] };
    for (const name of SIZABLE) {
      const before = old.resources?.[list]?.[name];
      if (before === undefined) delete amounts[name];
      else amounts[name] = before;
    }
    if (old.resources?.[list] === undefined && Object.keys(amounts).length === 0) delete resources[list];
    else resources[list] = amounts;
  }
  return { ...next, resources };
}
