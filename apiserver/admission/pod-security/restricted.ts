/**
 * Restricted: what hardened Pods must say for themselves, beyond baseline.
 *
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
 */
import type { Container } from "../../../machinery/objects/kinds.ts";
import { isBadSeccomp, seccompProfile as seccompBaseline } from "./baseline.ts";
import { type Check, containersOf, isWindows, named, plural, quoted, setters, sorted } from "./contract.ts";

export const allowPrivilegeEscalation: Check = ({ spec }) => {
  const bad = containersOf(spec).filter(({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  return bad.length > 0
    ? {
        reason: "allowPrivilegeEscalation != false",
        detail: `${named(bad)} must set securityContext.allowPrivilegeEscalation=false`,
      }
    : undefined;
};

export const capabilities: Check = ({ spec }) => {
  const badOf = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((one) => one !== "NET_BIND_SERVICE");
  const keeping = containersOf(spec).filter(
    ({ securityContext }) => !securityContext?.capabilities?.drop?.includes("ALL"),
  );
  const adding = containersOf(spec).filter((container) => badOf(container).length > 0);
  const details = [
    ...(keeping.length > 0 ? [`${named(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [
          `${named(adding)} must not include ${quoted(sorted(adding.flatMap(badOf)))} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return details.length > 0 ? { reason: "unrestricted capabilities", detail: details.join("; ") } : undefined;
};

const VOLUMES: ReadonlySet<string> = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

export const volumeTypes: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).flatMap(({ name, ...source }) => {
    const types = Object.keys(source);
    if (types.some((type) => VOLUMES.has(type))) return [];
    return [{ name, type: types[0] ?? "unknown" }];
  });
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map(({ type }) => type));
  return {
    reason: "restricted volume types",
    detail: `${plural(bad.length, "volume")} ${quoted(bad.map(({ name }) => name))} ${plural(bad.length, "uses", "use")} restricted volume ${plural(types.length, "type")} ${quoted(types)}`,
  };
};

export const runAsNonRoot: Check = ({ spec }) => {
  const reason = "runAsNonRoot != true";
  const own = spec.securityContext?.runAsNonRoot;
  const said = ({ securityContext }: Container) => securityContext?.runAsNonRoot;
  const who = setters(
    own === false,
    containersOf(spec).filter((one) => said(one) === false),
  );
  if (who) return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` };
  const silent = own ? [] : containersOf(spec).filter((one) => said(one) === undefined);
  if (silent.length === 0) return undefined;
  return { reason, detail: `pod or ${named(silent)} must set securityContext.runAsNonRoot=true` };
};

export const runAsUser: Check = ({ spec }) => {
  const bad = containersOf(spec).filter(({ securityContext }) => securityContext?.runAsUser === 0);
  const who = setters(spec.securityContext?.runAsUser === 0, bad);
  return who ? { reason: "runAsUser=0", detail: `${who} must not set runAsUser=0` } : undefined;
};

export const seccompProfile: Check = (judged) => {
  const explicit = seccompBaseline(judged);
  if (explicit) return explicit;
  const { spec } = judged;
  const own = spec.securityContext?.seccompProfile;
  if (own && !isBadSeccomp(own)) return undefined;
  const silent = containersOf(spec).filter(({ securityContext }) => !securityContext?.seccompProfile);
  if (silent.length === 0) return undefined;
  return {
    reason: "seccompProfile",
    detail: `pod or ${named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
};

/** What Windows does not have is not asked of Pods that say they run there. */
export const exceptOnWindows =
  (check: Check): Check =>
  (judged) =>
    isWindows(judged.spec) ? undefined : check(judged);
