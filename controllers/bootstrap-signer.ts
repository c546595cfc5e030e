/**
 * Bootstrap signer: signs kube-public/cluster-info by every bootstrap token, so that who knows a token can trust it.
 *
 * Anybody may read that ConfigMap; a signature (JWS, its content left out) proves to who holds the token that the
 * cluster's address and authority in it are genuine. A token that ends or goes takes its signature with it.
 * https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing
 */
import { createHmac } from "node:crypto";
import { again, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import {
  BOOTSTRAP_TOKEN,
  type BootstrapToken,
  expiresAt,
  TOKEN_NAMESPACE,
  tokenIn,
} from "../machinery/objects/bootstrap-token.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { sameJson } from "./canonical-json.ts";

const CLUSTER_INFO = "kube-public/cluster-info";
const KUBECONFIG = "kubeconfig";
const SIGNATURE = "jws-kubeconfig-";

export const bootstrapSignerController = defineController({
  name: "bootstrap-signer",
  watches: {
    configmaps: ({ key }) => (key === CLUSTER_INFO ? [key] : []),
    secrets: ({ object }) =>
      object.type === BOOTSTRAP_TOKEN && object.metadata.namespace === TOKEN_NAMESPACE ? [CLUSTER_INFO] : [],
  },

  async reconcile(key, { configmaps, secrets, client, clock }): Promise<Outcome> {
    const info = configmaps.get(key);
    const content = info?.data?.[KUBECONFIG];
    if (!info || content === undefined || info.metadata.deletionTimestamp) return done;

    const now = clock.now();
    const all = secrets.list(TOKEN_NAMESPACE).filter(({ type }) => type === BOOTSTRAP_TOKEN);
    const tokens = all.flatMap((secret) => tokenIn(secret, "signing", now) ?? []);
    const data = signed(info.data ?? {}, content, tokens);
    if (!sameJson(data, info.data)) {
      try {
        await client.update("configmaps", { ...info, data });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    const ends = all.map((secret) => expiresAt(secret) ?? now).filter((at) => at > now);
    return ends.length > 0 ? again(Math.min(...ends) - now) : done;
  },
});

/** The data with one signature for each token, and no others. */
export function signed(
  data: Readonly<Record<string, string>>,
  content: string,
  tokens: readonly BootstrapToken[],
): Record<string, string> {
  const others = Object.entries(data).filter(([key]) => !key.startsWith(SIGNATURE));
  return Object.fromEntries([...others, ...tokens.map((token) => [SIGNATURE + token.id, signature(content, token)])]);
}

function signature(content: string, { id, secret }: BootstrapToken): string {
  const encode = (text: string) => Buffer.from(text).toString("base64url");
  const head = encode(JSON.stringify({ alg: "HS256", kid: id }));
  const proof = createHmac("sha256", secret)
    .update(`${head}.${encode(content)}`)
    .digest("base64url");
  return `${head}..${proof}`;
}
