/**
 * Reviews: kinds that are questions: posted, answered, forgotten. Who am I, may I, may they, is this token good.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { bootstrapUser } from "../auth/bootstrap-tokens.ts";
import type { Attributes, User } from "../auth/contract.ts";
import { admitted } from "./admission-request.ts";
import { bind } from "./binding.ts";
import { decodeObject, readObject } from "./body.ts";
import type { ResourceExchange, Step } from "./contract.ts";
import { placeInNamespace } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { nothingThere } from "./refusals.ts";
import { respondObject } from "./respond.ts";

type Answer = (exchange: ResourceExchange, review: KubeObject) => Readonly<Record<string, unknown>>;

interface AccessSpec {
  user?: string;
  groups?: string[];
  uid?: string;
  extra?: Record<string, string[]>;
  resourceAttributes?: Partial<
    Record<"verb" | "group" | "version" | "resource" | "subresource" | "namespace" | "name", string>
  >;
  nonResourceAttributes?: { path?: string; verb?: string };
}

/** Kind ► its status. */
const answers: Readonly<Record<string, Answer>> = {
  SelfSubjectReview: ({ user }) => ({ userInfo: userInfo(user) }),

  SelfSubjectAccessReview: (exchange, review) => access(exchange, exchange.user, specOf(review)),

  SubjectAccessReview: (exchange, review) => {
    const spec = specOf(review);
    return access(exchange, subjectOf(spec), spec);
  },

  LocalSubjectAccessReview: (exchange, review) => {
    const spec = specOf(review);
    if (!spec.resourceAttributes) throw badRequest("spec.resourceAttributes is required");
    if (spec.resourceAttributes.namespace !== exchange.info.namespace)
      throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${exchange.info.namespace}`);
    return access(exchange, subjectOf(spec), spec);
  },

  SelfSubjectRulesReview: ({ server, user }, review) => {
    const { namespace = "" } = (review["spec"] ?? {}) as { namespace?: string };
    if (!namespace) throw badRequest("no namespace on request");
    const rules = server.rbac.rulesFor(user, namespace);
    const ofPaths = rules.filter((rule) => rule.nonResourceURLs?.length);
    return {
      resourceRules: rules.filter((rule) => rule.resources?.length),
      nonResourceRules: ofPaths.map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: false,
    };
  },

  TokenReview: ({ server }, review) => {
    const { token = "", audiences } = (review["spec"] ?? {}) as { token?: string; audiences?: string[] };
    if (!token) throw badRequest("token is required for TokenReview in authentication");
    try {
      const asked = audiences?.length ? audiences : server.tokens.audiences;
      const verified = server.tokens.verify(token, asked, server.objects);
      if (verified) return { authenticated: true, user: userInfo(verified.user), audiences: verified.audiences };
      const known = bootstrapUser(token, server.objects, server.clock.now());
      const shared = server.tokens.audiences.filter((one) => asked.includes(one));
      if (!known || shared.length === 0) return { user: {}, authenticated: false };
      return { authenticated: true, user: userInfo(known), audiences: shared };
    } catch (error) {
      if (error instanceof ApiError) return { user: {}, authenticated: false, error: error.message };
      throw error;
    }
  },
};

export const createVirtual: Step = async (exchange): Promise<ResponseRecord> => {
  const { record, row, server, warnings, info } = exchange;
  if (row.kind === "Binding") return bindPod(exchange);
  const answer = Object.hasOwn(answers, row.kind) ? answers[row.kind] : undefined;
  if (!answer) throw new ApiError("NotImplemented", `${row.kind} is not built in this server`);
  const { dryRun, fieldValidation } = writeOptions(record.query, "CreateOptions");
  const review = decodeObject(server, readObject(server, record, row), row, fieldValidation, warnings);
  if (row.namespaced) placeInNamespace(row, review, info.namespace);
  const { name = "", namespace = "" } = review.metadata;
  await admitted(exchange, { operation: "CREATE", name, namespace, object: review, dryRun });
  review.metadata.creationTimestamp ??= wireTime(server.clock.now()) as never;
  return respondObject(exchange, { status: 201, object: { ...review, status: answer(exchange, review) } });
};

/** The old way to bind: the Pod's name stands in the Binding. */
function bindPod(exchange: ResourceExchange): Promise<ResponseRecord> {
  const { resources } = exchange.server;
  const row = resources.find("", "v1", "pods");
  if (!row) throw nothingThere();
  return bind({ ...exchange, row, cache: resources.cache(row) });
}

const specOf = (review: KubeObject): AccessSpec => (review["spec"] ?? {}) as AccessSpec;

function subjectOf({ user = "", groups = [], uid, extra }: AccessSpec): User {
  if (!user && groups.length === 0) throw badRequest("at least one of user or group must be specified");
  return { name: user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}

function access({ server }: ResourceExchange, user: User, spec: AccessSpec): Readonly<Record<string, unknown>> {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if ((resourceAttributes === undefined) === (nonResourceAttributes === undefined))
    throw badRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified");
  const {
    verb = "",
    group = "",
    version = "",
    resource = "",
    subresource = "",
    namespace = "",
    name = "",
  } = resourceAttributes ?? {};
  const asked: Attributes = nonResourceAttributes
    ? { ...NOTHING, user, verb: nonResourceAttributes.verb ?? "", path: nonResourceAttributes.path ?? "" }
    : { ...NOTHING, user, isResource: true, verb, group, version, resource, subresource, namespace, name };
  const { kind, reason } = server.authorize(asked);
  return {
    allowed: kind === "allow",
    ...(kind === "deny" ? { denied: true } : {}),
    ...(reason ? { reason } : {}),
  };
}

const NOTHING: Omit<Attributes, "user"> = {
  verb: "",
  isResource: false,
  group: "",
  version: "",
  resource: "",
  subresource: "",
  namespace: "",
  name: "",
  path: "",
};

function userInfo({ name, uid, groups, extra }: User): Readonly<Record<string, unknown>> {
  return { username: name, ...(uid ? { uid } : {}), groups, ...(extra ? { extra } : {}) };
}
