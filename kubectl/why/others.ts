/** Other kinds: Services, nodes, CronJobs, and whatever has conditions. */
import { age } from "../../machinery/objects/duration.ts";
import type { CronJob, EndpointSlice, Node, Pod, Service } from "../../machinery/objects/kinds.ts";
import { formatLabelSelector } from "../../machinery/objects/selectors.ts";
import { typeName } from "../discovery.ts";
import { badConditions } from "./conditions.ts";
import { type Explainer, explanation, lastEvent, oneLine } from "./explanation.ts";
import { whyPod } from "./pod.ts";

export const whyService: Explainer = async (found, context) => {
  const { spec } = found.object as unknown as Service;
  const subject = `service/${found.name}`;
  if (spec?.type === "ExternalName") return explanation(subject, `is a name for ${spec.externalName}`, { well: true });
  const selection = { selector: `kubernetes.io/service-name=${found.name}` };
  const slices = await context.list<EndpointSlice>("endpointslices.discovery.k8s.io", found.namespace, selection);
  const endpoints = slices.flatMap(({ endpoints: some }) => some ?? []);
  const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false).length;
  const pending =
    spec?.type === "LoadBalancer" && !(found.object["status"] as Service["status"])?.loadBalancer?.ingress?.length;
  if (ready > 0) {
    const because = [
      pending
        ? "nobody has given it an external address: it is reached inside the cluster and by its node ports"
        : undefined,
    ];
    return explanation(subject, `has ${ready} ready endpoints of ${endpoints.length}`, { well: true, because });
  }
  const { selector } = spec ?? {};
  if (!selector || Object.keys(selector).length === 0)
    return explanation(subject, "has no endpoints: it selects no Pods, and nobody has written an EndpointSlice for it");
  const text = formatLabelSelector({ matchLabels: selector });
  const pods = await context.list<Pod>("pods", found.namespace, { selector: text });
  if (pods.length === 0)
    return explanation(subject, `has no endpoints: no Pod has the labels ${text}`, {
      helps: ["compare the Service's selector with the labels of the Pods"],
    });
  const looked = await Promise.all(
    pods.slice(0, 3).map(async (pod) => whyPod(await context.find("pods", pod as never), context)),
  );
  return explanation(
    subject,
    `has no ready endpoints: none of its ${pods.length} Pods is ready${pods.length > looked.length ? "; these are some" : ""}`,
    { below: looked },
  );
};

export const whyNode: Explainer = async ({ object, name }, context) => {
  const { spec, status } = object as unknown as Node;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const bad = badConditions(object).filter((one) => !one.startsWith("Ready "));
  const taints = (spec?.taints ?? []).map(
    ({ key, value, effect }) => `taint ${key}${value ? `=${value}` : ""}:${effect}`,
  );
  const heard = ready?.lastHeartbeatTime
    ? `it was last heard of ${age(ready.lastHeartbeatTime, context.now)} ago`
    : undefined;
  const well = ready?.status === "True" && bad.length === 0 && !spec?.unschedulable;
  const says =
    ready?.status === "True"
      ? `is ready${spec?.unschedulable ? ", but closed to new Pods" : ""}`
      : `is not ready: ${ready?.reason ?? "it has never said that it is"}`;
  const told = ready?.status === "True" ? undefined : oneLine(ready?.message) || undefined;
  return explanation(`node/${name}`, says, {
    well,
    because: [told, ready?.status === "True" ? undefined : heard, ...bad, ...taints],
    helps: spec?.unschedulable ? [`kubectl uncordon ${name}`] : [],
  });
};

export const whyCronJob: Explainer = async ({ object, name }, context) => {
  const { spec, status } = object as unknown as CronJob;
  const subject = `cronjob.batch/${name}`;
  const events = await context.events(object);
  const last = status?.lastScheduleTime;
  const because = [
    last ? `it ran last ${age(last, context.now)} ago` : "it has not run yet",
    lastEvent(
      events,
      "MissSchedule",
      "TooManyMissedTimes",
      "InvalidSchedule",
      "UnparseableSchedule",
      "UnknownTimeZone",
      "JobAlreadyActive",
      "FailedCreate",
      "UnexpectedJob",
    ),
  ];
  if (spec?.suspend)
    return explanation(subject, "is suspended: it starts no Jobs", { because, helps: ["set spec.suspend to false"] });
  const active = status?.active?.length ?? 0;
  const says = `starts Jobs at ${JSON.stringify(spec?.schedule)}${spec?.timeZone ? ` in ${spec.timeZone}` : ""}; ${active} run now`;
  return explanation(subject, says, { well: true, because });
};

/** What any object says of itself. */
export const whyAnything: Explainer = async ({ object, type, name }, context) => {
  const subject = `${typeName(type)}/${name}`;
  const bad = badConditions(object);
  const warnings = (await context.events(object)).filter((event) => event.type === "Warning");
  const last = warnings.at(-1);
  const told = last && `${last.reason}: ${oneLine(last.message)}`;
  const { phase } = (object["status"] ?? {}) as { phase?: string };
  const says =
    bad.length > 0 ? "is not as it should be" : `says of nothing that it is wrong${phase ? ` (phase ${phase})` : ""}`;
  return explanation(subject, says, { well: bad.length === 0, because: [...bad, told] });
};
