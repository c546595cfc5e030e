/** How far a rollout is, in the words of `rollout status`. Pure: an object in, a sentence out. */
import type { DaemonSet, Deployment, StatefulSet } from "../machinery/objects/kinds.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import { CommandError } from "./errors.ts";

export interface RolloutState {
  readonly text: string;
  readonly done: boolean;
}

const going = (text: string): RolloutState => ({ text: `${text}\n`, done: false });
const complete = (text: string): RolloutState => ({ text: `${text}\n`, done: true });

/** Throws when it can never be done: the deadline has passed, or another revision is asked for. */
export function rolloutState(object: KubeObject, revision: number): RolloutState {
  const state = states[object.kind];
  if (!state) throw new CommandError(`no status viewer has been implemented for ${object.kind}`);
  return state(object, revision);
}

const states: Readonly<Record<string, (object: KubeObject, revision: number) => RolloutState>> = {
  Deployment: (object, revision) => deployment(object as unknown as Deployment, revision),
  DaemonSet: (object) => daemonSet(object as unknown as DaemonSet),
  StatefulSet: (object) => statefulSet(object as unknown as StatefulSet),
};

const observed = (object: { metadata: object; status?: { observedGeneration?: number } }) =>
  ((object.metadata as { generation?: number }).generation ?? 0) <= (object.status?.observedGeneration ?? 0);

function deployment(object: Deployment, revision: number): RolloutState {
  const { name, annotations } = object.metadata;
  const current = Number(annotations?.["deployment.kubernetes.io/revision"] ?? 0);
  if (revision > 0 && current !== revision) {
    throw new CommandError(`desired revision (${revision}) is different from the running revision (${current})`);
  }
  if (!observed(object)) return going("Waiting for deployment spec update to be observed...");
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, conditions = [] } = object.status ?? {};
  const progressing = conditions.find(({ type }) => type === "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded") {
    throw new CommandError(`deployment ${JSON.stringify(name)} exceeded its progress deadline`);
  }
  const waiting = `Waiting for deployment ${JSON.stringify(name)} rollout to finish:`;
  const wanted = object.spec?.replicas ?? 1;
  if (updatedReplicas < wanted)
    return going(`${waiting} ${updatedReplicas} out of ${wanted} new replicas have been updated...`);
  if (replicas > updatedReplicas)
    return going(`${waiting} ${replicas - updatedReplicas} old replicas are pending termination...`);
  if (availableReplicas < updatedReplicas) {
    return going(`${waiting} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`);
  }
  return complete(`deployment ${JSON.stringify(name)} successfully rolled out`);
}

function daemonSet(object: DaemonSet): RolloutState {
  const name = JSON.stringify(object.metadata.name);
  if (object.spec?.updateStrategy?.type === "OnDelete")
    throw new CommandError("rollout status is only available for RollingUpdate strategy type");
  if (!observed(object)) return going("Waiting for daemon set spec update to be observed...");
  const { updatedNumberScheduled = 0, desiredNumberScheduled = 0, numberAvailable = 0 } = object.status ?? {};
  const waiting = `Waiting for daemon set ${name} rollout to finish:`;
  if (updatedNumberScheduled < desiredNumberScheduled) {
    return going(`${waiting} ${updatedNumberScheduled} out of ${desiredNumberScheduled} new pods have been updated...`);
  }
  if (numberAvailable < desiredNumberScheduled) {
    return going(`${waiting} ${numberAvailable} of ${desiredNumberScheduled} updated pods are available...`);
  }
  return complete(`daemon set ${name} successfully rolled out`);
}

function statefulSet(object: StatefulSet): RolloutState {
  if (object.spec?.updateStrategy?.type === "OnDelete")
    throw new CommandError("rollout status is only available for RollingUpdate strategy type");
  if (!observed(object)) return going("Waiting for statefulset spec update to be observed...");
  const {
    readyReplicas = 0,
    updatedReplicas = 0,
    currentRevision,
    updateRevision,
    currentReplicas = 0,
  } = object.status ?? {};
  const wanted = object.spec?.replicas ?? 1;
  if (readyReplicas < wanted) return going(`Waiting for ${wanted - readyReplicas} pods to be ready...`);
  const partition = object.spec?.updateStrategy?.rollingUpdate?.partition;
  if (partition !== undefined && updatedReplicas < wanted - partition) {
    return going(
      `Waiting for partitioned roll out to finish: ${updatedReplicas} out of ${wanted - partition} new pods have been updated...`,
    );
  }
  if (partition !== undefined)
    return complete(`partitioned roll out complete: ${updatedReplicas} new pods have been updated...`);
  if (updateRevision !== currentRevision) {
    return going(
      `waiting for statefulset rolling update to complete ${updatedReplicas} pods at revision ${updateRevision}...`,
    );
  }
  return complete(`statefulset rolling update complete ${currentReplicas} pods at revision ${currentRevision}...`);
}
