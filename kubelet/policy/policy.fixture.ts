/** Fixture: Pods and policies for tests. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { NetworkPolicy } from "../../machinery/objects/kinds.ts";
import { type ClusterSets, createClusterSets } from "./cluster-sets.ts";
import type { PolicyPod } from "./policy-pod.ts";
import type { PolicyState } from "./rules.ts";

export const pod = (name: string, address: string, rest: Partial<PolicyPod> = {}): PolicyPod => ({
  uid: name,
  namespace: "default",
  nodeName: "one",
  labels: {},
  addresses: [address],
  ports: [],
  ...rest,
});

export const policy = (name: string, spec: object, namespace = "default"): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace, uid: name, resourceVersion: "1", creationTimestamp: "" },
  spec: spec as NonNullable<NetworkPolicy["spec"]>,
});

export const state = (pods: readonly PolicyPod[], policies: readonly NetworkPolicy[]): PolicyState => ({
  policies,
  own: pods.filter(({ nodeName }) => nodeName === "one"),
  sets: clusterSets(pods),
});

export function clusterSets(pods: readonly PolicyPod[]): ClusterSets {
  const sets = createClusterSets("one");
  sets.setNamespace("default", { "kubernetes.io/metadata.name": "default" });
  sets.setNamespace("lab", { "kubernetes.io/metadata.name": "lab", team: "lab" });
  for (let index = 0; index < 50; index++) sets.setNamespace(`ns${index}`, {});
  for (const one of pods) sets.setPod(`${one.namespace}/${one.uid}`, one);
  return sets;
}

/** A network namespace of a test's own keeps the machine's rules out of it. */
const connectionsOnBridges = works(
  "nft 'table bridge t { chain c { type filter hook forward priority 0 ; ct state new accept ; } ; }'",
);

export const network = {
  usable: works("nft list ruleset"),
  bridged: connectionsOnBridges,
  /** Everything that a node with Pods takes. */
  whole:
    works(
      "nft list ruleset && ip link add bridge1 type bridge && ip link add veth1 type veth peer name veth2 && nsenter --version",
    ) &&
    (connectionsOnBridges || existsSync("/proc/sys/net/bridge")),
};

function works(script: string): boolean {
  try {
    execFileSync("unshare", ["--net", "sh", "-ec", script], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
