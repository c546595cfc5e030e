/**
 * Authorizer: a policy's questions whether someone may do something. What it answers comes from the server's own.
 */
import { dns1123Label, dns1123Subdomain } from "../../../machinery/objects/names.ts";
import { type AuthorizationCheck, type AuthorizerBinding, CelRuntimeError } from "../contract.ts";
import { add, fixed, scale, TEXT, UNKNOWN } from "../costing.ts";
import { type Costing, member, type Overload, opaque, types } from "../declarations.ts";
import { Opaque, sizeOf } from "../values.ts";

const { bool, string } = types;
const authorizerType = opaque("kubernetes.authorization.Authorizer");
const pathType = opaque("kubernetes.authorization.PathCheck");
const groupType = opaque("kubernetes.authorization.GroupCheck");
const resourceType = opaque("kubernetes.authorization.ResourceCheck");
const decisionType = opaque("kubernetes.authorization.Decision");

/** Any step on the way to a decision: who asks, and what for so far. */
class Asking extends Opaque {
  readonly typeName: string;
  readonly ask: AuthorizerBinding;
  readonly check: AuthorizationCheck;
  constructor(typeName: string, ask: AuthorizerBinding, check: AuthorizationCheck) {
    super();
    this.typeName = typeName;
    this.ask = ask;
    this.check = check;
  }
  equals(other: Opaque): boolean {
    return other instanceof Asking && JSON.stringify(this.check) === JSON.stringify(other.check);
  }
  with(type: { readonly name: string }, more: Partial<AuthorizationCheck>): Asking {
    return new Asking(type.name, this.ask, { ...this.check, ...more });
  }
}

class Decided extends Opaque {
  readonly typeName = decisionType.name;
  readonly allowed: boolean;
  readonly reason: string;
  constructor(allowed: boolean, reason: string) {
    super();
    this.allowed = allowed;
    this.reason = reason;
  }
  equals(other: Opaque): boolean {
    return other === this;
  }
}

export const authorizerValue = (ask: AuthorizerBinding): Opaque => new Asking(authorizerType.name, ask, {});

/** `authorizer.requestResource`: the resource that the request is about, filled in. */
export const resourceCheckValue = (ask: AuthorizerBinding, check: AuthorizationCheck): Opaque =>
  new Asking(resourceType.name, ask, check);

function notEmpty(text: string, what: string): string {
  if (text.trim() === "") throw new CelRuntimeError(`${what} must not be empty`);
  return text;
}

function serviceAccount(asking: Asking, namespace: string, name: string): Asking {
  const wrongName = dns1123Subdomain(name);
  if (wrongName.length > 0) throw new CelRuntimeError("Invalid service account name");
  const wrongNamespace = dns1123Label(namespace);
  if (wrongNamespace.length > 0) throw new CelRuntimeError("Invalid service account namespace");
  return asking.with(authorizerType, { serviceAccount: { namespace, name } });
}

function decide(asking: Asking, verb: string): Decided {
  const { allowed, reason } = asking.ask({ ...asking.check, verb });
  return new Decided(allowed, reason);
}

const one = fixed(1);
/** A selector is read, and each of its requirements kept: a list and a struct for every two characters. */
const selector: Costing = {
  cost: ([, text]) => 10 + Math.ceil(sizeOf(text) * TEXT) + Math.ceil(Math.ceil(sizeOf(text) * 0.5) * 50),
  estimate: (args) => {
    const size = args[1]?.size ?? UNKNOWN;
    return { cost: add({ min: 10, max: 10 }, scale(size, TEXT), scale(scale(size, 0.5), 50)) };
  },
};

const narrows = (name: keyof AuthorizationCheck & string, costing: Costing = one): Overload =>
  member(
    name,
    `resourcecheck_${name}`,
    [resourceType, string],
    resourceType,
    (asking: Asking, value: string) => asking.with(resourceType, { [name]: value }),
    costing,
  );

export const authorizers: readonly Overload[] = [
  member(
    "path",
    "authorizer_path",
    [authorizerType, string],
    pathType,
    (asking: Asking, path: string) => asking.with(pathType, { path: notEmpty(path, "path") }),
    one,
  ),
  member(
    "group",
    "authorizer_group",
    [authorizerType, string],
    groupType,
    (asking: Asking, group: string) => asking.with(groupType, { group }),
    one,
  ),
  member(
    "serviceAccount",
    "authorizer_serviceaccount",
    [authorizerType, string, string],
    authorizerType,
    serviceAccount,
    one,
  ),
  member(
    "resource",
    "groupcheck_resource",
    [groupType, string],
    resourceType,
    (asking: Asking, resource: string) => asking.with(resourceType, { resource: notEmpty(resource, "resource") }),
    one,
  ),
  narrows("subresource"),
  narrows("namespace"),
  narrows("name"),
  narrows("fieldSelector", selector),
  narrows("labelSelector", selector),
  member("check", "pathcheck_check", [pathType, string], decisionType, decide, fixed(350_000)),
  member("check", "resourcecheck_check", [resourceType, string], decisionType, decide, fixed(350_000)),
  member("allowed", "decision_allowed", [decisionType], bool, ({ allowed }: Decided) => allowed, one),
  member("reason", "decision_reason", [decisionType], string, ({ reason }: Decided) => reason, one),
  member("errored", "decision_errored", [decisionType], bool, () => false, one),
  member("error", "decision_error", [decisionType], string, () => "", one),
];

export const authorizerTypes = {
  "kubernetes.authorization.Authorizer": authorizerType,
  "kubernetes.authorization.PathCheck": pathType,
  "kubernetes.authorization.GroupCheck": groupType,
  "kubernetes.authorization.ResourceCheck": resourceType,
  "kubernetes.authorization.Decision": decisionType,
} as const;
