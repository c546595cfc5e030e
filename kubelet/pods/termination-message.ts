/**
 * Termination message: the last words of a container, from its own file or from the end of its log.
 *
 * Never more than 4096 bytes (2048 from a log); what cannot be read is empty.
 * https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
 */
import { open } from "node:fs/promises";
import type { Clock } from "../../machinery/process/clock.ts";
import { readLog } from "../container-log.ts";
import type { ContainerStatus } from "../cri/messages.ts";
import { RESTART_COUNT, TERMINATION_POLICY } from "./labels.ts";
import type { PodIdentity, PodPaths } from "./paths.ts";

const MESSAGE_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;

export async function terminationMessage(
  pod: PodIdentity,
  status: ContainerStatus,
  paths: PodPaths,
  clock: Clock,
): Promise<string> {
  const attempt = Number(status.annotations[RESTART_COUNT] ?? status.metadata.attempt);
  const own = await head(paths.terminationLog(pod.uid, status.metadata.name, attempt));
  const said = own || status.message;
  const fallback = status.annotations[TERMINATION_POLICY] === "FallbackToLogsOnError" && status.exitCode !== 0;
  if (said || !fallback || !status.logPath) return said;
  return logTail(status.logPath, clock);
}

async function head(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MESSAGE_BYTES), 0, MESSAGE_BYTES, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

async function logTail(path: string, clock: Clock): Promise<string> {
  const source = { path, clock, signal: new AbortController().signal, isRunning: async () => false };
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of readLog(source, { tailLines: LOG_LINES })) chunks.push(chunk);
  } catch {
    return ""; // the log is gone: there are no last words
  }
  return Buffer.concat(chunks).subarray(-LOG_BYTES).toString("utf8");
}
