/**
 * Subresources: which step serves each, by "plural/name" or by the name alone, then by verb.
 */

import { bind } from "./binding.ts";
import { connection } from "./connect.ts";
import type { Step } from "./contract.ts";
import { evict } from "./eviction.ts";
import { finalize } from "./finalize.ts";
import { nodeProxy, podLog, podSession } from "./node-connect.ts";
import { patch } from "./patch.ts";
import { get } from "./read.ts";
import { getScale, patchScale, updateScale } from "./scale.ts";
import { requestToken } from "./token-request.ts";
import { update } from "./update.ts";
import { podProxy, serviceProxy } from "./web-proxy.ts";

type ByVerb = Readonly<Record<string, Step>>;

const session: ByVerb = { get: connection(podSession), create: connection(podSession) };

function anyMethod(step: Step): ByVerb {
  const connects = connection(step);
  return { get: connects, create: connects, update: connects, patch: connects, delete: connects };
}

export const subresourceSteps: Readonly<Record<string, ByVerb>> = {
  status: { get, update, patch },
  scale: { get: getScale, update: updateScale, patch: patchScale },
  "namespaces/finalize": { update: finalize },
  "certificatesigningrequests/approval": { get, update, patch },
  "pods/binding": { create: bind },
  "pods/eviction": { create: evict },
  "pods/ephemeralcontainers": { get, update, patch },
  "pods/resize": { get, update, patch },
  "serviceaccounts/token": { create: requestToken },
  "pods/log": { get: podLog },
  "pods/exec": session,
  "pods/attach": session,
  "pods/portforward": session,
  "pods/proxy": anyMethod(podProxy),
  "services/proxy": anyMethod(serviceProxy),
  "nodes/proxy": anyMethod(nodeProxy),
};
