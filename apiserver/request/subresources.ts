/**
 * Subresources: which step serves each, by "plural/name" or by the name alone, then by verb.
 */
import type { Step } from "./contract.ts";
import { bind } from "./binding.ts";
import { evict } from "./eviction.ts";
import { finalize } from "./finalize.ts";
import { nodeConnect } from "./node-connect.ts";
import { patch } from "./patch.ts";
import { get } from "./read.ts";
import { getScale, patchScale, updateScale } from "./scale.ts";
import { requestToken } from "./token-request.ts";
import { update } from "./update.ts";

type ByVerb = Readonly<Record<string, Step>>;

const connect: ByVerb = {
  get: nodeConnect,
  create: nodeConnect,
  update: nodeConnect,
  patch: nodeConnect,
  delete: nodeConnect,
};

export const subresourceSteps: Readonly<Record<string, ByVerb>> = {
  status: { get, update, patch },
  scale: { get: getScale, update: updateScale, patch: patchScale },
  "namespaces/finalize": { update: finalize },
  "pods/binding": { create: bind },
  "pods/eviction": { create: evict },
  "serviceaccounts/token": { create: requestToken },
  "pods/log": { get: nodeConnect },
  "pods/exec": { get: nodeConnect, create: nodeConnect },
  "pods/attach": { get: nodeConnect, create: nodeConnect },
  "pods/portforward": { get: nodeConnect, create: nodeConnect },
  "nodes/proxy": connect,
  "pods/proxy": connect,
};
