/**
 * The operating system that a Pod says it is for: what belongs to the other one must not be set.
 */
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { eachContainer } from "./each-container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child } from "./path.ts";

const NOT_ON_WINDOWS = "cannot be set for a windows pod";

export function validateOs(spec: PodSpec, path: At, errors: FieldErrors): void {
  if (!spec.os) return;
  const { name } = spec.os;
  if (!name) errors.required(child(child(path, "os"), "name"), "cannot be empty");
  else if (name === "linux") refuse(spec, ONLY_WINDOWS, path, errors, "windows options cannot be set for a linux pod");
  else if (name === "windows") refuse(spec, ONLY_LINUX, path, errors, NOT_ON_WINDOWS);
  else errors.notSupported(child(path, "os"), name, ["linux", "windows"]);
}

/** Fields that the other system has: "context" is the Pod's security context, "spec" the Pod's own. */
interface Foreign {
  readonly pod: readonly (readonly ["context" | "spec", string])[];
  readonly container: readonly string[];
}

const ONLY_WINDOWS: Foreign = { pod: [["context", "windowsOptions"]], container: ["windowsOptions"] };

const ONLY_LINUX: Foreign = {
  pod: [
    ["context", "appArmorProfile"],
    ["context", "seLinuxOptions"],
    ["spec", "hostUsers"],
    ["spec", "hostPID"],
    ["spec", "hostIPC"],
    ["context", "seccompProfile"],
    ["context", "fsGroup"],
    ["context", "fsGroupChangePolicy"],
    ["context", "sysctls"],
    ["spec", "shareProcessNamespace"],
    ["context", "runAsUser"],
    ["context", "runAsGroup"],
    ["context", "supplementalGroups"],
    ["context", "supplementalGroupsPolicy"],
    ["context", "seLinuxChangePolicy"],
  ],
  container: [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
  ],
};

/** What counts as set even where it says no. */
const SET_WHEN_FALSE: ReadonlySet<string> = new Set(["hostUsers", "shareProcessNamespace"]);

function refuse(spec: PodSpec, { pod, container }: Foreign, path: At, errors: FieldErrors, detail: string): void {
  const context = (spec.securityContext ?? {}) as Record<string, unknown>;
  const own = spec as unknown as Record<string, unknown>;
  for (const [place, field] of pod) {
    if (place === "context") {
      if (isSet(context[field])) errors.forbidden(child(child(path, "securityContext"), field), detail);
    } else if (own[field] !== undefined && (own[field] !== false || SET_WHEN_FALSE.has(field))) {
      errors.forbidden(child(path, field), detail);
    }
  }
  for (const [{ securityContext }, at] of eachContainer(spec, path)) {
    const ofContainer = (securityContext ?? {}) as Record<string, unknown>;
    for (const field of container) {
      if (ofContainer[field] !== undefined) errors.forbidden(child(child(at, "securityContext"), field), detail);
    }
  }
}

const isSet = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);
