/**
 * Doomed: which Pods of a node a drain takes away, which it leaves, and which forbid it. Pure.
 *
 * A Pod is lost for good where no controller makes it again or its data is on the node: such Pods go only
 * when a flag says so. Pods of DaemonSets come back at once and stay. Taking them away is in evict.ts.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";

export interface DrainRules {
  readonly force: boolean;
  readonly ignoreDaemonSets: boolean;
  readonly deleteEmptyDirData: boolean;
  /** Pods that have been going for longer are left out; 0 for none. */
  readonly skipGoingMs: number;
  readonly now: number;
  /** What became of looking up a Pod's DaemonSet; undefined: it is there. */
  daemonSetTrouble(pod: Pod): DaemonSetTrouble | undefined;
}

export interface DaemonSetTrouble {
  readonly message: string;
  readonly missing: boolean;
}

interface Judgement {
  readonly goes: boolean;
  readonly warning?: string;
  readonly error?: string;
}

export interface Doomed {
  readonly pods: readonly Pod[];
  /** "" for none. */
  readonly warning: string;
  readonly errors: readonly string[];
}

const GOES: Judgement = { goes: true };
const STAYS: Judgement = { goes: false };

export function doomedPods(pods: readonly Pod[], rules: DrainRules): Doomed {
  const judged = pods.map((pod) => ({ pod, ...judge(pod, rules) }));
  const by = (of: (one: Judgement) => string | undefined) => {
    const names = new Map<string, string[]>();
    for (const one of judged) {
      const text = of(one);
      const { namespace, name } = one.pod.metadata;
      if (text !== undefined) names.set(text, [...(names.get(text) ?? []), `${namespace}/${name}`]);
    }
    return [...names].map(([text, of]) => `${text}: ${of.join(", ")}`);
  };
  return {
    pods: judged.filter(({ goes }) => goes).map(({ pod }) => pod),
    warning: by(({ warning }) => warning).join("; "),
    errors: by(({ error }) => error).map((text) => `cannot delete ${text}`),
  };
}

/** The first rule that keeps a Pod is the last word; of those that let it go, the last one's warning stands. */
function judge(pod: Pod, rules: DrainRules): Judgement {
  let judgement = GOES;
  for (const rule of RULES) {
    judgement = rule(pod, rules);
    if (!judgement.goes) break;
  }
  return judgement;
}

type Rule = (pod: Pod, rules: DrainRules) => Judgement;

const RULES: readonly Rule[] = [
  ({ metadata: { deletionTimestamp } }, { skipGoingMs, now }) =>
    skipGoingMs > 0 && deletionTimestamp && now - Date.parse(deletionTimestamp) > skipGoingMs ? STAYS : GOES,
  ofDaemonSet,
  ({ metadata }) => (metadata.annotations?.["kubernetes.io/config.mirror"] === undefined ? GOES : STAYS),
  ({ spec, status }, { deleteEmptyDirData }) => {
    if (!spec?.volumes?.some(({ emptyDir }) => emptyDir) || isFinished(status)) return GOES;
    if (deleteEmptyDirData) return { goes: true, warning: "deleting Pods with local storage" };
    return { goes: false, error: "Pods with local storage (use --delete-emptydir-data to override)" };
  },
  (pod, { force }) => {
    if (isFinished(pod.status) || controllerOf(pod)) return GOES;
    if (force) return { goes: true, warning: "deleting Pods that declare no controller" };
    return { goes: false, error: "cannot delete Pods that declare no controller (use --force to override)" };
  },
];

function ofDaemonSet(pod: Pod, rules: DrainRules): Judgement {
  if (controllerOf(pod)?.kind !== "DaemonSet" || isFinished(pod.status)) return GOES;
  const trouble = rules.daemonSetTrouble(pod);
  if (trouble?.missing && rules.force) return { goes: true, warning: trouble.message };
  if (trouble) return { goes: false, error: trouble.message };
  return rules.ignoreDaemonSets
    ? { goes: false, warning: "ignoring DaemonSet-managed Pods" }
    : { goes: false, error: "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" };
}

const isFinished = (status: Pod["status"]) => status?.phase === "Succeeded" || status?.phase === "Failed";
