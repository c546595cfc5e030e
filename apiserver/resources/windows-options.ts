/**
 * Windows options: how containers run on Windows nodes, and that all of a Pod's run on the host or none.
 */
import type * as models from "@kubernetes/client-node";
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { eachContainer } from "./each-container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child } from "./path.ts";

type Options = Wire<models.V1WindowsSecurityContextOptions>;

const SPEC_KIB = 64;
const DOMAIN = 256;
const USER = 104;
const CONTROL = /[\u0000-\u001f\u007f]/;
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const DNS = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

export function validateWindowsOptions(options: Options, path: At, errors: FieldErrors): void {
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: spec, runAsUserName: user } = options;
  if (name !== undefined) each(dns1123Subdomain(name), child(path, "gmsaCredentialSpecName"), name, errors);
  if (spec === "") {
    errors.invalid(child(path, "gmsaCredentialSpec"), spec, "gmsaCredentialSpec cannot be an empty string");
  } else if (spec !== undefined && Buffer.byteLength(spec) > SPEC_KIB * 1024) {
    errors.invalid(child(path, "gmsaCredentialSpec"), spec, `gmsaCredentialSpec size must be under ${SPEC_KIB} KiB`);
  }
  if (user === undefined) return;
  for (const fault of userFaults(user)) errors.invalid(child(path, "runAsUserName"), user, `runAsUserName${fault}`);
}

/** "USER" or "DOMAIN\USER". */
function userFaults(name: string): string[] {
  if (name === "") return [" cannot be an empty string"];
  if (CONTROL.test(name)) return [" cannot contain control characters"];
  const parts = name.split("\\");
  if (parts.length > 2) return [" cannot contain more than one backslash"];
  const user = parts.at(-1) ?? "";
  const domain = parts.length === 2 ? parts[0] : undefined;
  const faults: string[] = [];
  if ((domain ?? "").length >= DOMAIN) faults.push(`'s Domain length must be under ${DOMAIN} characters`);
  if (domain !== undefined && !NETBIOS.test(domain) && !DNS.test(domain)) {
    faults.push("'s Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === "") faults.push("'s User cannot be empty");
  else if (user.length > USER) faults.push(`'s User length must not be longer than ${USER} characters`);
  if (/^[. ]+$/.test(user)) faults.push("'s User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    faults.push(`'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  }
  return faults;
}

export function validateHostProcess(spec: PodSpec, path: At, errors: FieldErrors): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  let all = 0;
  let onHost = 0;
  for (const [{ securityContext }, at] of eachContainer(spec, path)) {
    all += 1;
    const own = securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && ofPod !== own) {
      const where = child(child(child(at, "securityContext"), "windowsOptions"), "hostProcess");
      errors.invalid(where, own, `pod hostProcess value must be identical if both are specified, was ${ofPod}`);
    }
    if (own ?? ofPod) onHost += 1;
  }
  if (onHost === 0) return;
  if (onHost !== all) {
    errors.invalid(
      path,
      "",
      "If pod contains any hostProcess containers then all containers must be HostProcess containers",
    );
  }
  if (!spec.hostNetwork) {
    const detail = "hostNetwork must be true if pod contains any hostProcess containers";
    errors.invalid(child(path, "hostNetwork"), false, detail);
  }
}
