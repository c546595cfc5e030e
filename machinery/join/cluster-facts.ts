/**
 * Cluster facts: what a cluster tells machines that join, and where it stands.
 *
 * Two ConfigMaps. kube-public/cluster-info is for everybody, before there is any trust: its address and authority, which
 * nobody believes without the hash of a token. kube-system/k8ts-nodes is for those who may join, and for nodes: the ranges
 * of addresses, the authority's certificate as it is now.
 * The API server keeps both (apiserver/bootstrap-join.ts); the first one is signed by controllers/bootstrap-signer.ts.
 */

export const CLUSTER_INFO = { namespace: "kube-public", name: "cluster-info" } as const;
export const CLUSTER_INFO_KEY = "kubeconfig";
export const NODE_FACTS = { namespace: "kube-system", name: "k8ts-nodes" } as const;
export const AUTHORITY_KEY = "authority";

/** The group that tokens of ours give: it may ask for a node's first certificate, nothing else. */
export const JOINERS = "system:bootstrappers:k8ts:nodes";

/** The group that tokens for servers give besides: it may read what servers share, which is encrypted. */
export const SERVER_JOINERS = "system:bootstrappers:k8ts:servers";
export const SERVER_KEYS = { namespace: "kube-system", name: "k8ts-server-keys" } as const;

/** On a Node: the hash of the key that it is. Another machine does not get the name while this one has it. */
export const NODE_KEY = "k8ts.io/node-key";

/** On a Node: its machine has left, so it goes. */
export const LEAVES = "k8ts.io/leaves";

export interface ClusterFacts {
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
}

export const factsData = (facts: ClusterFacts): Record<string, string> => ({ ...facts });

/** Throws where a server of another version tells less. */
export function factsFrom(data: Readonly<Record<string, string>> | undefined): ClusterFacts {
  const read = (name: keyof ClusterFacts): string => {
    const value = data?.[name];
    if (!value) throw new Error(`the cluster does not tell its ${name} (ConfigMap kube-system/k8ts-nodes)`);
    return value;
  };
  return {
    clusterCidr: read("clusterCidr"),
    serviceCidr: read("serviceCidr"),
    clusterDns: read("clusterDns"),
    clusterDomain: read("clusterDomain"),
  };
}
