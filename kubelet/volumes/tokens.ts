/**
 * Tokens: service account tokens for projected volumes, bound to their Pod and renewed in time.
 *
 * A token is asked for once and kept until 80 % of its life, or a day, has passed; then a new one
 * is asked for, and the old one goes on serving while that fails and it is still valid.
 * https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface Tokens {
  token(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>;
  /** When a token of this Pod is due for renewal; undefined without any. */
  due(uid: string): number | undefined;
  forget(uid: string): void;
}

interface Held {
  readonly token: string;
  readonly expires: number;
  readonly renewAt: number;
}

const DAY_MS = 86_400_000;
const RETRY_MS = 60_000;

export interface TokensContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createTokens({ client, clock, log }: TokensContext): Tokens {
  const byPod = new Map<string, Map<string, Held>>();

  async function request(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Held> {
    const { name, namespace, uid } = pod.metadata;
    const ref = { namespace, name: pod.spec?.serviceAccountName ?? "default" };
    const asked = clock.now();
    const answer = await client.createSub("serviceaccounts", ref, "token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: {},
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
      },
    });
    const { token, expirationTimestamp } = answer["status"] as { token: string; expirationTimestamp: string };
    const expires = Date.parse(expirationTimestamp);
    const life = expires - asked;
    return {
      token,
      expires,
      renewAt: asked + Math.min(life * 0.8, DAY_MS) - clock.random() * Math.min(10_000, life * 0.05),
    };
  }

  return {
    async token(pod, audience, expirationSeconds) {
      const held = byPod.get(pod.metadata.uid) ?? new Map<string, Held>();
      byPod.set(pod.metadata.uid, held);
      const key = `${audience ?? ""} ${expirationSeconds}`;
      const current = held.get(key);
      if (current && current.renewAt > clock.now()) return current.token;
      try {
        const next = await request(pod, audience, expirationSeconds);
        held.set(key, next);
        return next.token;
      } catch (error) {
        if (!current || current.expires <= clock.now()) throw error;
        log.warn("a service account token could not be renewed yet", { pod: pod.metadata.name, error });
        held.set(key, { ...current, renewAt: clock.now() + RETRY_MS });
        return current.token;
      }
    },

    due(uid) {
      const times = [...(byPod.get(uid)?.values() ?? [])].map(({ renewAt }) => renewAt);
      return times.length > 0 ? Math.min(...times) : undefined;
    },

    forget: (uid) => void byPod.delete(uid),
  };
}
