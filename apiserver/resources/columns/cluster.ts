/**
 * Columns of nodes, namespaces, events, configuration, identities and rights.
 */
import type * as models from "@kubernetes/client-node";
import { findCondition } from "../../../machinery/objects/conditions.ts";
import type {
  ClusterRoleBinding,
  ConfigMap,
  CoreEvent,
  Lease,
  Namespace,
  Node,
  PriorityClass,
  RoleBinding,
  Secret,
  ServiceAccount,
} from "../../../machinery/objects/kinds.ts";
import type { Stored } from "../../../machinery/objects/wire.ts";
import {
  ageColumn,
  columns,
  createdAtColumn,
  nameColumn,
  none,
  number,
  since,
  text,
  wideNumber,
  wideText,
} from "./column.ts";

export const nodeColumns = columns<Node>(
  nameColumn,
  text<Node>("Status", "Whether it is ready and may be used", ({ spec, status }) => {
    const ready = findCondition(status?.conditions, "Ready");
    const word = !ready ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
    return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
  }),
  text<Node>("Roles", "Roles, from its labels", nodeRoles),
  ageColumn,
  text<Node>("Version", "Version of its kubelet", ({ status }) => status?.nodeInfo?.kubeletVersion ?? ""),
  wideText<Node>("Internal-IP", "Address inside", (node) => nodeAddress(node, "InternalIP")),
  wideText<Node>("External-IP", "Address outside", (node) => nodeAddress(node, "ExternalIP")),
  wideText<Node>("OS-Image", "Operating system", ({ status }) => status?.nodeInfo?.osImage || "<unknown>"),
  wideText<Node>("Kernel-Version", "Kernel", ({ status }) => status?.nodeInfo?.kernelVersion || "<unknown>"),
  wideText<Node>(
    "Container-Runtime",
    "Runtime and its version",
    ({ status }) => status?.nodeInfo?.containerRuntimeVersion || "<unknown>",
  ),
);

const ROLE_PREFIX = "node-role.kubernetes.io/";

function nodeRoles({ metadata }: Node): string {
  const roles = Object.entries(metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX)) return key.slice(ROLE_PREFIX.length) || [];
    return key === "kubernetes.io/role" && value ? value : [];
  });
  return [...new Set(roles)].sort().join(",") || none;
}

const nodeAddress = ({ status }: Node, type: string): string =>
  status?.addresses?.find((one) => one.type === type)?.address ?? none;

export const namespaceColumns = columns<Namespace>(
  nameColumn,
  text<Namespace>("Status", "Active or Terminating", ({ status }) => status?.phase ?? ""),
  ageColumn,
);

const size = (map: object | undefined): number => (map ? Object.keys(map).length : 0);

export const configMapColumns = columns<ConfigMap>(
  nameColumn,
  number<ConfigMap>("Data", "Number of keys", ({ data, binaryData }) => size(data) + size(binaryData)),
  ageColumn,
);

export const secretColumns = columns<Secret>(
  nameColumn,
  text<Secret>("Type", "What it is for", ({ type }) => type ?? ""),
  number<Secret>("Data", "Number of keys", ({ data }) => size(data)),
  ageColumn,
);

export const serviceAccountColumns = columns<ServiceAccount>(
  nameColumn,
  number<ServiceAccount>("Secrets", "Secrets that it may use", ({ secrets }) => secrets?.length ?? 0),
  ageColumn,
);

export const eventColumns = columns<CoreEvent>(
  text<CoreEvent>("Last Seen", "Time since it happened last", (event, now) => eventTimes(event, now).last),
  text<CoreEvent>("Type", "Normal or Warning", ({ type }) => type ?? ""),
  text<CoreEvent>("Reason", "Why, in one word", ({ reason }) => reason ?? ""),
  text<CoreEvent>("Object", "What it is about", ({ involvedObject: { kind = "", name } = {} }) =>
    name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
  ),
  wideText<CoreEvent>("Subobject", "Which part of it", ({ involvedObject }) => involvedObject?.fieldPath ?? ""),
  wideText<CoreEvent>("Source", "Who says so", ({ source, reportingComponent, reportingInstance }) =>
    [source?.component || reportingComponent, source?.host || reportingInstance].filter(Boolean).join(", "),
  ),
  text<CoreEvent>("Message", "What happened", ({ message }) => message?.trim() ?? ""),
  wideText<CoreEvent>("First Seen", "Time since it happened first", (event, now) => eventTimes(event, now).first),
  wideNumber<CoreEvent>("Count", "How often", ({ series, count }) => series?.count ?? (count || 1)),
  { ...wideText<CoreEvent>("Name", "Name", ({ metadata }) => metadata.name), format: "name" },
);

function eventTimes(event: CoreEvent, now: number): { first: string; last: string } {
  const first = since(event.firstTimestamp || event.eventTime, now);
  if (event.series) return { first, last: since(event.series.lastObservedTime, now) };
  return { first, last: event.lastTimestamp ? since(event.lastTimestamp, now) : first };
}

export const leaseColumns = columns<Lease>(
  nameColumn,
  text<Lease>("Holder", "Who holds it", ({ spec }) => spec?.holderIdentity ?? ""),
  ageColumn,
);

export const priorityClassColumns = columns<PriorityClass>(
  nameColumn,
  number<PriorityClass>("Value", "The priority", ({ value }) => value),
  {
    ...text<PriorityClass>(
      "Global-Default",
      "Whether Pods without a class get it",
      (one) => one.globalDefault === true,
    ),
    type: "boolean",
  },
  ageColumn,
  text<PriorityClass>(
    "PreemptionPolicy",
    "Whether it may push others out",
    ({ preemptionPolicy }) => preemptionPolicy ?? "",
  ),
);

type RuntimeClass = Stored<models.V1RuntimeClass>;

export const runtimeClassColumns = columns<RuntimeClass>(
  nameColumn,
  text<RuntimeClass>("Handler", "Name that the runtime knows", ({ handler }) => handler),
  ageColumn,
);

export const roleColumns = columns(nameColumn, createdAtColumn);

type Binding = RoleBinding | ClusterRoleBinding;

const subjects = ({ subjects: all }: Binding, kind: string): string =>
  (all ?? [])
    .filter((subject) => subject.kind === kind)
    .map(({ namespace, name }) => (kind === "ServiceAccount" ? `${namespace ?? ""}/${name}` : name))
    .join(", ");

export const roleBindingColumns = columns<Binding>(
  nameColumn,
  text<Binding>("Role", "What it gives", ({ roleRef }) => (roleRef ? `${roleRef.kind}/${roleRef.name}` : none)),
  ageColumn,
  wideText<Binding>("Users", "Users that get it", (one) => subjects(one, "User")),
  wideText<Binding>("Groups", "Groups that get it", (one) => subjects(one, "Group")),
  wideText<Binding>("ServiceAccounts", "Service accounts that get it", (one) => subjects(one, "ServiceAccount")),
);

type Quota = Stored<models.V1ResourceQuota>;

export const resourceQuotaColumns = columns<Quota>(
  nameColumn,
  text<Quota>("Request", "Used of what may be requested", (one) =>
    quotaUse(one, (name) => !name.startsWith("limits.")),
  ),
  text<Quota>("Limit", "Used of what limits may add up to", (one) =>
    quotaUse(one, (name) => name.startsWith("limits.")),
  ),
  ageColumn,
);

function quotaUse({ status }: Quota, wanted: (name: string) => boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => wanted(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? "0"}/${hard}`)
    .join(", ");
}

type ComponentStatus = Stored<models.V1ComponentStatus>;

const health = ({ conditions }: ComponentStatus) => findCondition(conditions, "Healthy");

export const componentStatusColumns = columns<ComponentStatus>(
  nameColumn,
  text<ComponentStatus>("Status", "Whether it is healthy", (one) => {
    const status = health(one)?.status;
    return status === "True" ? "Healthy" : status === "False" ? "Unhealthy" : "Unknown";
  }),
  text<ComponentStatus>("Message", "What it says", (one) => health(one)?.message ?? ""),
  text<ComponentStatus>("Error", "What is wrong", (one) => health(one)?.error ?? ""),
);

type SigningRequest = Stored<models.V1CertificateSigningRequest>;

export const signingRequestColumns = columns<SigningRequest>(
  nameColumn,
  ageColumn,
  text<SigningRequest>("SignerName", "Who is to sign", ({ spec }) => spec?.signerName ?? ""),
  text<SigningRequest>("Requestor", "Who asks", ({ spec }) => spec?.username ?? ""),
  text<SigningRequest>("RequestedDuration", "For how long", ({ spec }) =>
    spec?.expirationSeconds === undefined ? none : since(new Date(0).toISOString(), spec.expirationSeconds * 1000),
  ),
  text<SigningRequest>("Condition", "What became of it", ({ status }) => {
    const types = (status?.conditions ?? []).map(({ type }) => type);
    const word = types.includes("Denied") ? "Denied" : types.includes("Approved") ? "Approved" : "Pending";
    const failed = types.includes("Failed") ? ",Failed" : "";
    return `${word}${failed}${status?.certificate ? ",Issued" : ""}`;
  }),
);

interface WebhookConfiguration {
  webhooks?: readonly unknown[];
}

export const webhookConfigurationColumns = columns(
  nameColumn,
  number<WebhookConfiguration>("Webhooks", "Number of webhooks", ({ webhooks }) => webhooks?.length ?? 0),
  ageColumn,
);

export const validatingAdmissionPolicyColumns = columns(
  nameColumn,
  number<Stored<models.V1ValidatingAdmissionPolicy>>(
    "Validations",
    "Validations indicates the number of validation rules defined in this configuration",
    ({ spec }) => spec?.validations?.length ?? 0,
  ),
  text<Stored<models.V1ValidatingAdmissionPolicy>>(
    "ParamKind",
    "ParamKind specifies the kind of resources used to parameterize this policy",
    ({ spec }) => (spec?.paramKind ? `${spec.paramKind.apiVersion}/${spec.paramKind.kind}` : "<unset>"),
  ),
  ageColumn,
);

export const mutatingAdmissionPolicyColumns = columns(
  nameColumn,
  number<Stored<models.V1MutatingAdmissionPolicy>>(
    "Mutations",
    "Mutations indicates the number of mutations rules defined in this configuration",
    ({ spec }) => spec?.mutations?.length ?? 0,
  ),
  text<Stored<models.V1MutatingAdmissionPolicy>>(
    "ParamKind",
    "ParamKind specifies the kind of resources used to parameterize this policy",
    ({ spec }) => (spec?.paramKind ? `${spec.paramKind.apiVersion}/${spec.paramKind.kind}` : "<unset>"),
  ),
  ageColumn,
);

type PolicyBinding = Stored<models.V1ValidatingAdmissionPolicyBinding | models.V1MutatingAdmissionPolicyBinding>;

/** Of policies of both kinds. */
export const policyBindingColumns = columns(
  nameColumn,
  text<PolicyBinding>(
    "PolicyName",
    "PolicyName indicates the policy definition which the policy binding binded to",
    ({ spec }) => spec?.policyName ?? "",
  ),
  text<PolicyBinding>(
    "ParamRef",
    "ParamRef indicates the param resource which sets the configration param",
    ({ spec }) => {
      const { namespace, name = "" } = spec?.paramRef ?? {};
      if (!spec?.paramRef) return "<unset>";
      return namespace ? `${namespace}/${name}` : name;
    },
  ),
  ageColumn,
);
