/**
 * Devices (DRA): classes of them, claims for them, what nodes have. Stored and checked; nothing allots them yet.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { IMMUTABLE, oneOf, required, requireNamed } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

type Claim = Stored<models.ResourceV1ResourceClaim>;
type Template = Stored<models.V1ResourceClaimTemplate>;
type Slice = Stored<models.V1ResourceSlice>;
type Spec = Wire<models.V1ResourceClaimSpec>;

const MOST_REQUESTS = 32;
const MOST_DEVICES = 128;
const MODES: readonly string[] = ["All", "ExactCount"];

export const resourceClaimStrategy: Strategy<Claim> = {
  defaults: ({ spec }) => setDefaults(spec),
  prepareForCreate(claim) {
    claim.status = {};
  },
  validate({ spec }, errors) {
    validateClaim(spec, "spec", errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (!equalJson(spec, old.spec)) errors.invalid("spec", spec, IMMUTABLE);
  },
};

export const resourceClaimTemplateStrategy: Strategy<Template> = {
  defaults: ({ spec }) => setDefaults(spec?.spec),
  validate({ spec }, errors) {
    validateClaim(spec?.spec, "spec.spec", errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (!equalJson(spec, old.spec)) errors.invalid("spec", spec, IMMUTABLE);
  },
};

function setDefaults(spec: Spec | undefined): void {
  for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
    for (const request of exactly ? [exactly] : (firstAvailable ?? [])) {
      request.allocationMode ||= "ExactCount";
      if (request.allocationMode === "ExactCount") request.count ??= 1;
    }
  }
}

function validateClaim(spec: Spec | undefined, at: string, errors: FieldErrors): void {
  const requests = spec?.devices?.requests ?? [];
  const path = `${at}.devices.requests`;
  if (requests.length > MOST_REQUESTS) errors.tooMany(path, requests.length, MOST_REQUESTS);
  const names = new Set<string>();
  for (const [index, { name, exactly, firstAvailable }] of requests.entries()) {
    const here = `${path}[${index}]`;
    requireNamed(name, dns1123Label, `${here}.name`, errors);
    if (names.has(name)) errors.duplicate(`${here}.name`, name);
    names.add(name);
    if (exactly && firstAvailable?.length)
      errors.invalid(
        here,
        null,
        "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
      );
    else if (!exactly && !firstAvailable?.length)
      errors.required(here, "exactly one of `exactly` or `firstAvailable` is required");
    if (exactly) validateRequest(exactly, `${here}.exactly`, errors);
    for (const [place, one] of (firstAvailable ?? []).entries())
      validateRequest(one, `${here}.firstAvailable[${place}]`, errors);
  }
}

interface Request {
  readonly deviceClassName?: string;
  readonly allocationMode?: string;
  readonly count?: number;
}

function validateRequest({ deviceClassName, allocationMode, count }: Request, at: string, errors: FieldErrors): void {
  if (required(deviceClassName, `${at}.deviceClassName`, errors))
    each(dns1123Subdomain(deviceClassName ?? ""), `${at}.deviceClassName`, deviceClassName, errors);
  oneOf(allocationMode, MODES, `${at}.allocationMode`, errors);
  if (allocationMode === "All" && count)
    errors.invalid(`${at}.count`, count, "must not be specified when allocationMode is 'All'");
  if (allocationMode === "ExactCount" && (count ?? 0) <= 0)
    errors.invalid(`${at}.count`, count ?? 0, "must be greater than zero");
}

export const resourceSliceStrategy: Strategy<Slice> = {
  validate({ spec }, errors) {
    requireNamed(spec?.driver, dns1123Subdomain, "spec.driver", errors);
    if (required(spec?.pool?.name, "spec.pool.name", errors))
      for (const part of spec.pool.name.split("/"))
        each(dns1123Subdomain(part), "spec.pool.name", spec.pool.name, errors);
    const devices = spec?.devices ?? [];
    if (devices.length > MOST_DEVICES) errors.tooMany("spec.devices", devices.length, MOST_DEVICES);
    const names = new Set<string>();
    for (const [index, { name }] of devices.entries()) {
      requireNamed(name, dns1123Label, `spec.devices[${index}].name`, errors);
      if (names.has(name)) errors.duplicate(`spec.devices[${index}].name`, name);
      names.add(name);
    }
  },
  validateUpdate({ spec }, old, errors) {
    for (const field of ["driver", "nodeName"] as const)
      if (spec?.[field] !== old.spec?.[field]) errors.invalid(`spec.${field}`, spec?.[field], IMMUTABLE);
    if (spec?.pool?.name !== old.spec?.pool?.name) errors.invalid("spec.pool.name", spec?.pool?.name, IMMUTABLE);
  },
};
