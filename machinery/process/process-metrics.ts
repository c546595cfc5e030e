/**
 * Process metrics: what the process itself takes, under the names that Prometheus' clients use everywhere.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";

export function addProcessMetrics(metrics: Metrics, clock: Clock): void {
  const started = clock.now() / 1000 - process.uptime();
  const cpu = metrics.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").of();
  const resident = metrics.gauge("process_resident_memory_bytes", "Resident memory size in bytes.").of();
  const virtual = metrics.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.").of();
  const open = metrics.gauge("process_open_fds", "Number of open file descriptors.").of();
  const most = metrics.gauge("process_max_fds", "Maximum number of open file descriptors.").of();
  const heap = metrics.gauge("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.").of();
  const external = metrics.gauge("nodejs_external_memory_bytes", "Node.js external memory size in bytes.").of();
  metrics.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.").of().value =
    started;
  metrics.onRead(() => {
    const { user, system } = process.cpuUsage();
    const memory = process.memoryUsage();
    cpu.value = (user + system) / 1e6;
    resident.value = memory.rss;
    heap.value = memory.heapUsed;
    external.value = memory.external;
    if (process.platform !== "linux") return;
    virtual.value = 1024 * Number(/^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
    open.value = readdirSync("/proc/self/fd").length;
    most.value = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0);
  });
}
