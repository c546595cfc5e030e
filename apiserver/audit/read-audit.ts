/**
 * Read audit: the policy's file and the log that flags name. A mistake in either keeps the server from starting.
 */
import { readFile } from "node:fs/promises";
import { type AuditLog, type AuditLogOptions, openAuditLog } from "./log-file.ts";
import { type AuditPolicy, readPolicy } from "./policy.ts";

export async function readAudit({
  policyFile,
  ...options
}: AuditLogOptions & { readonly policyFile: string }): Promise<{ policy: AuditPolicy; sink: AuditLog }> {
  const policy = readPolicy(await readFile(policyFile, "utf8"), policyFile);
  return { policy, sink: await openAuditLog(options) };
}
