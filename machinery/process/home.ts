/**
 * Home: where each thing lies under $K8TS_HOME. The only file that spells these paths.
 *
 * Socket paths must stay under 108 bytes, so sockets lie in a short run directory.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

export interface HomePaths {
  readonly root: string;
  /** CA, certificates and keys, kubeconfigs. 0700. */
  readonly pki: string;
  /** kubeconfig of the cluster's administrator. */
  readonly adminKubeconfig: string;
  /** kubeconfig of a component's own identity: "scheduler", "controllers", "kubelet" … */
  kubeconfig(component: string): string;
  /** The embedded store. */
  readonly store: string;
  /** Logs, one file a component. */
  readonly logs: string;
  log(component: string): string;
  /** Sockets and pid files; may be emptied at any start. */
  readonly run: string;
  readonly criSocket: string;
  readonly containerdSocket: string;
  /** Our containerd's root (images, snapshots) and state. */
  readonly containerd: string;
  /** CNI configuration, read by our containerd, and the addresses given out. */
  readonly cniConfig: string;
  readonly cniData: string;
  /** Top-level cgroup of all our containers, in every hierarchy; named after the home, so that no two share one. */
  readonly cgroup: string;
  /** The kubelet's pods: volumes, termination logs, checkpoints. */
  readonly kubelet: string;
  /** Settings of the kubelet; may be missing. */
  readonly kubeletConfig: string;
  /** Files of Pods that this node runs by itself, without the API. */
  readonly staticPods: string;
  /** Volumes of claims whose data lies on this node: it survives everything but `down --purge`. */
  readonly volumes: string;
  /** Container logs as files: <namespace>_<pod>_<uid>/<container>/<restart>.log */
  readonly podLogs: string;
  /** Compile cache, derived schema: may be deleted at any time. */
  readonly cache: string;
}

export function homePaths(root: string): HomePaths {
  const at = (...parts: string[]) => join(root, ...parts);
  return {
    root,
    pki: at("pki"),
    adminKubeconfig: at("admin.kubeconfig"),
    kubeconfig: (component) => at("pki", `${component}.kubeconfig`),
    store: at("store"),
    logs: at("logs"),
    log: (component) => at("logs", `${component}.log`),
    run: at("run"),
    criSocket: at("run", "cri.sock"),
    containerdSocket: at("run", "containerd.sock"),
    containerd: at("containerd"),
    cniConfig: at("cni", "net.d"),
    cniData: at("cni", "data"),
    cgroup: `/k8ts-${createHash("sha256").update(root).digest("hex").slice(0, 8)}`,
    kubelet: at("kubelet"),
    kubeletConfig: at("kubelet.yaml"),
    staticPods: at("static-pods"),
    volumes: at("volumes"),
    podLogs: at("pod-logs"),
    cache: at("cache"),
  };
}
