/**
 * Volumes whose files are made of other objects: Secrets, ConfigMaps, the Pod's own fields, tokens, trust bundles.
 */
import type * as models from "@kubernetes/client-node";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { ownLocalPath, required } from "./checks.ts";
import { VOLUME_FIELDS, validateFieldRef, validateResourceRef } from "./env.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

type KeyToPath = Wire<models.V1KeyToPath>;
type FieldFile = Wire<models.V1DownwardAPIVolumeFile>;
type Projected = Wire<models.V1ProjectedVolumeSource>;
type Projection = Wire<models.V1VolumeProjection>;
type Token = Wire<models.V1ServiceAccountTokenProjection>;
type Bundle = Wire<models.V1ClusterTrustBundleProjection>;
type PodCertificate = Wire<models.V1PodCertificateProjection>;

const MAX_MODE = 0o777;

export function validateMode(mode: number | undefined, path: At, errors: FieldErrors): void {
  if (mode !== undefined && (mode < 0 || mode > MAX_MODE)) {
    errors.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
  }
}

/** A Secret or ConfigMap as a directory. */
export function validateKeyed(
  source: { defaultMode?: number; items?: readonly KeyToPath[] },
  path: At,
  errors: FieldErrors,
): void {
  validateMode(source.defaultMode, child(path, "defaultMode"), errors);
  for (const [index, one] of (source.items ?? []).entries()) {
    validateItem(one, item(child(path, "items"), index), errors);
  }
}

function validateItem({ key, path: file, mode }: KeyToPath, path: At, errors: FieldErrors): void {
  if (!key) errors.required(child(path, "key"));
  required(file, child(path, "path"), errors);
  ownLocalPath(file ?? "", child(path, "path"), errors);
  validateMode(mode, child(path, "mode"), errors);
}

export function validateFieldFiles(
  source: { defaultMode?: number; items?: readonly FieldFile[] },
  path: At,
  errors: FieldErrors,
): void {
  validateMode(source.defaultMode, child(path, "defaultMode"), errors);
  // Kubernetes names the volume, not the file.
  for (const file of source.items ?? []) validateFieldFile(file, path, errors);
}

function validateFieldFile(file: FieldFile, path: At, errors: FieldErrors): void {
  required(file.path, child(path, "path"), errors);
  ownLocalPath(file.path ?? "", child(path, "path"), errors);
  if (file.fieldRef) {
    validateFieldRef(file.fieldRef, VOLUME_FIELDS, child(path, "fieldRef"), errors);
    if (file.resourceFieldRef) {
      errors.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    }
  } else if (file.resourceFieldRef) {
    validateResourceRef(file.resourceFieldRef, true, child(path, "resourceFieldRef"), errors);
  } else errors.required(path, "one of fieldRef and resourceFieldRef is required");
  validateMode(file.mode, child(path, "mode"), errors);
}

/** Several sources in one directory: no two files at the same place. */
export function validateProjected(source: Projected, path: At, errors: FieldErrors): void {
  validateMode(source.defaultMode, child(path, "defaultMode"), errors);
  const places = new Set<string>();
  const place = (file: string | undefined, shown: unknown): void => {
    if (!file) return;
    if (places.has(file)) errors.invalid(path, shown, "conflicting duplicate paths");
    places.add(file);
  };
  for (const [index, one] of (source.sources ?? []).entries()) {
    validateProjection(one, path, item(child(path, "sources"), index), errors, place);
  }
}

type Place = (file: string | undefined, shown: unknown) => void;

function validateProjection(one: Projection, volume: At, path: At, errors: FieldErrors, place: Place): void {
  const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = one;
  for (const [name, keyed] of [
    ["secret", secret],
    ["configMap", configMap],
  ] as const) {
    if (!keyed) continue;
    required(keyed.name, child(child(path, name), "name"), errors);
    for (const [index, file] of (keyed.items ?? []).entries()) {
      validateItem(file, item(child(child(path, name), "items"), index), errors);
      place(file.path, keyed.name);
    }
  }
  for (const file of downwardAPI?.items ?? []) {
    validateFieldFile(file, child(path, "downwardAPI"), errors);
    place(file.path, file.path);
  }
  if (serviceAccountToken) validateToken(serviceAccountToken, volume, child(path, "serviceAccountToken"), errors);
  if (clusterTrustBundle) {
    validateBundle(clusterTrustBundle, child(path, "clusterTrustBundle"), errors);
    place(clusterTrustBundle.path, clusterTrustBundle.path);
  }
  if (podCertificate) validateCertificate(podCertificate, child(path, "podCertificate"), errors, place);
  let given = 0;
  for (const source of [secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate]) {
    if (source) given += 1;
  }
  if (given > 1) errors.forbidden(path, "may not specify more than 1 volume type per source");
}

/** The path of a token's file is told as if it were the volume's own field. */
function validateToken({ expirationSeconds = 0, path: file }: Token, volume: At, path: At, errors: FieldErrors): void {
  const at = child(path, "expirationSeconds");
  if (expirationSeconds < 600) {
    errors.invalid(at, expirationSeconds, "may not specify a duration less than 10 minutes");
  }
  if (expirationSeconds > 2 ** 32) {
    errors.invalid(at, expirationSeconds, "may not specify a duration larger than 2^32 seconds");
  }
  if (required(file, child(volume, "path"), errors)) ownLocalPath(file, child(volume, "path"), errors);
}

function validateBundle(bundle: Bundle, path: At, errors: FieldErrors): void {
  const { name, signerName, labelSelector } = bundle;
  if (name !== undefined && signerName !== undefined) {
    errors.invalid(path, bundle, "only one of name and signerName may be used");
  } else if (name !== undefined) {
    if (name === "") errors.required(child(path, "name"), "must be a valid object name");
    for (const message of bundleName(name)) {
      errors.invalid(child(path, "name"), name, `not a valid clustertrustbundlename: ${message}`);
    }
    if (labelSelector) {
      errors.invalid(child(path, "labelSelector"), labelSelector, "labelSelector must be unset if name is specified");
    }
  } else if (signerName !== undefined) {
    if (signerName === "") errors.required(child(path, "signerName"), "must be a valid signer name");
    validateSigner(signerName, child(path, "signerName"), errors);
    validateLabelSelector(labelSelector, child(path, "labelSelector"), errors);
  } else errors.required(path, "either name or signerName must be specified");
  required(bundle.path, child(path, "path"), errors);
  ownLocalPath(bundle.path ?? "", child(path, "path"), errors);
}

/** "example.com:signer:name" of a signer's bundle, or a plain name. */
const bundleName = (name: string): readonly string[] => dns1123Subdomain(name.slice(name.lastIndexOf(":") + 1));

function validateSigner(name: string, path: At, errors: FieldErrors): void {
  const slash = name.indexOf("/");
  if (slash < 0) {
    errors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  each(dns1123Subdomain(name.slice(0, slash)), path, name.slice(0, slash), errors);
  if (!name.slice(0, slash).includes(".")) {
    errors.invalid(path, name.slice(0, slash), "should be a domain with at least two segments separated by dots");
  }
  each(dns1123Subdomain(name.slice(slash + 1)), path, name.slice(slash + 1), errors);
}

const KEY_TYPES: readonly string[] = ["ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"];
const HOUR = 3600;
const LONGEST = 91 * 24 * HOUR;

function validateCertificate(certificate: PodCertificate, path: At, errors: FieldErrors, place: Place): void {
  const { signerName, keyType, maxExpirationSeconds: seconds } = certificate;
  if (required(signerName, child(path, "signerName"), errors)) {
    validateSigner(signerName, child(path, "signerName"), errors);
  }
  if (!keyType) errors.required(child(path, "keyType"));
  else if (!KEY_TYPES.includes(keyType)) errors.notSupported(child(path, "keyType"), keyType, KEY_TYPES);
  if (seconds !== undefined && (seconds < HOUR || seconds > LONGEST)) {
    const detail = `if provided, maxExpirationSeconds must be >= ${HOUR} and <= ${LONGEST}`;
    errors.invalid(child(path, "maxExpirationSeconds"), seconds, detail);
  }
  const files = ["credentialBundlePath", "keyPath", "certificateChainPath"] as const;
  if (files.every((file) => !certificate[file])) {
    errors.required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
  }
  for (const field of files) {
    const file = certificate[field];
    if (!file) continue;
    ownLocalPath(file, child(path, field), errors);
    place(file, file);
  }
}
