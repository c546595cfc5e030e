/**
 * Service account tokens: fills Secrets that ask for a lasting token of an account, and removes those whose account went.
 *
 * Such a token has no end: it is good as long as its Secret and its account are there (apiserver/auth/tokens.ts). Nobody
 * gets one without asking; Pods have tokens of their own that end. A token that is there is never made anew.
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import { type Controller, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import type { Secret, ServiceAccount } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { createJwtSigner } from "../machinery/pki/jwt.ts";
import { sameJson } from "./canonical-json.ts";

const TYPE = "kubernetes.io/service-account-token";
const ACCOUNT = "kubernetes.io/service-account.name";
const UID = "kubernetes.io/service-account.uid";
const CLAIM = "kubernetes.io/serviceaccount";
const ISSUER = "kubernetes/serviceaccount";

export function serviceAccountTokenController(signingKey: string, rootCa: string | undefined): Controller {
  const sign = createJwtSigner(signingKey);
  return defineController({
    name: "serviceaccount-token-controller",
    watches: {
      secrets: ({ key, object, type }) => (type !== "deleted" && object.type === TYPE ? [key] : []),
      serviceaccounts: secretsOf,
    },

    async reconcile(key, { secrets, serviceaccounts, client }): Promise<Outcome> {
      const secret = secrets.get(key);
      if (secret?.type !== TYPE || secret.metadata.deletionTimestamp) return done;
      const { namespace = "", name, uid, resourceVersion } = secret.metadata;
      const ref = { namespace, name: secret.metadata.annotations?.[ACCOUNT] ?? "" };
      const known = serviceaccounts.get(`${ref.namespace}/${ref.name}`);
      const account = known && isOf(secret, known) ? known : await client.find("serviceaccounts", ref);
      if (!account || !isOf(secret, account)) {
        try {
          await client.delete("secrets", { namespace, name }, { preconditions: { uid, resourceVersion } });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
        return done;
      }
      const annotations = { ...secret.metadata.annotations, [UID]: account.metadata.uid };
      const data = filled(secret, () => sign(claimsOf(secret, account)), rootCa);
      if (!sameJson([annotations, data], [secret.metadata.annotations, secret.data ?? {}]))
        await client.update("secrets", { ...secret, metadata: { ...secret.metadata, annotations }, data });
      return done;
    },
  });
}

function secretsOf({ type, object }: Change<ServiceAccount>, listers: Readonly<Record<string, unknown>>): string[] {
  if (type === "updated") return [];
  const { namespace, name } = object.metadata;
  return (listers["secrets"] as Lister<Secret>)
    .list(namespace)
    .filter((secret) => secret.type === TYPE && secret.metadata.annotations?.[ACCOUNT] === name)
    .map(({ metadata }) => `${namespace}/${metadata.name}`);
}

/** A Secret that names no uid yet is for whichever account has the name. */
function isOf({ metadata }: Secret, account: ServiceAccount): boolean {
  const uid = metadata.annotations?.[UID];
  return (uid === undefined || uid === "" || uid === account.metadata.uid) && !account.metadata.deletionTimestamp;
}

function filled({ data, metadata }: Secret, token: () => string, rootCa: string | undefined): Record<string, string> {
  const encode = (text: string) => Buffer.from(text).toString("base64");
  return {
    ...data,
    ...(rootCa ? { "ca.crt": encode(rootCa) } : {}),
    namespace: encode(metadata.namespace ?? ""),
    token: data?.["token"] || encode(token()),
  };
}

function claimsOf({ metadata: { namespace, name } }: Secret, { metadata: account }: ServiceAccount) {
  return {
    iss: ISSUER,
    [`${CLAIM}/namespace`]: namespace,
    [`${CLAIM}/secret.name`]: name,
    [`${CLAIM}/service-account.name`]: account.name,
    [`${CLAIM}/service-account.uid`]: account.uid,
    sub: `system:serviceaccount:${namespace}:${account.name}`,
  };
}
