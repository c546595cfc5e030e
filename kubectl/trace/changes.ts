/**
 * Changes: what happened between two versions of an object, in a few words.
 *
 * Pure. `main` tells whether it is a step of a story (created, bound, started) or only counting along.
 * How versions cause each other is chain.ts' concern.
 */
import type { ContainerStatus, Pod } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { equal, isMap, type Json } from "../merge/values.ts";

export interface Change {
  readonly text: string;
  readonly main: boolean;
}

/** `after` is undefined when the object was deleted, `before` when there was none or it is not kept. */
export function changesBetween(
  before: KubeObject | undefined,
  after: KubeObject | undefined,
  created: boolean,
): readonly Change[] {
  if (!after) return [{ text: "deleted", main: true }];
  if (created) return [{ text: "created", main: true }];
  if (!before) return [{ text: "as it was in the oldest version kept", main: true }];
  const found = looks.flatMap((look) => look(before, after));
  return found.length > 0 ? found : [{ text: "written without a change", main: false }];
}

type Look = (before: KubeObject, after: KubeObject) => readonly Change[];

const main = (text: string): Change => ({ text, main: true });
const side = (text: string): Change => ({ text, main: false });

const looks: readonly Look[] = [
  deletion,
  binding,
  scaling,
  template,
  otherSpec,
  content,
  containers,
  readiness,
  counts,
  otherMetadata,
];

function deletion(before: KubeObject, after: KubeObject): readonly Change[] {
  const marked = after.metadata.deletionTimestamp && !before.metadata.deletionTimestamp;
  return marked ? [main("marked for deletion")] : [];
}

const specOf = (object: KubeObject): Json => (isMap(object["spec"]) ? object["spec"] : {});
const statusOf = (object: KubeObject): Json => (isMap(object["status"]) ? object["status"] : {});

function binding(before: KubeObject, after: KubeObject): readonly Change[] {
  const node = specOf(after)["nodeName"];
  return node && !specOf(before)["nodeName"] ? [main(`bound to node ${String(node)}`)] : [];
}

function scaling(before: KubeObject, after: KubeObject): readonly Change[] {
  const [from, to] = [specOf(before)["replicas"], specOf(after)["replicas"]];
  return from !== to && from !== undefined && to !== undefined
    ? [main(`scaled from ${String(from)} to ${String(to)}`)]
    : [];
}

interface Template {
  readonly spec?: { readonly containers?: readonly { readonly name: string; readonly image?: string }[] };
}

function template(before: KubeObject, after: KubeObject): readonly Change[] {
  const [from, to] = [specOf(before)["template"], specOf(after)["template"]] as [
    Template | undefined,
    Template | undefined,
  ];
  if (!to || equal(from, to)) return [];
  const images = (to.spec?.containers ?? []).flatMap(({ name, image }) => {
    const old = from?.spec?.containers?.find((one) => one.name === name)?.image;
    return old !== image ? [`${name}: ${old ?? "none"} ► ${image}`] : [];
  });
  return [main(images.length > 0 ? `pod template changed (image of ${images.join(", ")})` : "pod template changed")];
}

const TOLD = ["template", "replicas", "nodeName"];

function otherSpec(before: KubeObject, after: KubeObject): readonly Change[] {
  const names = changedKeys(specOf(before), specOf(after)).filter((name) => !TOLD.includes(name));
  return names.length > 0 ? [main(`spec changed (${names.join(", ")})`)] : [];
}

const NOT_CONTENT = ["apiVersion", "kind", "metadata", "spec", "status"];

function content(before: KubeObject, after: KubeObject): readonly Change[] {
  const names = changedKeys(before as Json, after as Json).filter((name) => !NOT_CONTENT.includes(name));
  return names.length > 0 ? [main(`changed (${names.join(", ")})`)] : [];
}

function containers(before: KubeObject, after: KubeObject): readonly Change[] {
  const lists = ["initContainerStatuses", "containerStatuses"] as const;
  return lists.flatMap((list) => {
    const was = (statusOf(before)[list] ?? []) as ContainerStatus[];
    return ((statusOf(after)[list] ?? []) as ContainerStatus[]).flatMap((status) => {
      const text = containerState(
        was.find(({ name }) => name === status.name),
        status,
      );
      return text === undefined ? [] : [main(`container ${status.name} ${text}`)];
    });
  });
}

function containerState(
  before: ContainerStatus | undefined,
  { state, restartCount }: ContainerStatus,
): string | undefined {
  const { running, terminated, waiting } = state ?? {};
  if (running && running.startedAt !== before?.state?.running?.startedAt) {
    return restartCount > 0 ? `started again (restart ${restartCount})` : "started";
  }
  if (terminated && !equal(terminated, before?.state?.terminated)) {
    return `ended with ${terminated.exitCode}${terminated.reason ? ` (${terminated.reason})` : ""}`;
  }
  const reason = waiting?.reason;
  return reason && reason !== before?.state?.waiting?.reason ? `waits: ${reason}` : undefined;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

const conditionsOf = (object: KubeObject): readonly Condition[] =>
  (statusOf(object)["conditions"] ?? []) as Condition[];

/** Conditions under which users wait, and what they do not wait for happening. */
const TELLING = ["Ready", "Available", "Complete", "Failed", "PodScheduled"];

function readiness(before: KubeObject, after: KubeObject): readonly Change[] {
  const was = conditionsOf(before);
  return conditionsOf(after).flatMap(({ type, status, reason, message }) => {
    const old = was.find((one) => one.type === type)?.status;
    if (
      !TELLING.includes(type) ||
      old === status ||
      (old === undefined && status !== "True" && type !== "PodScheduled")
    )
      return [];
    if (type === "PodScheduled") return status === "True" ? [] : [main(`not scheduled: ${message ?? reason ?? ""}`)];
    const word = type.toLowerCase();
    return [main(status === "True" ? word : `no longer ${word}${reason ? ` (${reason})` : ""}`)];
  });
}

function counts(before: KubeObject, after: KubeObject): readonly Change[] {
  const [from, to] = [statusOf(before), statusOf(after)];
  if (after.kind === "Pod") {
    const { phase } = (after as unknown as Pod).status ?? {};
    return phase && phase !== from["phase"]
      ? [main(`phase ${phase}`)]
      : changedKeys(from, to).length > 0
        ? [side("status updated")]
        : [];
  }
  const changed = changedKeys(from, to);
  const numbers = changed.flatMap((name) =>
    typeof to[name] === "number" && name !== "observedGeneration" ? [`${name} ${String(to[name])}`] : [],
  );
  if (changed.length === 0) return [];
  return [side(numbers.length > 0 ? `status: ${numbers.join(", ")}` : "status updated")];
}

const SERVER_OWN = [
  "resourceVersion",
  "generation",
  "managedFields",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
];

function otherMetadata(before: KubeObject, after: KubeObject): readonly Change[] {
  const names = changedKeys(before.metadata as Json, after.metadata as Json).filter(
    (name) => !SERVER_OWN.includes(name),
  );
  return names.length > 0 ? [side(`metadata changed (${names.join(", ")})`)] : [];
}

function changedKeys(from: Json, to: Json): string[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((name) => !equal(from[name], to[name]));
}
