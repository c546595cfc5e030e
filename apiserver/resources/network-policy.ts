/**
 * NetworkPolicy: who may talk to whom. Checked here; each node enforces it for its Pods.
 */
import type * as models from "@kubernetes/client-node";
import { cidr, cidrContains, parseCidr } from "../../machinery/objects/ip.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { oneOf, portOrName } from "./checks.ts";
import { PROTOCOLS } from "./container.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";

export type NetworkPolicy = Stored<models.V1NetworkPolicy>;
type Peer = Wire<models.V1NetworkPolicyPeer>;
type Port = Wire<models.V1NetworkPolicyPort>;

const TYPES: readonly string[] = ["Egress", "Ingress"];

export const networkPolicyStrategy: Strategy<NetworkPolicy> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.podSelector ??= {};
    spec.policyTypes ??= spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
    for (const { ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of ports ?? []) port.protocol ??= "TCP";
    }
  },
  validate({ spec }, errors) {
    validateLabelSelector(spec?.podSelector, "spec.podSelector", errors);
    for (const [index, { ports, from }] of (spec?.ingress ?? []).entries()) {
      const at = `spec.ingress[${index}]`;
      for (const [place, port] of (ports ?? []).entries()) validatePort(port, `${at}.ports[${place}]`, errors);
      for (const [place, peer] of (from ?? []).entries()) validatePeer(peer, `${at}.from[${place}]`, errors);
    }
    for (const [index, { ports, to }] of (spec?.egress ?? []).entries()) {
      const at = `spec.egress[${index}]`;
      for (const [place, port] of (ports ?? []).entries()) validatePort(port, `${at}.ports[${place}]`, errors);
      for (const [place, peer] of (to ?? []).entries()) validatePeer(peer, `${at}.to[${place}]`, errors);
    }
    const types = spec?.policyTypes ?? [];
    if (types.length > TYPES.length)
      errors.invalid("spec.policyTypes", types, "may not specify more than two policyTypes");
    else for (const [index, type] of types.entries()) oneOf(type, TYPES, `spec.policyTypes[${index}]`, errors);
  },
  allowUnconditionalUpdate: true,
};

function validatePort({ protocol, port, endPort }: Port, path: string, errors: FieldErrors): void {
  oneOf(protocol, PROTOCOLS, `${path}.protocol`, errors);
  if (port !== undefined) portOrName(port, `${path}.port`, errors);
  if (endPort === undefined) return;
  if (port === undefined) errors.required(`${path}.port`, "must be specified when `endPort` is specified");
  else if (typeof port === "string")
    errors.invalid(`${path}.endPort`, endPort, "may not be specified when `port` is non-numeric");
  else if (endPort < port) errors.invalid(`${path}.endPort`, endPort, "must be greater than or equal to `port`");
  if (endPort < 1 || endPort > 65535)
    errors.invalid(`${path}.endPort`, endPort, "must be between 1 and 65535, inclusive");
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: Peer, path: string, errors: FieldErrors): void {
  validateLabelSelector(podSelector, `${path}.podSelector`, errors);
  validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`, errors);
  if (!podSelector && !namespaceSelector && !ipBlock) errors.required(path, "must specify a peer");
  else if (ipBlock && (podSelector || namespaceSelector))
    errors.forbidden(path, "may not specify both ipBlock and another peer");
  if (ipBlock) validateBlock(ipBlock, `${path}.ipBlock`, errors);
}

function validateBlock({ cidr: block, except }: NonNullable<Peer["ipBlock"]>, path: string, errors: FieldErrors): void {
  if (!block) {
    errors.required(`${path}.cidr`);
    return;
  }
  each(cidr(block), `${path}.cidr`, block, errors);
  const whole = parseCidr(block);
  for (const [index, hole] of (except ?? []).entries()) {
    const at = `${path}.except[${index}]`;
    each(cidr(hole), at, hole, errors);
    const part = parseCidr(hole);
    if (!whole || !part) continue;
    if (!cidrContains(whole, part.address) || part.bits <= whole.bits)
      errors.invalid(at, hole, "must be a strict subset of `cidr`");
  }
}
