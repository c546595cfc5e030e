/**
 * Rollback of a Deployment: what the annotation of older clients asks for, a return to a former revision. Pure.
 *
 * Present clients write the former template themselves (`kubectl rollout undo`). Whatever comes of it, the
 * annotation goes, so that it is asked for once.
 */
import type { Deployment, PodTemplateSpec, ReplicaSet } from "../machinery/objects/kinds.ts";
import { HASH_LABEL, isOwnAnnotation, revisionOf, templateText } from "./deployment-revision.ts";

const ROLLBACK_TO = "deprecated.deployment.rollback.to";

export interface Rollback {
  /** As it is to be written. */
  readonly deployment: Deployment;
  readonly level: "normal" | "warning";
  readonly reason: string;
  readonly message: string;
}

/** Undefined where no rollback is asked for. Revision 0 is the one before the last. */
export function rollbackOf(deployment: Deployment, sets: readonly ReplicaSet[]): Rollback | undefined {
  const asked = deployment.metadata.annotations?.[ROLLBACK_TO];
  if (asked === undefined || !/^[+-]?\d+$/.test(asked)) return undefined;
  const cleared = withAnnotations(deployment, ([key]) => key !== ROLLBACK_TO);
  const revision = Number(asked) || lastRevision(sets);
  if (revision === 0) return refused(cleared, "DeploymentRollbackRevisionNotFound", "Unable to find last revision.");

  const set = sets.find((one) => revisionOf(one) === revision);
  if (!set)
    return refused(cleared, "DeploymentRollbackRevisionNotFound", "Unable to find the revision to rollback to.");
  const name = JSON.stringify(deployment.metadata.name);
  if (templateText(set.spec?.template) === templateText(deployment.spec?.template)) {
    const message = `The rollback revision contains the same template as current deployment ${name}`;
    return refused(cleared, "DeploymentRollbackTemplateUnchanged", message);
  }
  return {
    deployment: restored(cleared, set),
    level: "normal",
    reason: "DeploymentRollback",
    message: `Rolled back deployment ${name} to revision ${revision}`,
  };
}

const refused = (deployment: Deployment, reason: string, message: string): Rollback => ({
  deployment,
  level: "warning",
  reason,
  message,
});

/** The second highest, 0 where there are fewer than two. */
const lastRevision = (sets: readonly ReplicaSet[]): number => sets.map(revisionOf).sort((a, b) => b - a)[1] ?? 0;

function withAnnotations(deployment: Deployment, keep: (annotation: [string, string]) => boolean): Deployment {
  const annotations = Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(keep));
  return { ...deployment, metadata: { ...deployment.metadata, annotations } };
}

/** With the set's template, and the annotations that the set got from the Deployment when that was its template. */
function restored(deployment: Deployment, { metadata, spec }: ReplicaSet): Deployment {
  const own = withAnnotations(deployment, ([key]) => isOwnAnnotation(key));
  const taken = Object.entries(metadata.annotations ?? {}).filter(([key]) => !isOwnAnnotation(key));
  const { [HASH_LABEL]: _hash, ...labels } = spec?.template?.metadata?.labels ?? {};
  const template: PodTemplateSpec = { ...spec?.template, metadata: { ...spec?.template?.metadata, labels } };
  return {
    ...own,
    metadata: { ...own.metadata, annotations: { ...own.metadata.annotations, ...Object.fromEntries(taken) } },
    spec: { ...own.spec!, template },
  };
}
