/**
 * Issuer discovery: how others than this server find the keys that service account tokens are signed with.
 *
 * An OpenID client asks the issuer for its configuration, and that says where the public keys are. Permission comes
 * with the role system:service-account-issuer-discovery. The keys themselves: ../auth/tokens.ts.
 * https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Exchange } from "./contract.ts";
import { respondText } from "./respond.ts";

export const ISSUER_PATH = "/.well-known/openid-configuration";
export const KEYS_PATH = "/openid/v1/jwks";

export function issuerConfiguration({ server }: Exchange): ResponseRecord {
  const { issuer, algorithms } = server.tokens;
  return kept("application/json", {
    issuer,
    jwks_uri: `https://${server.address}${KEYS_PATH}`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: algorithms,
  });
}

export function issuerKeys({ server }: Exchange): ResponseRecord {
  return kept("application/jwk-set+json", server.tokens.keySet);
}

/** For an hour: a new key is to be published before it signs. */
function kept(type: string, value: unknown): ResponseRecord {
  const response = respondText(200, JSON.stringify(value), type);
  return { ...response, headers: { ...response.headers, "cache-control": "public, max-age=3600" } };
}
