/** describe of a network policy. */
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../machinery/objects/kinds.ts";
import { formatLabelSelector } from "../../machinery/objects/selectors.ts";
import type { Describer } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeAnnotations, writeLabels } from "./fields.ts";

interface Rule {
  readonly peers?: readonly NetworkPolicyPeer[] | undefined;
  readonly ports?: readonly NetworkPolicyPort[] | undefined;
}

const NONE = "<none>";

export const describeNetworkPolicy: Describer = async (object, document) => {
  const { metadata, spec } = object as unknown as NetworkPolicy;
  document.write(0, `Name:\t${metadata.name}\n`);
  document.write(0, `Namespace:\t${metadata.namespace}\n`);
  document.write(0, `Created on:\t${createdOn(metadata.creationTimestamp)}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, "Spec:\n");
  const selector = formatLabelSelector(spec?.podSelector);
  const all = `${NONE} (Allowing the specific traffic to all pods in this namespace)`;
  document.write(1, `PodSelector:     ${selector === NONE ? all : selector}\n`);
  const types = spec?.policyTypes ?? [];
  const ingress = spec?.ingress?.map(({ from, ports }) => ({ peers: from, ports })) ?? [];
  const egress = spec?.egress?.map(({ to, ports }) => ({ peers: to, ports })) ?? [];
  writeDirection(document, "ingress", types.includes("Ingress"), ingress);
  writeDirection(document, "egress", types.includes("Egress"), egress);
  document.write(1, `Policy Types: ${types.join(", ")}\n`);
};

/** "2026-01-01 10:00:00 +0000 UTC" */
const createdOn = (time: string | undefined) => `${time?.slice(0, 10)} ${time?.slice(11, 19)} +0000 UTC`;

const ENDS = {
  ingress: { word: "From", unrestricted: "traffic not restricted by source" },
  egress: { word: "To", unrestricted: "traffic not restricted by destination" },
} as const;

function writeDirection(document: Document, direction: keyof typeof ENDS, affected: boolean, rules: readonly Rule[]) {
  if (!affected) return document.write(1, `Not affecting ${direction} traffic\n`);
  document.write(1, `Allowing ${direction} traffic:\n`);
  if (!rules.length) document.write(2, `${NONE} (Selected pods are isolated for ${direction} connectivity)\n`);
  for (const [index, { peers = [], ports = [] }] of rules.entries()) {
    if (index > 0) document.write(2, "----------\n");
    writePorts(document, ports);
    const { word, unrestricted } = ENDS[direction];
    if (!peers.length) document.write(2, `${word}: <any> (${unrestricted})\n`);
    for (const peer of peers) {
      document.write(2, `${word}:\n`);
      writePeer(document, peer);
    }
  }
}

function writePorts(document: Document, ports: readonly NetworkPolicyPort[]): void {
  if (!ports.length) document.write(2, "To Port: <any> (traffic allowed to all ports)\n");
  for (const { port = "<nil>", endPort, protocol = "TCP" } of ports) {
    const what = endPort === undefined ? `To Port: ${port}` : `To Port Range: ${port}-${endPort}`;
    document.write(2, `${what}/${protocol}\n`);
  }
}

function writePeer(document: Document, { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): void {
  if (namespaceSelector) document.write(3, `NamespaceSelector: ${formatLabelSelector(namespaceSelector)}\n`);
  if (podSelector) document.write(3, `PodSelector: ${formatLabelSelector(podSelector)}\n`);
  if (!ipBlock) return;
  document.write(3, "IPBlock:\n");
  document.write(4, `CIDR: ${ipBlock.cidr}\n`);
  document.write(4, `Except: ${(ipBlock.except ?? []).join(", ")}\n`);
}
