/**
 * Access: who asks the kubelet directly, and whether they may. The API server judges both; answers are kept for a while.
 *
 * A path takes a right on a subresource of nodes: "nodes/metrics" for /metrics and so on, "nodes/proxy" for everything;
 * those with a right of their own are also open to who has that on everything. Nobody is anonymous here.
 * https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/#kubelet-authorization
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";

export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
}

export interface Access {
  /** Undefined for a token that is none. */
  callerOf(token: string): Promise<Caller | undefined>;
  /** Why not; undefined where the caller may. */
  refusal(caller: Caller, method: string, path: string): Promise<string | undefined>;
}

const VERBS: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** The first part of a path ► subresources of which one is enough; anything else: proxy. */
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  stats: ["stats"],
  metrics: ["metrics"],
  logs: ["log"],
  pods: ["pods", "proxy"],
  runningpods: ["pods", "proxy"],
  healthz: ["healthz", "proxy"],
  configz: ["configz", "proxy"],
};

export function rightsFor(
  method: string,
  path: string,
): { readonly verb: string; readonly subresources: readonly string[] } {
  const [first = ""] = path.split("?")[0]?.split("/").filter(Boolean) ?? [];
  const subresources = Object.hasOwn(RIGHTS, first) ? RIGHTS[first] : undefined;
  return { verb: VERBS[method] ?? "get", subresources: subresources ?? ["proxy"] };
}

const KNOWN_MS = 120_000;
const ALLOWED_MS = 300_000;
const REFUSED_MS = 30_000;

export function createAccess({ client, clock, nodeName }: { client: Client; clock: Clock; nodeName: string }): Access {
  const callers = kept<Caller | undefined>(clock, (caller) => (caller ? KNOWN_MS : REFUSED_MS));
  const verdicts = kept<boolean>(clock, (allowed) => (allowed ? ALLOWED_MS : REFUSED_MS));

  const review = async (token: string): Promise<Caller | undefined> => {
    const { status } = (await client.raw({
      method: "POST",
      path: "/apis/authentication.k8s.io/v1/tokenreviews",
      body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } },
    })) as { status?: { authenticated?: boolean; user?: { username?: string; groups?: string[] } } };
    const { username, groups = [] } = status?.user ?? {};
    return status?.authenticated && username ? { user: username, groups } : undefined;
  };
  const ask = async ({ user, groups }: Caller, verb: string, subresource: string): Promise<boolean> => {
    const resourceAttributes = { group: "", version: "v1", resource: "nodes", subresource, name: nodeName, verb };
    const { status } = (await client.raw({
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      body: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: { user, groups: [...groups], resourceAttributes },
      },
    })) as { status?: { allowed?: boolean } };
    return status?.allowed === true;
  };

  return {
    callerOf: (token) => callers(token, () => review(token)),
    async refusal(caller, method, path) {
      const { verb, subresources } = rightsFor(method, path);
      for (const subresource of subresources) {
        const key = JSON.stringify([caller.user, caller.groups, verb, subresource]);
        if (await verdicts(key, () => ask(caller, verb, subresource))) return undefined;
      }
      return `Forbidden (user=${caller.user}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(" ")}])`;
    },
  };
}

/** Answers that are asked for again after a while; the oldest go when there are too many. */
function kept<T>(clock: Clock, lasts: (value: T) => number) {
  const known = new Map<string, { readonly value: T; readonly until: number }>();
  return async (key: string, find: () => Promise<T>): Promise<T> => {
    const found = known.get(key);
    if (found && found.until > clock.monotonic()) return found.value;
    known.delete(key);
    const value = await find();
    known.set(key, { value, until: clock.monotonic() + lasts(value) });
    for (const oldest of known.keys()) {
      if (known.size <= limits.kubeletCallers) break;
      known.delete(oldest);
    }
    return value;
  };
}
