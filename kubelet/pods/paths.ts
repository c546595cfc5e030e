/**
 * Paths: where each thing of a Pod lies on the node. The only file of the kubelet that spells them.
 *
 * Everything of one Pod is under one directory, so that its end is one removal.
 */
import { join } from "node:path";

export interface PodPaths {
  /** Directory of all Pods. */
  readonly pods: string;
  /** Directory of all Pods' logs. */
  readonly logs: string;
  /** Profiles of the host's that Pods name. */
  readonly seccompProfiles: string;
  pod(uid: string): string;
  userNamespace(uid: string): string;
  volumes(uid: string): string;
  volume(uid: string, name: string): string;
  subPaths(uid: string): string;
  hosts(uid: string): string;
  terminationLog(uid: string, container: string, attempt: number): string;
  logDirectory(pod: PodIdentity): string;
}

export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function podPaths(kubelet: string, logs: string): PodPaths {
  const pods = join(kubelet, "pods");
  const pod = (uid: string) => join(pods, uid);
  const volumes = (uid: string) => join(pod(uid), "volumes");
  return {
    pods,
    logs,
    seccompProfiles: join(kubelet, "seccomp"),
    pod,
    userNamespace: (uid) => join(pod(uid), "userns"),
    volumes,
    volume: (uid, name) => join(volumes(uid), name),
    subPaths: (uid) => join(pod(uid), "volume-subpaths"),
    hosts: (uid) => join(pod(uid), "etc-hosts"),
    terminationLog: (uid, container, attempt) => join(pod(uid), "containers", container, `${attempt}.termination`),
    logDirectory: ({ namespace, name, uid }) => join(logs, `${namespace}_${name}_${uid}`),
  };
}

/** A container's log, relative to the Pod's log directory. */
export function containerLogPath(container: string, attempt: number): string {
  return join(container, `${attempt}.log`);
}
