/**
 * APIService: which server serves a group and version: this one, or one behind a Service.
 *
 * Its rules and columns. Who follows them, and what becomes of requests: ../aggregation.
 */
import type * as models from "@kubernetes/client-node";
import { findCondition, withCondition } from "../../machinery/objects/conditions.ts";
import { dns1035Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { required, requireNamed } from "./checks.ts";
import { ageColumn, columns, nameColumn, text } from "./columns/column.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";

export type ApiService = Stored<models.V1APIService>;
export type ApiServiceCondition = Wire<models.V1APIServiceCondition>;

const MOST_GROUP_PRIORITY = 20_000;
const MOST_VERSION_PRIORITY = 1_000;

const local: ApiServiceCondition = {
  type: "Available",
  status: "True",
  reason: "Local",
  message: "Local APIServices are always available",
};

export const apiServiceStrategy: Strategy<ApiService> = {
  defaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareForCreate(object, { now }) {
    const { spec } = object;
    object.status = spec && !spec.service ? { conditions: withCondition([], local, wireTime(now)) } : {};
  },
  validate(object, errors) {
    const { metadata, spec } = object;
    if (!spec) return;
    const { group = "", version = "" } = spec;
    const name = `${version}.${group}`;
    if (metadata.name !== name)
      errors.invalid(
        "metadata.name",
        metadata.name,
        `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`,
      );
    if (group === "" && version !== "v1")
      errors.required("spec.group", "only v1 may have an empty group and it better be legacy kube");
    if (group !== "") requireNamed(group, dns1123Subdomain, "spec.group", errors);
    requireNamed(version, dns1035Label, "spec.version", errors);
    priority(spec.groupPriorityMinimum, MOST_GROUP_PRIORITY, "spec.groupPriorityMinimum", errors);
    priority(spec.versionPriority, MOST_VERSION_PRIORITY, "spec.versionPriority", errors);
    if (spec.service) validateService(spec, errors);
    else validateLocal(spec, errors);
  },
  validateStatusUpdate({ status }, _old, errors) {
    for (const [index, condition] of (status?.conditions ?? []).entries())
      if (!STATUSES.includes(condition.status))
        errors.notSupported(`status.conditions[${index}].status`, condition.status, STATUSES);
  },
};

const STATUSES = ["True", "False", "Unknown"];

type Spec = NonNullable<ApiService["spec"]>;

function priority(value: number, most: number, path: string, errors: FieldErrors): void {
  if (!(value > 0 && value <= most)) errors.invalid(path, value ?? 0, `must be positive and less than ${most}`);
}

function validateLocal({ caBundle, insecureSkipTLSVerify }: Spec, errors: FieldErrors): void {
  if (caBundle) {
    const shown = `${Buffer.from(caBundle, "base64").length} bytes`;
    errors.invalid("spec.caBundle", shown, "local APIServices may not have a caBundle");
  }
  if (insecureSkipTLSVerify)
    errors.invalid("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify");
}

function validateService({ service, caBundle, insecureSkipTLSVerify }: Spec, errors: FieldErrors): void {
  required(service?.namespace, "spec.service.namespace", errors);
  required(service?.name, "spec.service.name", errors);
  if (insecureSkipTLSVerify && caBundle)
    errors.invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present");
}

export const apiServiceColumns = columns<ApiService>(
  nameColumn,
  text<ApiService>("Service", "The Service of the server behind it", ({ spec }) =>
    spec?.service ? `${spec.service.namespace}/${spec.service.name}` : "Local",
  ),
  text<ApiService>("Available", "Whether that server answers", ({ status }) => {
    const found = findCondition(status?.conditions, "Available");
    if (!found) return "Unknown";
    return found.status === "True" || !found.reason ? found.status : `${found.status} (${found.reason})`;
  }),
  ageColumn,
);
